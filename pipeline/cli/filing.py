"""`hedx apply submit | status`: filing an application, and how far it is. Nothing here opens an answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.answers_due import answers_due, due_lines
from pipeline.cli.dossier_table import category_words
from pipeline.cli.exits import Exit
from pipeline.cli.facts import LABELS, STATES, in_words
from pipeline.cli.history import history_rows
from pipeline.cli.output import emit, progress, remark
from pipeline.crypto.certificates import common_name
from pipeline.crypto.keys import PublicSealingKey
from pipeline.crypto.trust import Trust
from pipeline.domain.answer_codes import explain_code, status_words
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Application, Person
from pipeline.domain.wording import Language, explain, explain_reason, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.seen_file import SeenFile
from pipeline.province.casefile import CaseFile, Certificate
from pipeline.province.correspondence import Correspondence
from pipeline.province.database import connect
from pipeline.province.evidence_files import EvidenceFolder, Incoming, read_folder
from pipeline.province.evidence_filing import file_with_evidence, with_evidence
from pipeline.province.filing import file_application
from pipeline.province.rechecking import Prepared, attempts_of
from pipeline.province.rule_files import load_rule_book
from pipeline.province.store import Store
from pipeline.province.unit_keys import read_public
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages.anchor import trust_of
from pipeline.stages.clock import local_date, local_time
from pipeline.stages.reference import Reference

_FILE = click.Path(path_type=Path)


def offline_trust(installation: Installation, party: str) -> Trust:
    """Enough trust to verify what the center signed, without Kafka: as the party's processes saw it last."""
    return trust_of(installation.anchor(), SeenFile(installation.seen_file(party)).read())


def put_in(
    installation: Installation,
    application: Application,
    persons: Sequence[Person],
    reference: Reference,
    reply_key: PublicSealingKey | None = None,
    documents: Sequence[Incoming] = (),
    recheck: Prepared | None = None,
) -> str:
    """Seal the application and put it into the party's outbox; returns its id. Its adapter sends it.

    `reply_key`: the entrusting unit's, where it opens the answers itself; `documents`: to be archived, and named in the
    mandate by their digests (Art. 9); `recheck`: what it is when it is one, resting on its original's documents.
    """
    release = reference.current
    if release is None:
        raise ConfigError("no catalog release is published yet")
    party = application["requester"]
    with (
        open_identity(installation.identity_folder(party)) as identity,
        closing(connect(installation.store(party))) as connection,
    ):
        filing = file_application(
            application,
            persons,
            identity=identity,
            trust=reference.trust,
            release=release.number,
            now=wall_clock(),
            reply_key=reply_key,
            evidence=[document.digest for document in documents] if recheck is None else recheck.evidence,
            origin=None if recheck is None else recheck.origin,
        )
        store, home = Store(connection, identity), installation.folder
        file_with_evidence(store, identity, filing, release.number, documents, home, wall_clock())
    return application["application_id"]


def await_result(installation: Installation, party: str, application_id: str, seconds: float) -> bool:
    """Wait, with a progress bar, until the application is complete, rejected or withdrawn; False when time runs out."""
    deadline = time.monotonic() + seconds
    with closing(connect(installation.store(party))) as connection, progress(None, "bundles delivered") as show:
        while time.monotonic() < deadline:
            case = CaseFile(connection, application_id, offline_trust(installation, party))
            show(case.progress()[0])
            if case.state in ("rejected", "withdrawn") or case.is_complete():
                return True
            time.sleep(0.1)
    return False


