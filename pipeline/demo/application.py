"""Applications to file in demos and tests: form, roster, and the providers that will be asked."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

from pipeline.demo.databases import create_database
from pipeline.demo.population import Population, Resident, generate, plant
from pipeline.demo.providers import CATALOG, PROVIDERS, write_made_up_party
from pipeline.domain.parties import provider_from, provider_name
from pipeline.domain.periods import parse_period
from pipeline.domain.records import Application, Person, ScheduleRow
from pipeline.domain.review import ADDRESSEE, LEGAL_BASIS
from pipeline.province.provider_files import load_provider

TODAY = date(2026, 11, 20)
"""The day the sample is filed; the demo's registers end shortly before it."""

REQUESTER = "53"
SAMPLE_PERSONS, SAMPLE_HOUSEHOLDS = 126, 70

SCHEDULE: tuple[tuple[str, str, str], ...] = (
    ("全国", "household_registration", ""),
    ("部中心", "marriage", ""),
    ("部中心", "cremation", "2025/01/01-2026/10/31"),
    ("全国", "social_insurance", ""),
    ("全国", "real_estate", "2026/09/30"),
    ("全国", "business", ""),
    ("山东", "housing_fund", "2026/10/15"),
    ("山东", "vehicles", ""),
    ("山东", "medical", "2026/01/01-2026/10/31"),
    ("全国", "education", ""),
)
"""Provider, category and period of the sample's schedule (附表)."""

_PERIODS = ("", "2026/09/15", "2026/06/30", "2026/01/01-2026/09/30", "2025/07/01-2026/06/30", "2019/01/01-2024/12/31")


@dataclass(frozen=True, slots=True)
class Sample:
    """An application with its roster, the people behind it, and where the providers' files and databases are.

    `providers`, `catalog` and `databases` hold `<party>.yaml`, `<party>.yaml` and `<party>.db`.
    """

    application: Application
    persons: list[Person]
    population: Population
    parties: list[str]
    providers: Path
    catalog: Path
    databases: Path


def sample_application(databases: Path, *, seed: int = 1, today: date = TODAY) -> Sample:
    """The demo's application of 126 persons in 70 households, with all edge cases, and databases of its four parties.

    Writes `<party>.db` into `databases`, a directory that is made when missing. Raises ConfigError when one is there.
    """
    population = generate(seed, today=today, persons=SAMPLE_PERSONS, households=SAMPLE_HOUSEHOLDS, home=REQUESTER)
    plant(population, seed)
    parties = sorted(path.stem for path in PROVIDERS.glob("*.yaml"))
    write_databases(databases, PROVIDERS, parties, population, seed, strangers=200)
    return fill_in(seed, population, SCHEDULE, parties, PROVIDERS, CATALOG, databases)


