"""The exchange's own work in one loop: the same cryptography and Avro for each hop, without Kafka, state or SQL.

It calls what the processes call, once for each hop: what a process does more than this is what the architecture costs.
A provider's look-ups are made beforehand and not timed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.app import settle_memory
from pipeline.bench.stopwatch import Stopwatch
from pipeline.bench.workload import Workload
from pipeline.center.registry import CRL_LIFE
from pipeline.codec import framing
from pipeline.crypto import envelopes
from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.bundles import Bundle, SealedBundle
from pipeline.crypto.envelopes import VerifiedEnvelope
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Identity
from pipeline.crypto.revocation import build_crl
from pipeline.demo.application import Sample
from pipeline.domain import joining, results, review
from pipeline.domain.errors import ConfigError
from pipeline.domain.joining import Arrival
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Acceptance, AnswerArrived, BundleRef, Person, RevocationList, SectionExpected
from pipeline.province.calendar_files import load_calendar
from pipeline.province.filing import Filing, file_application
from pipeline.province.sources import Sources, open_sources
from pipeline.stages import admit
from pipeline.stages.answer import Answerer, Found, Need, Question, period_of
from pipeline.stages.clock import local_date
from pipeline.stages.deliver import Deliver
from pipeline.stages.dispatch import Dispatcher
from pipeline.stages.effects import Batch, Message
from pipeline.stages.join import Join
from pipeline.stages.local import Delivered, Filed
from pipeline.stages.membership import log_leaves, trust_entry
from pipeline.stages.notices import sign_record
from pipeline.stages.opening import OpenedSection, SectionOpener
from pipeline.stages.reference import ReferenceTables, make_anchor, publish_catalog, publish_trust

FILE = "write, sign and seal the section"
OPEN = "open and validate the section"
SPLIT = "split, seal to the providers, sign"
ASKED = "providers: verify and open"
ANSWER = "providers: encode, seal, sign"
CHECK = "check and forward the answers"
RELAY = "relay the answers, certify"
READ = "requester: verify and open the answers"

CENTER_STEPS = (OPEN, SPLIT, CHECK, RELAY)
END_STEPS = (FILE, ASKED, ANSWER, READ)


@dataclass(frozen=True, slots=True)
class BareLoop:
    """CPU seconds by step over all sections."""

    sections: int
    sub_queries: int
    seconds: Mapping[str, float]

    @property
    def center(self) -> float:
        """CPU seconds of the center's part."""
        return sum(self.seconds[step] for step in CENTER_STEPS)

    @property
    def ends(self) -> float:
        """CPU seconds of requester and providers."""
        return sum(self.seconds[step] for step in END_STEPS)

    def milliseconds(self, step: str) -> float:
        """CPU of one step for one section, ms."""
        return 1000 * self.seconds[step] / self.sections


class _NothingYet:
    """A store that has seen nothing but the application just filed: no duplicate is ever found."""

    def __init__(self, filing: Filing | None = None) -> None:
        self._filing = filing

    def seen(self, issuer: str, envelope_id: bytes) -> bytes | None:
        return None

    def mandate_of(self, requester: str, reply_key: bytes) -> bytes | None:
        return None

    def has_answered(self, mandate_digest: bytes, section: int, version: int) -> bool:
        return False

    def is_withdrawn(self, requester: str, mandate_digest: bytes) -> bool:
        return False

    def closed_rows(self, requester: str, mandate_digest: bytes) -> frozenset[int]:
        return frozenset()

    def crossed_rows(self, mandate_digest: bytes, section: int, version: int) -> frozenset[int]:
        return frozenset()

    def act(self, typ: str, digest: bytes) -> None:
        return None

    def has_withdrawn(self, application_id: str) -> bool:
        return False

    def sections_taken(self, requester: str, mandate_digest: bytes) -> tuple[set[int], set[int]]:
        return set(), set()

    def is_parked(self, mandate_digest: bytes, section: int, version: int) -> bool:
        return False

    def told_until(self, mandate_digest: bytes, row: int) -> int | None:
        return None

    def filed(self, application_id: str) -> Filed | None:
        filing = self._filing
        return None if filing is None else Filed(application_id, filing.mandate_digest, filing.keys.unsealer)


