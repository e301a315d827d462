"""`hedx apply recheck | differences`: asking some of an application again (复核, Art. 10), and what that changed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.facts import in_words
from pipeline.cli.filing import await_result, put_in, show_status
from pipeline.cli.handover import opened_case
from pipeline.cli.output import emit, remark, table
from pipeline.crypto.certificates import common_name
from pipeline.domain.answer_codes import explain_code, status_words
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import provider_from
from pipeline.domain.records import Difference
from pipeline.domain.wording import Language, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.province.differences import as_data as differences_data
from pipeline.province.differences import differences_of
from pipeline.province.rechecking import Dispute, RecheckRefused, prepare, reviewed
from pipeline.province.rule_files import load_rule_book
from pipeline.province.unit_keys import read_public
from pipeline.settings import data_dir
from pipeline.stages.clock import local_date, local_time

_NUMBERS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_MOST_NUMBERS: Final = 1_000_000
_WHOLE_WORDS: Final = {
    "status": ("反馈结果", "status"),
    "code": ("原因", "reason"),
    "until": ("恢复时间", "until"),
    "as_of": ("数据截止", "as of"),
    "coverage": ("覆盖范围", "coverage"),
}
_HEADS: Final = (
    ("序号", "行", "提供方", "记录", "内容项", "原结果", "复核结果"),
    ("number", "row", "provider", "record", "item", "before", "after"),
)
_SAID: Final = (
    ("比较了 {compared} 项子查询，全部相同。", "{compared} sub-queries compared: all the same."),
    ("比较了 {compared} 项子查询，有 {count} 处差异。", "{compared} sub-queries compared, {count} differences."),
)


def _numbers(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> frozenset[int]:
    """`3`, `3,5`, `7-9`, and so on."""
    found: set[int] = set()
    for text in ",".join(texts).split(","):
        match = _NUMBERS.fullmatch(text.strip())
        if match is None:
            raise click.BadParameter(f"{text!r} is no number and no range as 3-7")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < first + _MOST_NUMBERS:
            raise click.BadParameter(f"{text!r} is no range")
        found.update(range(first, last + 1))
    return frozenset(found)


def _provider(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    try:
        return None if text is None else provider_from(text)
    except ValueError:
        raise click.BadParameter(f"{text} is no provider: give a name or code, e.g. 山东 or 37, or 部中心") from None


@click.command()
@click.argument("application_id")
@click.option(
    "--person", "persons", multiple=True, required=True, callback=_numbers,
    help="Roster numbers of the persons disputed: 3, 3,5 or 7-9 (repeatable).",
)  # fmt: skip
@click.option(
    "--row", "rows", multiple=True, required=True, callback=_numbers,
    help="Rows of the schedule disputed, likewise (repeatable).",
)  # fmt: skip
@click.option("--provider", callback=_provider, help="Ask this provider only, where the row asks 全国.")
@click.option(
    "--reason",
    required=True,
    callback=options.free_text,
    help="What is disputed, and why. Name nobody: give roster numbers.",
)
@click.option(
    "--reply-key", type=click.Path(path_type=Path),
    help="Another public key of the entrusting unit, if the original has one: it alone opens the answers.",
)  # fmt: skip
@click.option("--wait", type=float, default=0.0, help="Wait so many seconds for the result.")
@options.party
@cluster.bootstrap
@options.lang
@options.as_json
def recheck(
    application_id: str,
    persons: frozenset[int],
    rows: frozenset[int],
    provider: str | None,
    reason: str,
    reply_key: Path | None,
    wait: float,
    party: str,
    bootstrap: str,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Ask some persons and rows of APPLICATION_ID again: 复核, when its results are disputed.

    A new application with its own id, answered afresh; nothing is filed when there is a single fault. Prints its id.
    """
    from pipeline.app import reference_for
    from pipeline.cli.apply import as_data, as_report, held_lines

    installation, today = Installation(data_dir()), local_date(wall_clock())
    recheck_id = str(uuid.uuid4())
    with opened_case(party, application_id) as case:
        if case.held_by_unit and reply_key is None:
            raise RecheckRefused(
                "unit_key_needed", "the entrusting unit opens the answers: give another --reply-key of it"
            )
        dispute = Dispute(persons, rows, provider, reason)
        prepared = prepare(case, dispute, application_id=recheck_id, today=today)
    with reference_for(installation, bootstrap, cluster.security(common_name(party))) as reference:
        if reference.current is None:
            raise ConfigError("no catalog release is published yet")
        rules = load_rule_book(data_dir() / "rules").for_party(party)
        loaded = reviewed(prepared, reference.current, rules, today)
        if loaded.application is None:
            emit(as_data(loaded, lang) if as_json else "\n".join(as_report(loaded, lang)), as_json)
            return Exit.FAILED
        for line in held_lines(loaded, lang):
            remark(line)
        unit_key = None if reply_key is None else read_public(reply_key)
        put_in(installation, loaded.application, loaded.roster, reference, unit_key, recheck=prepared)
    if wait and not await_result(installation, party, recheck_id, wait):
        remark(f"no result within {wait:g} s; see hedx apply status {recheck_id}")
    show_status(installation, party, recheck_id, lang, as_json)
    return Exit.FINE


@click.command()
@click.argument("recheck_id")
@options.party
@options.lang
@options.as_json
def differences(recheck_id: str, party: str, lang: Language, as_json: bool) -> None:
    """Show what the re-check RECHECK_ID found other than its original, field by field.

    Compared once, signed, and kept; the signature is verified each time. In the access log of both applications.
    """
    with opened_case(party, recheck_id) as case:
        found = differences_of(case)
    if as_json:
        emit(differences_data(found), as_json)
        return
    facts = {"application_id": found.application_id, "original": found.original, "attempt": found.attempt}
    emit(in_words(facts, lang), as_json)
    said = _SAID[bool(found.differences)][lang == "en"]
    emit(said.format(compared=found.compared, count=len(found.differences)), as_json)
    if found.differences:
        table(_HEADS[lang == "en"], _lines(found.differences, lang))


def _lines(found: Iterable[Difference], lang: Language) -> Iterable[list[object]]:
    """In words: a line a field."""
    for difference in found:
        item = difference["item"]
        is_whole = difference["entry"] == 0
        name = _WHOLE_WORDS[item][lang == "en"] if is_whole and item in _WHOLE_WORDS else item
        before, after = (
            _value(item if is_whole else "", value, lang) for value in (difference["before"], difference["after"])
        )
        yield [
            difference["number"],
            difference["row"],
            provider_words(difference["provider"], lang),
            "" if is_whole else difference["entry"],
            name,
            before,
            after,
        ]


def _value(item: str, value: str | None, lang: Language) -> Any:
    if value is None:
        return "（无）" if lang == "zh" else "(nothing)"
    if item == "status":
        return status_words(value, lang)
    if item == "code":
        return explain_code(value, lang)
    return local_time(int(value)) if item == "until" else value
