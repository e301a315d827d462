"""`hedx party application | filing | inspect | inspections`: papers of joining (Art. 4) and inspections (Art. 6)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final, cast

import click

from pipeline.center.inspection import examine, gather
from pipeline.center.installation import Installation
from pipeline.center.registry_membership import Inspection, InspectionKind, PaperKind
from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit
from pipeline.cli.trust_words import labelled, timed, who
from pipeline.codec import framing
from pipeline.domain.parties import CENTER
from pipeline.domain.records import LifecycleEvent
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.settings import data_dir
from pipeline.stages import topics
from pipeline.stages.clock import local_date, local_time

CHECK_WORDS: Final[dict[str, tuple[str, str]]] = {
    "application_on_record": ("书面申请已登记", "written application on record"),
    "filing_on_record": ("已报社会救助司备案", "filed with the Department of Social Assistance"),
    "not_suspended": ("未被暂停联网", "not suspended"),
    "certificates_valid": ("数字证书有效", "certificates valid"),
    "certificates_witnessed": ("数字证书已见证", "certificates witnessed"),
    "seal_key_fresh": ("封装密钥按时更换", "seal key fresh"),
    "addresses_registered": ("IP 地址已备案", "addresses registered"),
    "log_cosigned": ("已联网并见证最新信任日志", "connected; has cosigned the newest head"),
    "catalog_reported": ("已上报资源目录", "catalog reported"),
    "answers_punctual": ("按期反馈", "answers punctual"),
    "answers_sound": ("反馈无冲突、无越界", "no answer contradicted another or went too far"),
}
OUTCOMES: Final = {
    "passed": ("合格", "passed"),
    "failed": ("不合格", "failed"),
    "not_applicable": ("不适用", "not applicable"),
}
_KINDS: Final = {"conformance": ("入网检测", "conformance check"), "inspection": ("巡检", "inspection")}

_DOCUMENT = click.option("--document", required=True, help="The document's title.")
_DATE = click.option("--date", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The document's date.")


@click.command(short_help="Record a province's written application to be connected.")
@options.member_code
@_DOCUMENT
@click.option("--number", default="", help="Its number (文号), where it has one.")
@_DATE
@options.lang
@options.as_json
def application(party: str, document: str, number: str, date: dt.datetime, lang: Language, as_json: bool) -> None:
    """Record the written application (书面申请) with which province CODE asks to be connected (Art. 4)."""
    _record(party, "application", document, number, date.date(), lang, as_json)


@click.command(short_help="Record that a connection was filed with 民政部社会救助司.")
@options.member_code
@_DOCUMENT
@click.option("--number", required=True, help="Its number (文号).")
@_DATE
@options.lang
@options.as_json
def filing(party: str, document: str, number: str, date: dt.datetime, lang: Language, as_json: bool) -> None:
    """Record that the connection of province CODE was filed (备案) with 民政部社会救助司 (Art. 4)."""
    _record(party, "filing", document, number, date.date(), lang, as_json)


def _record(
    party: str, kind: PaperKind, document: str, number: str, date: dt.date, lang: Language, as_json: bool
) -> None:
    now = wall_clock()
    with Installation(data_dir()).registry() as registry:
        paper = registry.record_paper(party, kind, document, number, date, local_date(now), now)
    record: dict[str, object] = {
        "party": party,
        "kind": f"{kind} recorded",
        "document": paper.document,
        "document_number": paper.number,
        "date": paper.date.isoformat(),
    }
    emit(record if as_json else labelled(record, lang), as_json)


@click.command(short_help="Inspect a party: certificates, keys, catalog, punctuality.")
@options.member_code
@click.option(
    "--kind", type=click.Choice(["conformance", "inspection"]),
    help="conformance (入网检测) until one has passed, inspection (巡检) afterwards, by default.",
)  # fmt: skip
@cluster.bootstrap
@options.lang
@options.as_json
def inspect(party: str, kind: InspectionKind | None, bootstrap: str, lang: Language, as_json: bool) -> Exit:
    """Inspect party CODE as far as the center can see it, and record the dated result (Art. 6). Exits 10 when it fails."""
    from pipeline.app import reference_for

    installation, now = Installation(data_dir()), wall_clock()
    extra = cluster.security(CENTER)
    with installation.registry() as registry:
        registry.member(party)
        with reference_for(installation, bootstrap, extra) as reference:
            facts = gather(
                registry, reference.trust, reference.log, reference.current, _events(bootstrap), party=party, now=now
            )
        kind = kind or due(registry.inspections(party))
        found = registry.record_inspection(party, kind, *examine(kind, facts), now)
    _show(found, lang, as_json)
    return Exit.FINE if found.passed else Exit.UNHEALTHY


@click.command(short_help="List what inspections found: the material of a bulletin.")
@click.argument("party", metavar="[CODE]", required=False)
@options.lang
@options.as_json
def inspections(party: str | None, lang: Language, as_json: bool) -> None:
    """List the inspections of all parties, or of party CODE, oldest first: the material of a bulletin (通报, Art. 6)."""
    with Installation(data_dir()).registry() as registry:
        if party is not None:
            registry.member(party)
        found = registry.inspections(party)
    if as_json:
        emit([_data(each) for each in found], as_json)
        return
    emit([labelled(timed(_row(each, lang)), lang) for each in found], as_json)


def due(earlier: object) -> InspectionKind:
    """What is next for a party with these inspections: connected only once a conformance check has passed."""
    passed = [each for each in cast("list[Inspection]", earlier) if each.kind == "conformance" and each.passed]
    return "inspection" if passed else "conformance"


def _events(bootstrap: str) -> Iterator[LifecycleEvent]:
    """hedx.events as far as it is kept."""
    from pipeline.kafka.tailing import CommittedLog

    log = CommittedLog(bootstrap, topics.EVENTS, extra=cluster.security(CENTER))
    try:
        while not log.reached_end:
            for message in log.poll(0.2):
                yield cast("LifecycleEvent", framing.decode_as("LifecycleEvent", message.value or b""))
    finally:
        log.close()


def _data(found: Inspection) -> dict[str, object]:
    names = ("number", "party", "kind", "at", "passed", "checks", "details")
    return {name: getattr(found, name) for name in names}


def _row(found: Inspection, lang: Language) -> dict[str, object]:
    failed = [name for name, outcome in found.checks.items() if outcome == "failed"]
    words = [CHECK_WORDS[name][lang == "en"] if name in CHECK_WORDS else name for name in failed]
    return {
        "number": found.number,
        "party": found.party,
        "name": who(found.party, lang),
        "kind": _KINDS[found.kind][lang == "en"],
        "at": found.at,
        "state": OUTCOMES["passed" if found.passed else "failed"][lang == "en"],
        "detail": ("; " if lang == "en" else "；").join(words),
    }


def _show(found: Inspection, lang: Language, as_json: bool) -> None:
    if as_json:
        emit(_data(found), as_json)
        return
    emit(labelled(timed(_row(found, lang)), lang), as_json)
    rows = [
        {
            "detail": CHECK_WORDS[name][lang == "en"],
            "state": OUTCOMES[outcome][lang == "en"],
            "finding": ", ".join(_finding(key, value) for key, value in found.details.get(name, {}).items()),
        }
        for name, outcome in found.checks.items()
    ]
    emit([labelled(row, lang) for row in rows], as_json)


def _finding(key: str, value: object) -> str:
    return f"{key} {local_time(value)}" if key == "until" and isinstance(value, int) else f"{key} {value}"