def random_application(
    into: Path,
    *,
    seed: int,
    persons: int = 2000,
    providers: Sequence[str] = ("00", "11", "32", "37", "44", "53"),
    rows: int = 10,
    today: date = TODAY,
) -> Sample:
    """A random application over any parties, with provider files, catalog entries and databases written under `into`.

    Parties of the demo keep their own files; the others get a mixture. `rows` is the length of the schedule: every
    category at most once nation-wide, the rest of named providers. Needs 12 persons at least.
    """
    random = Random(f"application {seed}")
    population = generate(seed, today=today, persons=persons, home=REQUESTER)
    if persons >= 60:
        plant(population, seed)
    folders = [into / name for name in ("providers", "catalog", "databases")]
    for folder in folders:
        folder.mkdir(parents=True)
    for party in providers:
        write_made_up_party(party, random, providers=folders[0], catalog=folders[1])
    write_databases(folders[2], folders[0], providers, population, seed, strangers=max(50, persons // 4))
    schedule = _random_schedule(random, folders[0], sorted(providers), rows)
    return fill_in(seed, population, schedule, sorted(providers), *folders)


def write_databases(
    into: Path, specs: Path, parties: Sequence[str], population: Population, seed: int, *, strangers: int
) -> None:
    """Write `<party>.db` for every party, laid out as `specs/<party>.yaml` says: the population, and as many strangers."""
    into.mkdir(parents=True, exist_ok=True)
    for number, party in enumerate(parties):
        home = REQUESTER if party == "00" or number % 2 else party if party in ("32", "37", "11", "44", "51") else "53"
        others = generate(seed + 7919 * (number + 1), today=population.today, persons=strangers, home=home)
        known = {resident.document_number for resident in population.residents}
        unknown = [other for other in others.residents if other.document_number not in known]
        spec = load_provider(specs / f"{party}.yaml")
        create_database(into / f"{party}.db", spec, population.residents, seed=seed, strangers=unknown)


def _random_schedule(random: Random, specs: Path, parties: Sequence[str], rows: int) -> list[tuple[str, str, str]]:
    offered = {party: list(load_provider(specs / f"{party}.yaml").resources) for party in parties}
    everything = sorted({category for categories in offered.values() for category in categories})
    nationwide = random.sample(everything, min(len(everything), max(1, rows // 2)))
    schedule = [("全国", category, random.choice(_PERIODS)) for category in nationwide]
    named = [
        (provider_name(party), category, period)
        for party in parties
        for category in offered[party]
        for period in _PERIODS
    ]
    return schedule + random.sample(named, rows - len(schedule))


def fill_in(
    seed: int,
    population: Population,
    schedule: Sequence[tuple[str, str, str]],
    parties: list[str],
    providers: Path,
    catalog: Path,
    databases: Path,
) -> Sample:
    """The form and the roster of an application about the whole population, with where its providers' files are."""
    today = population.today
    random = Random(f"roster {seed}")
    persons = [_line(random, n, resident, today) for n, resident in enumerate(population.residents, start=1)]
    submitted = (today - timedelta(days=2)).isoformat()
    application: Application = {
        "application_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "requester": REQUESTER,
        "addressee": ADDRESSEE,
        "legal_basis": LEGAL_BASIS,
        "approving_authority": "云南省大理白族自治州民政局",
        "business_category": "最低生活保障",
        "purpose": "最低生活保障对象家庭经济状况核对",
        "lead_person": persons[0]["name"],
        "person_count": len(persons),
        "consent_held": True,
        "consent_scope": "nationwide",
        "roster_date": submitted,
        "roster_dataset": f"云南低保核对名单-{submitted.replace('-', '')}-{seed:03}",
        "contact_name": "杨晓梅",
        "contact_phone": "0871-65001234",
        "form_date": today.isoformat(),
        "schedule": [
            ScheduleRow(row=n, provider=provider_from(provider), category=category, period=parse_period(period, today))
            for n, (provider, category, period) in enumerate(schedule, start=1)
        ],
        "seal_to_center": False,
        "unit_consent": None,
        "recheck": None,
    }
    return Sample(application, persons, population, parties, providers, catalog, databases)


def _line(random: Random, number: int, who: Resident, today: date) -> Person:
    """One line of the roster."""
    consent_day = max(who.born, today - timedelta(days=random.randrange(95, 120)))  # also before a recent death
    guarded = who.guardian is not None and (who.age(consent_day) < 18 or who.document_type != "resident_id")
    guardian = who.guardian if guarded else None
    return {
        "number": number,
        "household": who.household,
        "name": who.name,
        "document_type": who.document_type,
        "document_number": who.document_number,
        "relation": who.relation,
        "birth_date": None if who.document_type == "resident_id" else who.born.isoformat(),
        "guardian_name": guardian.name if guardian else None,
        "guardian_document_number": guardian.document_number if guardian else None,
        "consent_reference": f"SQ-{today.year}-{number:05}",
        "consent_by": "guardian" if guardian else "self",
        "consent_scope": "nationwide",
        "consent_date": consent_day.isoformat(),
    }
