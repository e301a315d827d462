"""`hedx evidence request | open | accept | question`: the center asks for documents and judges what comes (Art. 9)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import click

from pipeline.center import evidence_desk, evidence_opening
from pipeline.center.evidence_desk import Pending
from pipeline.center.installation import Installation
from pipeline.center.opening import ACCESS_LOG
from pipeline.cli import cluster, options
from pipeline.cli.evidence_words import in_words, kinds_option, officer_name, officer_option, reason_option
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, emit_list, remark
from pipeline.domain.calendar import EVIDENCE_WORKING_DAYS
from pipeline.domain.parties import CENTER, PROVINCES
from pipeline.domain.records import EvidenceKind
from pipeline.domain.wording import Language, explain, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.readers import read_table
from pipeline.province.calendar_files import load_calendar
from pipeline.province.database import access_log
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages import topics
from pipeline.stages.keys import application_key

_wait = click.option("--wait", type=float, default=15.0, show_default=True, help="Wait so many seconds for the desk.")


def _requester(_: click.Context, __: click.Parameter, text: str) -> str:
    if text not in PROVINCES:
        raise click.BadParameter(f"{text} is no province: give its code, e.g. 53")
    return text


@click.command()
@click.argument("requester", callback=_requester)
@click.argument("application_id")
@click.option("--number", "numbers", type=click.IntRange(1), multiple=True, help="Of this roster number (repeatable).")
@click.option("--kind", "kinds", type=kinds_option, multiple=True, help="This kind of document (repeatable); else all.")
@reason_option
@officer_option
@_wait
@cluster.bootstrap
@options.lang
@options.as_json
def request(
    requester: str,
    application_id: str,
    numbers: Sequence[int],
    kinds: Sequence[EvidenceKind],
    reason: str,
    officer: str | None,
    wait: float,
    bootstrap: str,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Ask REQUESTER (a province's code) for documents of APPLICATION_ID; it has five working days (Art. 9).

    Without --number those of the application itself are asked for, such as the mandate. Any application, however old:
    documents are at the province.
    """
    now, extra = wall_clock(), cluster.security(CENTER)
    due = load_calendar(data_dir() / "calendar").due(now, EVIDENCE_WORKING_DAYS)
    known = read_table(bootstrap, topics.RESULTS, extra=extra)
    if application_key(requester, application_id) not in known:
        remark(
            "未见该申请的办结结果"
            if lang == "zh"
            else "the center keeps no result of this application; it is asked all the same"
        )
    record = evidence_desk.question(
        requester, application_id, numbers=numbers, kinds=kinds, officer=officer_name(officer), reason=reason, now=now
    )
    waiting = evidence_desk.send(bootstrap, [record], wait, extra)
    data = {"request": record["request_id"], "application": application_id, "numbers": record["numbers"], "due": due}
    emit({**data, "on_desk": not waiting} if as_json else {**in_words(data, lang), "id": record["request_id"]}, as_json)
    if waiting:
        remark("not on the desk yet: it is sent, and carried out as soon as the stage runs")
    return Exit.FAILED if waiting else Exit.FINE


def show_desk(bootstrap: str, lang: Language, as_json: bool) -> None:
    """List the center's requests that are not judged yet, the most pressing first."""
    found = [_data(one, lang) for one in evidence_desk.read_desk(bootstrap, cluster.security(CENTER))]
    if not as_json:
        found = [in_words({**one, "province": provider_words(str(one["province"]), lang)}, lang) for one in found]
    emit_list(found, as_json, lang)


def _data(one: Pending, lang: Language) -> dict[str, object]:
    item = one.item
    return {
        "request": one.request_id,
        "application": item["application_id"],
        "province": item["party"],
        "asked_at": item["since"],
        "due": item["due"],
        "state": "replied" if one.replied else item["stage"],
        "persons": item["persons"],
        "missing": [explain(fault, lang) for fault in item["faults"]],
    }


@click.command("open")
@click.argument("request_id")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="The folder to write them to.")
@click.option("--application", help="PROVINCE/ID, for a request that is not on the desk any more.")
@cluster.bootstrap
@options.lang
@options.as_json
def open_(
    request_id: str, output: Path, application: str | None, bootstrap: str, lang: Language, as_json: bool
) -> Exit:
    """Open the documents that came for REQUEST_ID; each is held against its digest, the reply and the mandate.

    The center's access log says so before anything is written. Exits 2 when something is lost, altered or not vouched for.
    """
    from pipeline.app import reference_for

    installation, extra = Installation(data_dir()), cluster.security(CENTER)
    requester, _, application_id = _place(request_id, application, bootstrap).partition("/")
    with (
        open_identity(installation.identity_folder(CENTER)) as identity,
        closing(access_log(installation.party(CENTER) / ACCESS_LOG)) as log,
        reference_for(installation, bootstrap, extra) as reference,
    ):
        messages = evidence_desk.read_messages(bootstrap, requester, application_id, extra)
        file = evidence_opening.find(evidence_opening.gather(messages, reference.trust), request_id)
        opened = evidence_opening.open_into(file, identity, output, log, now=wall_clock())
    documents = [
        {
            "file": document.file_name,
            "kind": document.head["kind"],
            "numbers": [] if document.head["number"] is None else [document.head["number"]],
            "bytes": document.head["size"],
            "sha256": document.head["digest"].hex(),
            "in_mandate": document.in_mandate,
        }
        for document in opened.documents
    ]
    faults = [{"sha256": digest.hex(), "fault": fault} for digest, fault in opened.faults.items()]
    missing = file.reply["missing"] if file.reply else []
    if as_json:
        emit({"request": file.id, "documents": documents, "faults": faults, "missing": missing}, as_json)
    else:
        emit([in_words(document, lang) for document in documents], as_json)
        emit(faults, as_json)
        emit(
            [in_words({"numbers": [m["number"]], "kind": m["kind"], "reason": m["reason"]}, lang) for m in missing],
            as_json,
        )
    return Exit.FINE if opened.is_whole else Exit.DRIFT


def _place(request_id: str, application: str | None, bootstrap: str) -> str:
    if application is not None:
        return application
    one = evidence_desk.find(evidence_desk.read_desk(bootstrap, cluster.security(CENTER)), request_id)
    return f"{one.item['party']}/{one.item['application_id']}"


def _judgement(verdict: Literal["accepted", "questioned"], name: str, doc: str) -> click.Command:
    @click.command(name, help=doc)
    @click.argument("request_id")
    @reason_option
    @officer_option
    @_wait
    @cluster.bootstrap
    @options.as_json
    def judge(request_id: str, reason: str, officer: str | None, wait: float, bootstrap: str, as_json: bool) -> Exit:
        extra = cluster.security(CENTER)
        one = evidence_desk.find(evidence_desk.read_desk(bootstrap, extra), request_id)
        by = officer_name(officer)
        record = evidence_desk.judgement(one, verdict, officer=by, reason=reason, now=wall_clock())
        waiting = evidence_desk.send(bootstrap, [record], wait, extra)
        emit({"request": one.request_id, "verdict": verdict, "officer": by, "closed": not waiting}, as_json)
        return Exit.FAILED if waiting else Exit.FINE

    return judge


accept = _judgement(
    "accepted", "accept", "Accept what came for REQUEST_ID: the request ends, and the province is told, signed."
)
question = _judgement(
    "questioned", "question", "Question what came for REQUEST_ID: the request ends, the province is told why, signed."
)
