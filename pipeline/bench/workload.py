"""What the benchmarks file: applications of one section each, over providers that all offer the same categories."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from pipeline.center.installation import Installation, set_up
from pipeline.demo.application import Sample, fill_in, write_databases
from pipeline.demo.population import Population, generate
from pipeline.demo.preparation import connect_databases, entries_of
from pipeline.demo.providers import write_mixture
from pipeline.domain.parties import MINISTRY, PROVINCES
from pipeline.domain.records import CatalogEntry
from pipeline.kafka.clock import wall_clock
from pipeline.stages.clock import local_date

CATEGORIES = ("household_registration", "social_insurance", "real_estate", "business")
SCHEDULE = tuple(("全国", category, "") for category in CATEGORIES)
"""Four rows, each put to every provider."""
FIRST = ("53", MINISTRY, "37", "32")
"""The requester answers too; then 部中心 and the demo's other provinces."""
PARTIES = (*FIRST, *(code for code in PROVINCES if code not in FIRST))
SEED = 20


@dataclass(frozen=True, slots=True)
class Workload:
    """An installation with keys and databases, the catalog, and applications to file: the first one to warm up."""

    installation: Installation
    parties: list[str]
    entries: list[CatalogEntry]
    applications: list[Sample]

    @property
    def requester(self) -> str:
        """Who files all of them."""
        return FIRST[0]

    def sub_queries(self, sample: Sample) -> int:
        """Person × row × provider."""
        return len(sample.persons) * len(CATEGORIES) * len(self.parties)


def prepare(folder: Path, *, applications: int, persons: int, providers: int) -> Workload:
    """Make everything afresh in `folder`, of which nothing is kept: `applications` of `persons` each, and one more."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    parties = sorted(PARTIES[:providers])
    files = [folder / name for name in ("providers", "catalog", "databases")]
    for directory in files:
        directory.mkdir()
    for party in parties:
        write_mixture(party, CATEGORIES, Random(f"{SEED} {party}"), *files[:2])
    today = local_date(wall_clock())
    rosters = [
        generate(SEED + number, today=today, persons=persons, prefix=f"H{number}") for number in range(applications + 1)
    ]
    everybody = Population(today, [household for roster in rosters for household in roster.households])
    write_databases(files[2], files[0], parties, everybody, SEED, strangers=len(everybody.residents) // 4 + 6)
    samples = [_fresh(fill_in(SEED + n, roster, SCHEDULE, parties, *files)) for n, roster in enumerate(rosters)]
    installation = Installation(folder)
    set_up(installation, parties, wall_clock())
    connect_databases(installation, samples[0])
    return Workload(installation, parties, entries_of(samples[0]), samples)


def _fresh(sample: Sample) -> Sample:
    application = sample.application.copy()
    application["application_id"] = str(uuid.uuid4())
    return replace(sample, application=application)