class _Loop:
    """All parties in one process, with keys of the loop's own: what a signer process costs is not the bare work."""

    def __init__(self, workload: Workload) -> None:
        installation = workload.installation
        self._parties = workload.parties
        self._requester = workload.requester
        self.watch = Stopwatch()
        authority = create_authority(_now())
        self._identities: dict[str, Identity] = {p: issue(authority, p, _now()) for p in (CENTER, *workload.parties)}
        entries = {party: trust_entry(identity, 1) for party, identity in self._identities.items()}
        center, leaves = self._identities[CENTER], log_leaves(entries.values(), _now())
        crl = RevocationList(number=1, crl=build_crl(authority, (), number=1, now=_now(), lifetime=CRL_LIFE))
        anchor = make_anchor(authority.certificates, entries[CENTER], leaves, crl, center.signer, _now())
        self._reference = ReferenceTables(anchor)
        outputs = publish_trust(entries.values(), leaves, crl, center.signer, _now())
        for output in (*outputs, *publish_catalog(1, workload.entries, center.signer, _now())):
            self._reference.apply(output.topic, output.key or b"", output.value)
        self._opener = SectionOpener(center.sealing)
        self._dispatcher = Dispatcher(center, self._opener)
        self._calendar = load_calendar(installation.folder / "calendar")
        self._join = Join(center, lambda party, key: 0)
        self._answerers = {p: Answerer(self._identities[p], self._reference) for p in workload.parties}
        self._sources: dict[str, Sources] = {
            p: open_sources(installation.provider_file(p), installation.database_url(p) or "") for p in workload.parties
        }

    def section(self, sample: Sample) -> int:
        """One section through all hops; returns how many answer records the requester read. ConfigError at a fault."""
        watch, now = self.watch, _now()
        with watch(FILE):
            filing, filed = self._file(sample, now)
        with watch(OPEN):
            origin, opened = self._open(filed, now)
        with watch(SPLIT):
            self._dispatcher.begin(now)
            acceptance, requests = self._split(origin, opened, now)
        answered = [envelope for provider, request in requests for envelope in self._answer(provider, request, now)]
        with watch(CHECK):
            arrived = [answer for envelope in answered for answer in self._arrive(envelope, now)]
        with watch(RELAY):
            post = self._relay(arrived, acceptance, len(sample.persons), now)
        with watch(READ):
            delivered = self._read(post, filing, now)
        return sum(len(bundle.answers) for bundle in delivered)

    def _file(self, sample: Sample, now: int) -> tuple[Filing, bytes]:
        identity, trust = self._identities[self._requester], self._reference.trust
        filing = file_application(
            sample.application, sample.persons, identity=identity, trust=trust, release=1, now=now
        )
        return filing, envelopes.build(filing.bundles, identity.signer, audience=CENTER, now=now).value

    def _open(self, value: bytes, now: int) -> tuple[Header, OpenedSection]:
        trust = self._reference.trust
        [bundle] = envelopes.open_envelope(value, trust, audience=CENTER, now=now).bundles
        warrant = self._opener.warrant(bundle, trust, now)
        opened = self._opener.section(bundle, warrant)
        persons: list[Person] = [framing.read("Person", person) for person in opened.persons]  # type: ignore[misc]
        form = opened.head["application"]
        today = local_date(now)
        if form is None or review.check_application(form, today) or review.check_section(form, persons, today):
            raise ConfigError("the benchmark's own application has faults")
        return bundle.header, opened

    def _split(self, origin: Header, opened: OpenedSection, now: int) -> tuple[Acceptance, list[tuple[str, bytes]]]:
        trust, signer = self._reference.trust, self._identities[CENTER].signer
        release, warrant = self._reference.current, opened.warrant
        assert release is not None, "release 1 was applied"
        acceptance = admit.accept(warrant.mandate, warrant.digest, release, trust, self._calendar, now)
        raw = sign_record("acceptance", "Acceptance", acceptance, signer, self._requester, now)
        requests = self._dispatcher.seal(origin, opened, self._parties, acceptance, raw, trust)
        return acceptance, [
            (provider, envelopes.build([bundle], signer, audience=provider, now=now).value)
            for provider, bundle in requests
        ]

    def _answer(self, provider: str, request: bytes, now: int) -> list[bytes]:
        answerer = self._answerers[provider]
        with self.watch(ASKED):
            message = Message(inbox(provider, "requests"), 0, 0, now, None, request)
            questions, effects = answerer.open(_NothingYet(), Batch((message,), now))
        if effects.dead:
            raise ConfigError(f"{provider} refused the benchmark's request: {effects.dead[0][1]}")
        found = self._look_up(provider, questions)
        with self.watch(ANSWER):
            sealed = [post.bundle for post in answerer.reply(questions, found)]
            signer = self._identities[provider].signer
            return [envelopes.build(group, signer, audience=CENTER, now=now).value for group in envelopes.pack(sealed)]

    def _look_up(self, provider: str, questions: Sequence[Question]) -> dict[Need, Found]:
        sources = self._sources[provider]
        found = {}
        for need, subjects in self._answerers[provider].needs(questions).items():
            result = sources.lookup(need[0], period_of(need), subjects)
            standing = sources.standing(need[0])
            found[need] = Found(
                result.entries,
                result.refused,
                result.unavailable_until,
                result.refused_all,
                standing.as_of,
                standing.coverage,
                standing.region_codes,
                standing.levels,
            )
        return found

    def _arrive(self, value: bytes, now: int) -> list[tuple[Bundle, AnswerArrived]]:
        envelope = envelopes.open_envelope(value, self._reference.trust, audience=CENTER, now=now)
        return [(bundle, _arrived(envelope, bundle, now)) for bundle in envelope.bundles]

    def _relay(
        self, arrived: Sequence[tuple[Bundle, AnswerArrived]], acceptance: Acceptance, persons: int, now: int
    ) -> list[bytes]:
        """The answers in the center's envelopes, and the section's and the application's certificates, signed."""
        signer = self._identities[CENTER].signer
        state = joining.open_section(_expectation(acceptance, persons))
        relayed: list[SealedBundle] = []
        for bundle, record in arrived:
            if joining.receive(state, _reference(bundle, now)) is not Arrival.ACCEPTED:
                raise ConfigError("the benchmark's own answer was not accepted")
            relayed.append(self._join.relayed(record, bundle.header))
        certificate = joining.certify(state, 1, now)
        raw = sign_record("section-certificate", "SectionCertificate", certificate, signer, self._requester, now)
        result = results.fold([(certificate, raw)], version=1, closed_at=now)
        sign_record("certificate", "ApplicationResult", result, signer, self._requester, now)
        return [
            envelopes.build(group, signer, audience=self._requester, now=now).value for group in envelopes.pack(relayed)
        ]

    def _read(self, post: Sequence[bytes], filing: Filing, now: int) -> list[Delivered]:
        topic = inbox(self._requester, "responses")
        messages = [Message(topic, 0, offset, now, None, value) for offset, value in enumerate(post)]
        deliver = Deliver(self._identities[self._requester], self._reference)
        effects = deliver.step(_NothingYet(filing), Batch(messages, now))
        if effects.dead:
            raise ConfigError(f"the requester could not read the benchmark's answers: {effects.dead[0][1]}")
        return effects.delivered


