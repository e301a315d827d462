"""The whole exchange in one process on the in-memory broker: real stages, real cryptography, real databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from cryptography import x509

from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.keys import LocalIdentity, LocalSigner, PublicSealingKey, SealingKey
from pipeline.crypto.revocation import build_crl
from pipeline.crypto.seal_keys import sign_seal_key
from pipeline.crypto.trust_log import log_head
from pipeline.domain.calendar import Calendar
from pipeline.domain.errors import NotReady
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Application, CatalogEntry, Person, RevocationList, SealKey, TrustEntry
from pipeline.domain.rules import RuleBook
from pipeline.kafka.clients import murmur2_partition
from pipeline.kafka.memory import MemoryBroker, MemoryWorker
from pipeline.province import outbox
from pipeline.province.calendar_files import directory, load_calendar
from pipeline.province.casefile import CaseFile
from pipeline.province.database import connect, transaction
from pipeline.province.desks import AnswerDesk, DeliveryDesk
from pipeline.province.filing import Filing, Origin, file_application
from pipeline.province.rule_files import load_rule_book
from pipeline.province.sources import Sources
from pipeline.province.store import Store
from pipeline.stages import topics
from pipeline.stages.answer import Answerer
from pipeline.stages.applications import Applications
from pipeline.stages.collect import Collect
from pipeline.stages.deliver import Deliver
from pipeline.stages.effects import Stage
from pipeline.stages.intake import Intake
from pipeline.stages.join import Join
from pipeline.stages.membership import log_leaves, trust_entry
from pipeline.stages.reference import (
    ReferenceTables,
    cosign,
    make_anchor,
    publish_catalog,
    publish_seal_key,
    publish_trust,
)

PARTITIONS = 3
DAY = 24 * 3600 * 1000
START = 1_795_150_800_000  # 2026-11-20 13:00 in China, ms


@cache
def shipped_calendar() -> Calendar:
    """The working days that come with the package."""
    return load_calendar(directory())


@cache
def shipped_rules() -> RuleBook:
    """The nation's rules, and no province's own."""
    return load_rule_book()


class Clock:
    """A clock that tests set."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * 1000)


@dataclass
class Party:
    """One party's adapter, worked by hand."""

    identity: LocalIdentity
    store: Store
    answers: AnswerDesk
    deliveries: DeliveryDesk
    positions: dict[tuple[str, int], int] = field(default_factory=dict)