@click.command()
@click.argument("form", type=_FILE)
@click.option(
    "--roster", type=_FILE, help="The persons asked about, CSV or XLSX; not needed where FORM has a sheet 名单."
)
@click.option(
    "--reply-key", type=_FILE, help="The entrusting unit's public key (hedx unit keygen): it alone opens the answers."
)
@click.option(
    "--evidence", type=_FILE, help="A folder with the documents (查询依据性文件): archived, and named by digest."
)
@click.option("--wait", type=float, default=0.0, help="Wait so many seconds for the result.")
@options.party
@cluster.bootstrap
@options.lang
@options.as_json
def submit(
    form: Path,
    roster: Path | None,
    reply_key: Path | None,
    evidence: Path | None,
    wait: float,
    party: str,
    bootstrap: str,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Check a FORM (YAML or XLSX) and its roster and file them; nothing is filed when there is a single fault.

    The party's adapter (`hedx province run`) sends it. Prints the application's id.
    """
    from pipeline.app import reference_for
    from pipeline.cli.apply import as_data, as_report, held_lines
    from pipeline.province.forms import load_form

    installation = Installation(data_dir())
    with reference_for(installation, bootstrap, cluster.security(common_name(party))) as reference:
        if reference.current is None:
            raise ConfigError("no catalog release is published yet")
        application_id = str(uuid.uuid4())
        today = local_date(wall_clock())
        loaded = load_form(
            form,
            roster,
            release=reference.current,
            today=today,
            requester=party,
            application_id=application_id,
            rules=load_rule_book(data_dir() / "rules").for_party(party),
        )
        folder = EvidenceFolder() if evidence is None else read_folder(evidence)
        if evidence is not None:
            loaded = with_evidence(loaded, folder)
        if loaded.application is None:
            emit(as_data(loaded, lang) if as_json else "\n".join(as_report(loaded, lang)), as_json)
            return Exit.FAILED
        for line in held_lines(loaded, lang):
            remark(line)
        unit_key = None if reply_key is None else read_public(reply_key)
        put_in(installation, loaded.application, loaded.roster, reference, unit_key, folder.documents)
    if wait and not await_result(installation, party, application_id, wait):
        remark(f"no result within {wait:g} s; see hedx apply status {application_id}")
    _show(_status(installation, party, application_id, lang), lang, as_json)
    return Exit.FINE


@click.command()
@click.argument("application_id", required=False)
@options.party
@options.lang
@options.as_json
def status(application_id: str | None, party: str, lang: Language, as_json: bool) -> Exit:
    """Show one application, or list all of the party's; exits 2 while the one shown is not complete."""
    installation = Installation(data_dir())
    if application_id is None:
        with closing(connect(installation.store(party))) as connection:
            rows = connection.execute(
                "SELECT application_id, iif(shredded_at IS NULL, state, 'shredded'), persons, filed_at"
                " FROM application ORDER BY filed_at DESC"
            ).fetchall()
        filed = [dict(zip(("application_id", "state", "persons", "filed_at"), row, strict=True)) for row in rows]
        emit(filed if as_json else [in_words(application, lang) for application in filed], as_json)
        return Exit.FINE
    found = _status(installation, party, application_id, lang)
    _show(found, lang, as_json)
    if not as_json:
        emit(history_rows(found["history"], lang), as_json)
    return Exit.FINE if found["complete"] else Exit.DRIFT


def show_status(installation: Installation, party: str, application_id: str, lang: Language, as_json: bool) -> None:
    """Print how far an application is."""
    _show(_status(installation, party, application_id, lang), lang, as_json)


def _show(found: dict[str, Any], lang: Language, as_json: bool) -> None:
    """The status as JSON, or in words: a line for each provider and category without an answer."""
    if as_json:
        emit(found, as_json)
        return
    told = in_words({key: value for key, value in found.items() if key != "history"}, lang)
    if "decided_by" in found:
        told |= in_words({"decided_by": local_time(found["decided_by"])}, lang)
    for key in ("acknowledged", "not_acknowledged"):
        if key in found:
            told |= in_words({key: [provider_words(provider, lang) for provider in found[key]]}, lang)
    if found.get("delays"):
        told |= in_words({"delays": [_delay(delay, lang) for delay in found["delays"]]}, lang)
    if "due" in found:
        told |= in_words({"due": due_lines(found["due"], lang)}, lang)
    if found.get("rechecks"):
        told |= in_words({"rechecks": [_attempt(known, lang) for known in found["rechecks"]]}, lang)
    told.pop(LABELS["not_answered"][lang == "en"], None)  # said only where there is something to say
    if found.get("not_answered"):
        told |= in_words({"not_answered": [_open(status, lang) for status in found["not_answered"]]}, lang)
    emit(told, as_json)


def _attempt(known: dict[str, Any], lang: Language) -> str:
    state = STATES[known["state"]][lang == "en"] if known["state"] in STATES else known["state"]
    if lang == "zh":
        return f"第 {known['attempt']} 次：{known['application_id']}（{state}）"
    return f"attempt {known['attempt']}: {known['application_id']} ({state})"


def _delay(delay: dict[str, Any], lang: Language) -> str:
    provider, until = provider_words(delay["provider"], lang), local_time(delay["until"])
    return f"{provider}：预计 {until} 恢复" if lang == "zh" else f"{provider}: away until {until}"


def _open(status: dict[str, Any], lang: Language) -> str:
    provider = provider_words(status["provider"], lang)
    category = category_words(status["category"], {}, lang)
    words, count, reason = status_words(status["status"], lang), status["count"], status["reason"]
    if lang == "zh":
        return f"{provider} {category}：{words} {count} 人" + (f"（{reason}）" if reason else "")
    return f"{provider}, {category}: {count} {words}" + (f" ({reason})" if reason else "")


def _status(installation: Installation, party: str, application_id: str, lang: Language) -> dict[str, Any]:
    with closing(connect(installation.store(party))) as connection:
        case = CaseFile(connection, application_id, offline_trust(installation, party))
        certificate, rejection, mandate = case.certificate(), case.rejection(), case.mandate()
        found: dict[str, Any] = {
            "application_id": application_id,
            "state": case.state if case.shredded_at is None else "shredded",
            "unit": mandate["entrusting_unit"],
            "purpose": mandate["purpose"],
            "persons": case.persons,
            "bundles": case.progress()[0],
            "complete": case.is_complete(),
        }
        if mandate["recheck"] is not None:
            found |= {"original": mandate["recheck"]["original"], "attempt": mandate["recheck"]["attempt"]}
        if rechecks := attempts_of(connection, application_id):
            found["rechecks"] = [asdict(known) for known in rechecks]
        if rejection is not None:
            found["reasons"] = [explain(fault, lang) for fault in rejection["faults"]]
        if certificate is not None:
            found["certificate"] = certificate.digest.hex()
            found["version"] = certificate.result["version"]
            found["not_answered"] = [
                {**status, "reason": explain_code(status["code"], lang)}
                for status in certificate.result["statuses"]
                if status["status"] != "done"
            ]
            found["by_status"] = _by_status(certificate)
        if case.held_by_unit:
            found["held_by_unit"] = True
        said = Correspondence(case, offline_trust(installation, party))
        if certificate is None and (due := answers_due(case, said)):
            found["due"] = due
        found |= _held(said, lang) if case.state == "held" else {}
        found |= _said(said, lang)
        found["history"] = case.history()
    return found


def _held(said: Correspondence, lang: Language) -> dict[str, Any]:
    """Why the center's officers are to decide, by when, and how often that time has passed."""
    notices = said.holds()
    if not notices:
        return {}
    found: dict[str, Any] = {"held_because": [explain(fault, lang) for fault in notices[-1]["faults"]]}
    agreed = [told.extension["until"] for told in said.delays() if told.extension and told.delay["provider"] == CENTER]
    dues = [notice["due"] for notice in notices if notice["due"] is not None]
    if known := agreed or dues:  # what was agreed takes the place of the first limit
        found["decided_by"] = known[-1]
    if escalated := sum(notice["kind"] == "escalated" for notice in notices):
        found["escalated"] = escalated
    return found


def _said(said: Correspondence, lang: Language) -> dict[str, Any]:
    """What came of a withdrawal, which delays were told, and what the center declined; nothing where there is nothing."""
    found: dict[str, Any] = {}
    if said.withdrawal() is not None:
        acknowledged = sorted(said.acknowledgements())
        found["withdrawal_sent"] = True
        found["acknowledged"] = acknowledged
        found["not_acknowledged"] = [provider for provider in said.asked() if provider not in acknowledged]
    if delays := said.delays():
        found["delays"] = [{"provider": told.delay["provider"], "until": told.delay["until"]} for told in delays]
    if declined := said.declined():
        found["declined"] = [explain_reason(fault, lang) for fault in declined]
    return found


def _by_status(certificate: Certificate) -> dict[str, int]:
    """Persons x sub-queries by status, as certified. Whether `done` is found or no record, only who opens it sees."""
    counts: dict[str, int] = {}
    for status in certificate.result["statuses"]:
        counts[status["status"]] = counts.get(status["status"], 0) + status["count"]
    return counts
