"""`hedx demo`: everything on this machine, from a filed application to verified dossiers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from pipeline.cli import options
from pipeline.cli.crew import Crew
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark, table
from pipeline.domain.dossiers import Dossier, count_by_status
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import provider_name
from pipeline.settings import Language, data_dir

if TYPE_CHECKING:
    from pipeline.demo.preparation import Prepared

LIMIT = 120.0
"""Seconds the application may take before the demo says that it failed."""
SHOWN = 12
"""Households in the table; the files hold all."""

STATUS_WORDS = {
    "found": ("有记录", "found"),
    "no_record": ("查无记录", "no record"),
    "refused": ("拒绝提供", "refused"),
    "unavailable": ("暂不可用", "unavailable"),
    "expired": ("未反馈", "expired"),
    "withdrawn": ("已撤销", "withdrawn"),
}


@click.command()
@options.lang
@options.as_json
def command(lang: Language, as_json: bool) -> Exit:
    """Start Kafka, the center, 部中心 and three provinces; file the sample application; print its dossiers.

    Runs in HEDX_HOME/demo (.hedx/demo), which is emptied first. Nothing is left running.
    """
    from pipeline.cli.filing import await_result, offline_trust
    from pipeline.demo.preparation import equip, prepare
    from pipeline.kafka.brokers import broker_from_environment
    from pipeline.province.casefile import CaseFile
    from pipeline.province.database import connect
    from pipeline.province.exports import write_csv, write_json

    started = time.monotonic()
    folder = data_dir() / "demo"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["HEDX_HOME"] = str(folder)
    with _step("keys, databases and the application's form; Kafka"):
        prepared = prepare(folder)
        broker = broker_from_environment(folder / "broker")
        broker.start()
    try:
        with _step("topics, trust entries, catalog release 1"):
            equip(broker.bootstrap, prepared)
        with Crew(folder / "logs") as crew:
            with _step(f"the center's four stages and {len(prepared.sample.parties)} adapters"):
                start_all(crew, broker.bootstrap, prepared.sample.parties)
            application_id, party = _file(prepared, broker.bootstrap), prepared.sample.application["requester"]
            remark(f"filed {application_id} from {prepared.form}")
            if not await_result(prepared.installation, party, application_id, LIMIT):
                raise ConfigError(f"no result within {LIMIT:g} s; the logs are in {folder / 'logs'}")
            with closing(connect(prepared.installation.store(party))) as connection:
                case = CaseFile(connection, application_id, offline_trust(prepared.installation))
                rejection, certificate = case.rejection(), case.certificate()
                if rejection is not None or certificate is None:
                    raise ConfigError(f"the application was rejected: {rejection}")
                dossiers = case.dossiers()
    finally:
        broker.stop()
    files = folder / "dossiers.json", folder / "dossiers.csv"
    digest = certificate.digest.hex()
    write_json(files[0], dossiers, {"application": case.form, "certificate": digest})
    write_csv(files[1], dossiers)
    if not as_json:
        show_dossiers(dossiers[:SHOWN], lang)
        remark(f"… and {len(dossiers) - SHOWN} households more in {files[0]} and {files[1].name}")
        show_statuses(dossiers, lang)
        complete = certificate.result["complete"]
        click.echo(f"certificate {digest} verified, {'complete' if complete else 'incomplete (see statuses)'}")
    emit(
        {
            "application_id": application_id,
            "persons": case.persons,
            "households": len(dossiers),
            "sub_queries": sum(status["count"] for status in certificate.result["statuses"]),
            "by_status": count_by_status(dossiers),
            "dossiers": len(dossiers),
            "certificate": {"digest": digest, "verified": True},
            "seconds": round(time.monotonic() - started, 1),
        },
        as_json,
    )
    return Exit.FINE


def start_all(crew: Crew, bootstrap: str, parties: Sequence[str]) -> None:
    """The center's stages and every party's adapter, a process each."""
    from pipeline.stages.names import STAGES

    for stage in STAGES:
        crew.start(stage, "center", "run", stage, "--bootstrap", bootstrap)
    for party in parties:
        crew.start(f"province-{party}", "province", "run", "--party", party, "--bootstrap", bootstrap)


def show_dossiers(dossiers: Sequence[Dossier], lang: Language) -> None:
    """A line a person: what was found, by category."""
    rows = []
    for dossier in dossiers:
        for person in dossier["persons"]:
            found = [r for r in person["results"] if r["status"] == "found"]
            other = [r for r in person["results"] if r["status"] not in ("found", "no_record")]
            rows.append(
                (
                    dossier["household"],
                    person["number"],
                    person["name"],
                    person["relation"],
                    "; ".join(f"{r['category']}@{r['provider']}×{len(r['entries'])}" for r in found),
                    "; ".join(f"{r['category']}@{r['provider']} {_word(r['status'], lang)}" for r in other),
                )
            )
    headers = ("户号", "序号", "姓名", "关系", "有记录", "未答复") if lang == "zh" else (
        "household", "number", "name", "relation", "found", "not answered")  # fmt: skip
    table(headers, rows, title="经济状况档案 (dossiers)" if lang == "zh" else "Dossiers")


def show_statuses(dossiers: Sequence[Dossier], lang: Language) -> None:
    """How many sub-queries ended how, by provider and category."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for dossier in dossiers:
        for person in dossier["persons"]:
            for result in person["results"]:
                line = counts.setdefault((result["provider"], result["category"]), dict.fromkeys(STATUS_WORDS, 0))
                line[result["status"]] += 1
    rows = [
        (provider_name(provider), category, *(count or "" for count in line.values()))
        for (provider, category), line in sorted(counts.items())
    ]
    words = [_word(status, lang) for status in STATUS_WORDS]
    first = ("提供方", "类别") if lang == "zh" else ("provider", "category")
    table((*first, *words), rows, title="反馈情况 (statuses)" if lang == "zh" else "Statuses")


def _word(status: str, lang: Language) -> str:
    return STATUS_WORDS[status][0 if lang == "zh" else 1]


def _file(prepared: Prepared, bootstrap: str) -> str:
    """File the sample from its form and roster, as an official would."""
    from pipeline.app import reference_for
    from pipeline.cli.filing import now_ms, put_in
    from pipeline.province.forms import load_form
    from pipeline.stages.clock import local_date

    with reference_for(prepared.installation, bootstrap) as reference:
        assert reference.current is not None, "release 1 was just published"
        sample = prepared.sample.application
        loaded = load_form(
            prepared.form,
            prepared.roster,
            release=reference.current,
            today=local_date(now_ms()),
            requester=sample["requester"],
            application_id=sample["application_id"],
        )
        if loaded.application is None:
            raise ConfigError(f"the sample application has faults: {loaded.faults[:3]}")
        return put_in(prepared.installation, loaded.application, loaded.roster, reference)


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    remark(f"{time.monotonic() - started:5.1f} s  {what}")
