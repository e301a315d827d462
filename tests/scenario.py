"""A small application among four parties, for scenarios on the in-memory network; and how to look at what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pipeline.crypto import envelopes
from pipeline.crypto.bundles import Bundle
from pipeline.crypto.envelopes import VerifiedEnvelope
from pipeline.crypto.keys import SealingKey
from pipeline.demo.application import TODAY, Sample, random_application
from pipeline.domain.calendar import Calendar
from pipeline.domain.parties import InboxKind, inbox, provider_from
from pipeline.domain.periods import parse_period
from pipeline.domain.records import Application, Person, ScheduleRow
from pipeline.domain.rules import RuleBook
from pipeline.province.catalog_files import load_entries
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages import topics
from pipeline.stages.effects import Message
from tests.network import PARTITIONS, Clock, Network
from tests.oracle import expected, from_dossiers

PARTIES = ("00", "32", "37", "53")
REQUESTER = "53"
FEEDBACK = 3600
"""Seconds every provider of the demo has for its answer."""

SCHEDULE = (
    ("全国", "social_insurance", ""),
    ("部中心", "marriage", ""),
    ("山东", "vehicles", ""),
    ("江苏", "business", ""),  # refused: sharing_suspended
    ("江苏", "education", ""),  # unavailable until 2030
)


def schedule_of(*rows: tuple[str, str, str]) -> list[ScheduleRow]:
    """Schedule rows from provider, category and period as a form writes them."""
    return [
        ScheduleRow(row=n, provider=provider_from(provider), category=category, period=parse_period(period, TODAY))
        for n, (provider, category, period) in enumerate(rows, start=1)
    ]


def small_sample(
    folder: Path, *rows: tuple[str, str, str], persons: int = 12, seed: int = 5, parties: Sequence[str] = PARTIES
) -> Sample:
    """An application of 云南 about `persons`, asking `rows`, with databases of `parties`."""
    sample = random_application(folder / "parties", seed=seed, persons=persons, providers=parties, rows=4)
    return with_form(sample, schedule=schedule_of(*(rows or SCHEDULE)))


def with_form(sample: Sample, **changes: object) -> Sample:
    """The sample with other values in its form."""
    return replace(sample, application={**sample.application, **changes})  # type: ignore[typeddict-item]


_entries = cache(load_entries)  # most of a small scenario's time would go into reading the same YAML again
_sources = cache(open_sources)


def network_for(
    sample: Sample,
    folder: Path,
    seal_keys: Mapping[str, SealingKey] | None = None,
    clock: Clock | None = None,
    calendar: Calendar | None = None,
    rules: RuleBook | None = None,
) -> Network:
    """A network whose providers have the sample's databases; the rest as in `Network`."""
    catalog = [entry for party in sample.parties for entry in _entries(sample.catalog / f"{party}.yaml")]
    network = Network(folder, sample.parties, catalog, clock=clock, seal_keys=seal_keys, calendar=calendar, rules=rules)
    for party in sample.parties:
        database = sqlite_url(sample.databases / f"{party}.db")
        network.connect_sources(party, _sources(sample.providers / f"{party}.yaml", database))
    return network


def assert_equals_oracle(network: Network, sample: Sample) -> None:
    """The dossiers say, field by field, what plain SQL says."""
    case = network.case(sample.application)
    assert case.rejection() is None
    assert case.is_complete()
    wanted = expected(
        sample.application,
        sample.persons,
        providers=sample.providers,
        catalog=sample.catalog,
        databases=sample.databases,
        now=network.clock(),
    )
    assert from_dossiers(case.dossiers()) == wanted


def codes(network: Network) -> Sequence[str]:
    """Codes of the center's dead letters."""
    letters = network.broker.messages(topics.DEAD_LETTERS)
    return [dict(letter.headers)["__connect.errors.exception.message"].decode() for letter in letters]


def local_codes(network: Network, party: str) -> list[str]:
    """Codes of the dead letters a party put aside itself."""
    rows = network.parties[party].store.connection.execute("SELECT code FROM dead_letter ORDER BY rowid")
    return [row[0] for row in rows]


@dataclass(frozen=True)
class Standing:
    """The statuses of an application's newest certificate."""

    version: int
    counts: Counter[tuple[str, str, str, str | None]]  # (provider, category, status, code) -> persons

    def of(self, provider: str, category: str) -> dict[tuple[str, str | None], int]:
        """(status, code) -> persons, of one provider and category."""
        return {(key[2], key[3]): n for key, n in self.counts.items() if key[:2] == (provider, category)}

    def statuses(self) -> dict[str, int]:
        """Persons x sub-queries by status."""
        found: Counter[str] = Counter()
        for key, count in self.counts.items():
            found[key[2]] += count
        return dict(found)


def standing(network: Network, application: Application) -> Standing:
    """What the requester's newest certificate says."""
    certificate = network.case(application).certificate()
    assert certificate is not None, "no certificate yet"
    counts = Counter[tuple[str, str, str, str | None]]()
    for s in certificate.result["statuses"]:
        counts[s["provider"], s["category"], s["status"], s["code"]] += s["count"]
    return Standing(certificate.result["version"], counts)


def is_certified(network: Network, application: Application) -> bool:
    """Whether the requester holds a certificate."""
    return network.case(application).certificate() is not None


def kept(network: Network, stage: str, prefix: bytes) -> int:
    """How many entries of a stage's state start with `prefix`."""
    [worker] = [worker for worker in network.workers if worker.stage.name == stage]
    return sum(len(list(worker.store.scan(partition, prefix))) for partition in range(PARTITIONS))


def inbox_messages(network: Network, party: str, kind: InboxKind) -> list[Message]:
    """Everything ever written to an inbox."""
    return network.broker.messages(inbox(party, kind))


def opened(network: Network, party: str, kind: InboxKind) -> list[VerifiedEnvelope]:
    """The envelopes in an inbox, verified."""
    trust = network.reference.trust
    return [
        envelopes.open_envelope(message.value or b"", trust, audience=party, now=network.clock())
        for message in inbox_messages(network, party, kind)
    ]


def bundles_in(network: Network, party: str, kind: InboxKind, bundle_kind: str) -> list[Bundle]:
    """The bundles of one kind in an inbox."""
    return [b for e in opened(network, party, kind) for b in e.bundles if b.header.kind == bundle_kind]


def renumbered(persons: Sequence[Person]) -> list[Person]:
    """The same persons as lines 1, 2, 3, … of a roster."""
    return [{**person, "number": number} for number, person in enumerate(persons, start=1)]