def run(workload: Workload) -> BareLoop:
    """Every application of `workload`; the first one warms up and is not counted. One section an application."""
    loop = _Loop(workload)
    settle_memory()  # as the processes do
    warm_up, *counted = workload.applications
    loop.section(warm_up)
    loop.watch.reset()
    for sample in counted:
        loop.section(sample)
    sub_queries = sum(workload.sub_queries(sample) for sample in counted)
    return BareLoop(len(counted), sub_queries, dict(loop.watch.seconds))


def _arrived(envelope: VerifiedEnvelope, bundle: Bundle, now: int) -> AnswerArrived:
    index, size, path = bundle.proof()
    return AnswerArrived(
        provider=envelope.issuer,
        sign1=envelope.sign1,
        bundle=bundle.raw,
        digest=bundle.leaf,
        index=index,
        size=size,
        path=path,
        appended_at=now,
    )


def _reference(bundle: Bundle, now: int) -> BundleRef:
    header = bundle.header
    return BundleRef(
        provider=header.provider or "",
        digest=bundle.leaf,
        count=header.count,
        rows=list(header.rows),
        members=header.members,
        version=header.version,
        outcome=header.outcome or "done",
        code=header.code,
        until=header.until,
        appended_at=now,
    )


def _expectation(acceptance: Acceptance, persons: int) -> SectionExpected:
    return SectionExpected(
        application_id=acceptance["application_id"],
        requester=acceptance["requester"],
        mandate_digest=acceptance["mandate_digest"],
        section=1,
        sections=1,
        person_count=persons,
        sub_queries=acceptance["sub_queries"],
        suspended=acceptance["suspended"],
        supplement_until=acceptance["accepted_at"] + 30 * 24 * 3600 * 1000,
        warn_at=[0] * len(acceptance["sub_queries"]),
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
