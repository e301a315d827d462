"""`hedx evidence requests | release | refuse-file`: what the center asks a province for, and what it gets (Art. 9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.evidence_words import in_words, kinds_option, party_archive, reason_option, want_words
from pipeline.cli.exits import Exit
from pipeline.cli.filing import offline_trust
from pipeline.cli.output import emit, emit_list, remark
from pipeline.crypto.certificates import common_name
from pipeline.crypto.trust import Trust
from pipeline.domain.calendar import Calendar, CalendarUnknown, local_date
from pipeline.domain.errors import ConfigError
from pipeline.domain.records import EvidenceKind
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.province.calendar_files import load_calendar
from pipeline.province.evidence_documents import Document
from pipeline.province.evidence_release import Release
from pipeline.province.evidence_requests import Asked
from pipeline.province.evidence_requests import requests as all_requests
from pipeline.province.evidence_store import EvidenceStore
from pipeline.settings import data_dir


@contextmanager
def _officer(party: str, trust: Trust | None = None) -> Iterator[tuple[EvidenceStore, Release]]:
    """An officer at work; `trust` None: as the party's processes saw it last, which is enough but for sealing."""
    with party_archive(party) as archive:
        if archive.identity is None:
            raise ConfigError("an officer releases with the party's identity")
        yield archive, Release(archive, archive.identity, trust or offline_trust(Installation(data_dir()), party))


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also those that are replied to or judged.")
@options.party
@options.lang
@options.as_json
def requests(everything: bool, party: str, lang: Language, as_json: bool) -> None:
    """List what the center asks for, the most pressing first, with the working days that are left."""
    calendar = load_calendar(data_dir() / "calendar")
    with _officer(party) as (archive, officer):
        trust = offline_trust(Installation(data_dir()), party)
        found = [
            _data(asked, officer, calendar, lang)
            for asked in all_requests(archive.connection, trust, party)
            if everything or asked.reply is None
        ]
    emit_list(found if as_json else [in_words(one, lang) for one in found], as_json, lang)


def _data(asked: Asked, officer: Release, calendar: Calendar, lang: Language) -> dict[str, object]:
    request = asked.request
    waiting = officer.open(asked.id) if asked.reply is None else []
    return {
        "request": asked.id,
        "application": request["application_id"],
        "numbers": request["numbers"],
        "asked_at": asked.received_at,
        "due": request["due"],
        "days_left": _days_left(calendar, request["due"]),
        "state": _state(asked),
        "reminder": request["reminder"],
        "draw": request["draw"],
        "reason": request["reason"],
        "open": [want_words(number, kind, lang) for number, kind in waiting],
    }


def _state(asked: Asked) -> str:
    if asked.judged is not None:
        return asked.judged["verdict"]
    if asked.reply is not None:
        return "replied"
    return "overdue" if wall_clock() > asked.request["due"] else "open"


def _days_left(calendar: Calendar, due: int) -> int | None:
    """Working days until a limit, today not counted; 0 on the last one and after it; None where the calendar ends."""
    day, last, left = local_date(wall_clock()), local_date(due), 0
    try:
        while day < last:
            day = calendar.after(day, 1)
            left += 1
    except CalendarUnknown:
        return None
    return left


@click.command()
@click.argument("request_id")
@click.argument("digests", nargs=-1)
@click.option(
    "--number", "numbers", type=int, multiple=True, help="All that is asked of this roster number (repeatable)."
)
@click.option("--all", "everything", is_flag=True, help="All that is asked and there.")
@options.party
@cluster.bootstrap
@options.lang
@options.as_json
def release(
    request_id: str,
    digests: Sequence[str],
    numbers: Sequence[int],
    everything: bool,
    party: str,
    bootstrap: str,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Release documents to the center for REQUEST_ID: by their DIGESTS, of some --number, or --all that is asked for.

    They are sealed to the center and leave with the adapter (hedx province run). Exits 2 while something that was asked for
    is neither released nor refused; then the reply is not sent yet.
    """
    if sum((bool(digests), bool(numbers), everything)) != 1:
        raise click.UsageError("give digests, --number, or --all")
    from pipeline.app import reference_for

    installation, extra = Installation(data_dir()), cluster.security(common_name(party))
    with (
        reference_for(installation, bootstrap, extra) as reference,
        _officer(party, reference.trust) as (archive, officer),
    ):
        asked = officer.asked(request_id)
        found = _chosen(archive, officer, asked, digests, numbers)
        if not found and not everything:
            raise ConfigError("no such document is asked for, there, and not released yet")
        whole = officer.release(asked.id, found, now=wall_clock())
        return _said(officer, asked.id, [document.digest.hex() for document in found], whole, lang, as_json)


def _chosen(
    archive: EvidenceStore, officer: Release, asked: Asked, digests: Sequence[str], numbers: Sequence[int]
) -> list[Document]:
    if digests:
        return [archive.find(asked.request["application_id"], digest) for digest in digests]
    found = officer.eligible(asked)
    return [d for d in found if any(d.is_about(number) for number in numbers)] if numbers else found


@click.command("refuse-file")
@click.argument("request_id")
@click.option("--number", type=int, help="Of which roster number; without it, of the application itself.")
@click.option("--kind", type=kinds_option, required=True, help="Which kind of document.")
@reason_option
@options.party
@options.lang
@options.as_json
def refuse_file(
    request_id: str, number: int | None, kind: EvidenceKind, reason: str, party: str, lang: Language, as_json: bool
) -> Exit:
    """Say that a document that REQUEST_ID asks for is not released, and why. Exits 2 while something is left to be said."""
    with _officer(party) as (_, officer):
        asked = officer.asked(request_id)
        whole = officer.refuse(asked.id, number, kind, reason=reason, now=wall_clock())
        return _said(officer, asked.id, [], whole, lang, as_json)


def _said(officer: Release, request_id: str, released: list[str], whole: bool, lang: Language, as_json: bool) -> Exit:
    waiting = [want_words(number, kind, lang) for number, kind in officer.open(request_id)]
    if as_json:
        emit({"request": request_id, "released": released, "open": waiting, "replied": whole}, as_json)
    else:
        emit(released, as_json)
        if whole:
            remark(
                "全部答复完毕，答复已签名待发"
                if lang == "zh"
                else "all is said: the reply is signed, and leaves with them"
            )
        else:
            remark(("尚未答复：" if lang == "zh" else "left to be said: ") + "; ".join(waiting))
    return Exit.FINE if whole else Exit.DRIFT
