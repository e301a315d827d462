"""`hedx province`: one party's adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any, Final

import click

from pipeline import logs
from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.dossier_table import category_words
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit
from pipeline.cli.stopping import stop_on_signals
from pipeline.crypto.certificates import common_name
from pipeline.domain.wording import Language, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.province import owing, parking
from pipeline.province.database import connect
from pipeline.settings import data_dir
from pipeline.stages.clock import local_time


@click.group()
def command() -> None:
    """A province's adapter: outbox, provider, delivery. The center's own resources (部中心) are party 00."""


@command.command()
@options.party
@cluster.bootstrap
def run(party: str, bootstrap: str) -> None:
    """Run the adapter of one party until stopped: it sends, answers and receives."""
    from pipeline.app import run_province

    logs.configure(f"party.{party}")
    run_province(
        party, Installation(data_dir()), bootstrap, stop_on_signals(), extra=cluster.security(common_name(party))
    )


@command.command()
@options.party
@options.lang
@options.as_json
def parked(party: str, lang: Language, as_json: bool) -> None:
    """List the requests that wait for a register that is away for a reason (Art. 10). They are kept sealed."""
    with closing(connect(Installation(data_dir()).store(party))) as connection:
        found = [
            {
                "application_id": request.application_id,
                "requester": request.requester,
                "section": request.section,
                "row": row.row,
                "category": row.category,
                "until": row.until,
                "reason": row.reason,
            }
            for request in parking.waiting(connection)
            for row in request.rows
        ]
    if as_json:
        emit(found, as_json)
        return
    heads = ("申请编号", "申请单位", "分段", "附表行", "内容类别", "预计恢复", "原因")
    english = ("application", "requester", "section", "row", "category", "away until", "because")
    for one in found:
        one["requester"] = provider_words(str(one["requester"]), lang)
        one["category"] = category_words(str(one["category"]), {}, lang)
        one["until"] = local_time(int(str(one["until"])))
    emit([dict(zip(english if lang == "en" else heads, one.values(), strict=True)) for one in found], as_json)


@command.command()
@options.party
@options.lang
@options.as_json
def owed(party: str, lang: Language, as_json: bool) -> Exit:
    """List the answers this party owes, the most urgent first, with reminders (催报) by the center. 2: some are overdue.

    What lies unread in its inbox is not in its store: reminders tell of it once the adapter runs.
    """
    now = wall_clock()
    with closing(connect(Installation(data_dir()).store(party))) as connection:
        found = [{**asdict(one), "overdue": one.deadline < now} for one in owing.owed(connection, party)]
    if as_json:
        emit(found, as_json)
    else:
        emit([dict(zip(_OWED[lang], _owed_words(one, lang), strict=True)) for one in found], as_json)
    return Exit.DRIFT if any(one["overdue"] for one in found) else Exit.FINE


_OWED: Final = {
    "zh": ("申请编号", "申请单位", "分段", "附表行", "内容类别", "截止时间", "等待原因", "催报时间", "已超期"),
    "en": ("application", "requester", "section", "row", "category", "deadline", "because", "reminded", "overdue"),
}


def _owed_words(one: Mapping[str, Any], lang: Language) -> Sequence[object]:
    reminded, category = one["reminded_at"], one["category"]
    return (
        one["application_id"],
        provider_words(one["requester"], lang),
        one["section"],
        one["row"],
        None if category is None else category_words(category, {}, lang),
        local_time(one["deadline"]),
        one["because"],
        None if reminded is None else local_time(reminded),
        one["overdue"],
    )
