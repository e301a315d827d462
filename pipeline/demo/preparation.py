"""The demo: a real Kafka, the center, 部中心 and three provinces; one application from form to dossiers."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.app import publish, publish_seal_keys
from pipeline.center.installation import Installation, set_up
from pipeline.demo.application import Sample, sample_application
from pipeline.demo.years import make_up_years
from pipeline.domain.catalog import Release
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry
from pipeline.kafka import access, admin
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import client_security, is_plaintext
from pipeline.kafka.topology import TOPICS_FILE, load
from pipeline.province.catalog_files import load_entries
from pipeline.province.form_writing import write_form_yaml
from pipeline.province.roster_files import write_roster_csv
from pipeline.province.sources import sqlite_url
from pipeline.signer.client import open_identity
from pipeline.stages.clock import local_date
from pipeline.stages.reference import publish_catalog

DATABASES = "databases"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is ready before the first process starts."""

    installation: Installation
    sample: Sample
    form: Path
    roster: Path
    made_up_years: list[int]
    """Years whose working days nobody has published here: the demo has made them up, and says so."""


def prepare(folder: Path) -> Prepared:
    """Keys, databases, form and roster in a fresh `folder`; everything in it that an earlier demo left is removed."""
    old = (
        "broker",
        "authority",
        "anchor",
        "parties",
        "principals",
        "slots",
        "state",
        DATABASES,
        "logs",
        "reference.seen",
        "calendar",
        "rules",
        *("documents-received", "first-documents", "county-documents", "third-documents"),
    )
    for name in old:
        target = folder / name
        if target.is_dir():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
    sample = sample_application(folder / DATABASES, today=local_date(wall_clock()))
    sample.application["application_id"] = str(uuid.uuid4())
    installation = Installation(folder)
    set_up(installation, sample.parties, wall_clock())
    connect_databases(installation, sample)
    years = make_up_years(installation.calendar, local_date(wall_clock()))
    form, roster = folder / "application.yaml", folder / "roster.csv"
    write_form_yaml(form, sample.application, Release.of(1, entries_of(sample)))
    write_roster_csv(roster, sample.persons, sample.application["roster_date"], sample.application["roster_dataset"])
    return Prepared(installation, sample, form, roster, years)


def connect_databases(installation: Installation, sample: Sample) -> None:
    """Tell every party's adapter where its databases are and how they are described."""
    for party in sample.parties:
        shutil.copyfile(sample.providers / f"{party}.yaml", installation.provider_file(party))
        url = sqlite_url(sample.databases / f"{party}.db")
        (installation.party(party) / "database.url").write_text(url)


def entries_of(sample: Sample) -> list[CatalogEntry]:
    """What the sample's parties report for the catalog."""
    return [entry for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")]


def declare(bootstrap: str, installation: Installation, parties: Sequence[str]) -> None:
    """What topics.yaml says, on the cluster: topics, rights for the registered addresses, and quotas."""
    topology = load(TOPICS_FILE, parties)
    operator = client_security(installation.transport("admin"))
    admin.apply(bootstrap, admin.plan(topology, admin.observe(bootstrap, extra=operator)), operator)
    if is_plaintext():
        return
    with installation.registry() as registry:
        addresses, suspended = registry.addresses(wall_clock()), registry.suspended()
    folder = installation.transport("admin")
    access.apply(bootstrap, access.plan(bootstrap, topology, addresses, suspended, folder), folder)


def equip(bootstrap: str, installation: Installation, parties: Sequence[str], entries: Sequence[CatalogEntry]) -> None:
    """Topics, rights, trust entries, the center's seal key, and catalog release 1 unless `entries` is empty, on the cluster.

    Adapters publish their own seal keys.
    """
    declare(bootstrap, installation, parties)
    with open_identity(installation.identity_folder(CENTER)) as center:
        outputs = installation.publication(center.signer, wall_clock())
        if entries:
            outputs += publish_catalog(1, entries, center.signer, wall_clock())
    security = client_security(installation.transport(CENTER))
    publish(bootstrap, outputs, "hedx.center.setup", extra=security)
    publish_seal_keys(installation.identity_folder(CENTER), bootstrap, security)