class Network:
    """Center and parties around a `MemoryBroker`; `run()` goes on until nothing moves."""

    def __init__(
        self,
        folder: Path,
        parties: Sequence[str],
        catalog: Sequence[CatalogEntry],
        broker: MemoryBroker | None = None,
        clock: Clock | None = None,
        seal_keys: Mapping[str, SealingKey] | None = None,
        calendar: Calendar | None = None,
        rules: RuleBook | None = None,
    ) -> None:
        """`seal_keys`: what parties, the center among them, are sealed to instead of their certificates' keys.

        `calendar`, `rules`: the center's; those that are shipped by default.
        """
        self.calendar = calendar or shipped_calendar()
        self.rules = rules or shipped_rules()
        self.clock = clock or Clock()
        self.broker = broker or MemoryBroker(self.clock)
        authority = create_authority(self.clock())
        self.identities = {party: issue(authority, party, self.clock()) for party in (CENTER, *parties)}
        self.authority = authority
        self.entries = {party: trust_entry(identity, 1) for party, identity in self.identities.items()}
        self.leaves = log_leaves(self.entries.values(), self.clock())
        self.revoked: list[tuple[int, int, str | None]] = []
        self.crl = self.new_crl(1)
        center = self.identities[CENTER].signer
        anchor = make_anchor(authority.certificates, self.entries[CENTER], self.leaves, self.crl, center, self.clock())
        self.reference = ReferenceTables(anchor)
        self.publish_trust()
        for party, key in (seal_keys or {}).items():
            self._state(party, key)
        self.publish(1, catalog)
        self._create_topics(parties)
        self.parties = {party: self._party(folder, party) for party in parties}
        self.workers = self._workers()

    def publish(self, number: int, catalog: Sequence[CatalogEntry]) -> None:
        """Publish a catalog release to every reader."""
        for output in publish_catalog(number, catalog, self.identities[CENTER].signer, self.clock()):
            self.reference.apply(output.topic, output.key or b"", output.value)

    def publish_trust(self) -> None:
        """Publish log, revocations and entries to every reader."""
        center = self.identities[CENTER].signer
        for output in publish_trust(self.entries.values(), self.leaves, self.crl, center, self.clock()):
            self.reference.apply(output.topic, output.key or b"", output.value)

    def trust(self, entry: TrustEntry) -> None:
        """Publish a trust entry to every reader."""
        self.entries[entry["party"]] = entry
        self.publish_trust()

    def revoke(self, certificate: bytes, reason: str = "key_compromise") -> None:
        """Revoke a certificate (DER) from now on, and publish the list."""
        serial = x509.load_der_x509_certificate(certificate).serial_number
        self.revoked.append((serial, self.clock(), reason))
        self.crl = self.new_crl(self.crl["number"] + 1)
        [output] = publish_trust((), (), self.crl, self.identities[CENTER].signer, self.clock())[1:]
        self.reference.apply(output.topic, output.key or b"", output.value)

    def renew(self, party: str) -> None:
        """The party gets a new certificate to sign with, witnessed by 32 and 37, and the one it had is revoked."""
        old, signer = self.identities[party], issue(self.authority, party, self.clock()).signer
        certificates = [old.signer.certificate, signer.certificate]
        self.entries[party] = {**trust_entry(old, 2), "signing_certificates": certificates}
        self.leaves = log_leaves(self.entries.values(), self.clock(), self.leaves)
        head = log_head(self.leaves, self.clock())
        logged = publish_trust((), self.leaves, self.crl, self.identities[CENTER].signer, self.clock())
        seen = [cosign(head, self.identities[witness].signer, self.clock()) for witness in ("32", "37")]
        for output in (*logged, *seen):
            self.reference.apply(output.topic, output.key or b"", output.value)
        self.publish_trust()
        self.clock.advance(60)
        self.identities[party] = replace(old, signer=signer)
        self.revoke(old.signer.certificate)
        if party == CENTER:
            self.workers = self._workers()

    def _state(self, party: str, key: SealingKey) -> None:
        """Let `party` be sealed to under `key`: its certificate's key signs that, and is not used for more."""
        held, now = self.identities[party], self.clock()
        encrypting = LocalSigner(party, held.sealing.private_key, held.sealing_certificate)
        record = SealKey(party=party, number=1, point=key.public_bytes, not_before=now, not_after=now + 30 * DAY)
        output = publish_seal_key(sign_seal_key(record, encrypting, now), party)
        self.reference.apply(output.topic, output.key or b"", output.value)
        self.identities[party] = replace(held, sealing=key)

    def new_crl(self, number: int, lifetime: int = 3650 * DAY) -> RevocationList:
        """A list of all that is revoked, good for as long as any test pretends that time passes."""
        crl = build_crl(self.authority, self.revoked, number=number, now=self.clock(), lifetime=lifetime)
        return RevocationList(number=number, crl=crl)

    def connect_sources(self, party: str, sources: Sources) -> None:
        """Give a provider its databases."""
        member = self.parties[party]
        answerer = Answerer(member.identity, self.reference)
        member.answers = AnswerDesk(answerer, sources, member.store, self.clock)

    def file(
        self,
        application: Application,
        persons: Sequence[Person],
        section_size: int = 500,
        reply_key: PublicSealingKey | None = None,
        evidence: Sequence[bytes] = (),
        origin: Origin | None = None,
    ) -> Filing:
        """File an application at its requester; `reply_key` is one that its entrusting unit holds, `evidence` digests.

        `origin`: of a re-check, the proof of what it is of.
        """
        member = self.parties[application["requester"]]
        release = self.reference.current
        assert release is not None
        filing = file_application(
            application,
            persons,
            identity=member.identity,
            trust=self.reference.trust,
            release=release.number,
            now=self.clock(),
            section_size=section_size,
            reply_key=reply_key,
            evidence=evidence,
            origin=origin,
        )
        member.store.file(filing, release.number, self.clock())
        return filing

    def case(self, application: Application) -> CaseFile:
        """The application as its requester holds it."""
        member = self.parties[application["requester"]]
        return CaseFile(
            member.store.connection,
            application["application_id"],
            self.reference.trust,
            member.identity,
            clock=self.clock,
        )

    def run(self, *, without: Sequence[str] = ()) -> None:
        """Let everything work until nothing moves; `without` names stages or parties that stand still."""
        while True:
            before = self._ends()
            for party, member in self.parties.items():
                if party not in without:
                    with suppress(NotReady):  # put back, as adapters and workers do
                        self._run_party(member)
            for worker in self.workers:
                if worker.stage.name not in without:
                    with suppress(NotReady):
                        worker.run_until_idle()
            if before == self._ends():
                return

    def pass_time(self, seconds: float, *, without: Sequence[str] = ()) -> None:
        """Let time pass, then run."""
        self.clock.advance(seconds)
        self.run(without=without)

    def _run_party(self, member: Party) -> None:
        party = member.identity.party
        self._feed(member, inbox(party, "requests"), member.answers.work)
        self._feed(member, inbox(party, "responses"), member.deliveries.work)
        member.answers.tend()
        self.send(party)

    def send(self, party: str) -> None:
        """Seal and send what the party's outbox holds."""
        member = self.parties[party]
        db = member.store.connection
        with transaction(db):
            outbox.renew(db, member.identity.signer, self.clock())
        while outbox.waiting(db):
            with transaction(db):
                outbox.seal(db, member.identity.signer, self.clock())
        due = outbox.due(db, self.clock())
        for output in due:
            self.broker.produce(output.topic, output.key, output.value, output.headers)
        with transaction(db):
            outbox.sent(db, due, self.clock())

    def _feed(self, member: Party, topic: str, work: Callable[..., None]) -> None:
        for partition in range(PARTITIONS):
            position = member.positions.get((topic, partition), 0)
            messages = self.broker.read(topic, partition, position)
            if messages:
                work(messages, {(topic, partition): messages[-1].offset + 1})
                member.positions[topic, partition] = messages[-1].offset + 1

    def _party(self, folder: Path, party: str) -> Party:
        identity = self.identities[party]
        connection: sqlite3.Connection = connect(folder / "parties" / party / "store.db")
        store = Store(connection, identity)
        answers = AnswerDesk(Answerer(identity, self.reference), None, store, self.clock)
        deliveries = DeliveryDesk(Deliver(identity, self.reference), store, self.clock)
        return Party(identity, store, answers, deliveries)

    def _workers(self) -> list[MemoryWorker]:
        center = self.identities[CENTER]
        stages: list[Stage] = [
            Intake(center, self.reference, b"tag secret"),
            Applications(center, self.reference, self.calendar, self.rules),
            Collect(self.reference, sources=PARTITIONS, join_partitions=PARTITIONS),
            Join(center, lambda _, key: murmur2_partition(key, PARTITIONS)),
        ]
        return [self._worker(stage) for stage in stages]

    def _worker(self, stage: Stage) -> MemoryWorker:
        return MemoryWorker(stage, self.broker, self.clock)

    def _create_topics(self, parties: Sequence[str]) -> None:
        for party in (CENTER, *parties):
            self.broker.create(inbox(party, "requests"), PARTITIONS)
            self.broker.create(inbox(party, "responses"), PARTITIONS)
        for topic in (topics.APPLICATIONS, topics.JOIN, topics.RESULTS, topics.EVENTS, topics.DESK):
            self.broker.create(topic, PARTITIONS)
        for stage in ("intake", "applications", "collect", "join"):
            self.broker.create(topics.changelog(stage), PARTITIONS)
        self.broker.create(topics.DEAD_LETTERS, 1)

    def _ends(self) -> list[int]:
        """Ends of the topics that show progress: watermarks alone are none."""
        names = [inbox(party, kind) for party in self.identities for kind in ("requests", "responses")]
        names += [topics.APPLICATIONS, topics.RESULTS]
        return [self.broker.end(name, partition) for name in names for partition in range(PARTITIONS)]
