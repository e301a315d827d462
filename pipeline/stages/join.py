"""join: the aggregator, keyed by section. Matches answers to expectations, runs deadlines, closes with a certificate.

In: hedx.center.join. Out: the requester's responses (bundles unchanged, with proof; certificates), and
hedx.center.applications. It holds bundle roots and counts, never answers. Everything it reads comes on one topic, and
a provider sees a request only after its expectation is committed, so an expectation has the lower offset.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.codec import framing
from pipeline.crypto import bundles, relay
from pipeline.crypto.bundles import SealedBundle, header_of
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Identity
from pipeline.domain import counting, joining, pressing, tracing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.joining import Arrival
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    AnswerArrived,
    BundleRef,
    JoinState,
    SectionCertificate,
    SectionCertified,
    SectionExpected,
    SectionExtended,
    SectionResumed,
    SectionWithdrawn,
    Watermark,
)
from pipeline.domain.tracing import TraceContext
from pipeline.stages import overdue, topics
from pipeline.stages.bounds import DIGEST, PARTITIONS, PERSONS, SECTIONS, TIMES, WORDS, within
from pipeline.stages.effects import (
    Batch,
    Effects,
    Message,
    Output,
    Overlay,
    State,
    timer_key,
    timer_subject,
)
from pipeline.stages.events import EventLog
from pipeline.stages.keys import application_key, section_key
from pipeline.stages.mailbag import Mailbag
from pipeline.stages.notices import SUITE, Entropy, Notice, post, sign_record

DUE_AT_ONCE = 1000
_QUIETLY_DROPPED = frozenset({Arrival.DUPLICATE, Arrival.WITHDRAWN, Arrival.CLOSED})
"""What is not relayed and is nobody's mistake: an event tells of it, no dead letter."""
Route = Callable[[str, bytes], int]
"""(requester, section key) -> partition of the requester's responses: one per section, for order."""


@dataclass(slots=True)
class _Section:
    """A section touched by this step: decoded once, written back once."""

    partition: int
    key: bytes
    state: JoinState
    due: int | None  # its timer as stored
    fresh: list[tuple[SealedBundle, TraceContext | None]] = field(
        default_factory=list
    )  # to relay, accepted in this step
    trace: TraceContext | None = None  # the span that last changed it in this step
    ended: bool = False  # its supplement window is over


class Join:
    """Assembles sections; `route` keeps all of a section's post in one partition."""

    name = "join"
    inputs: tuple[str, ...] = (topics.JOIN,)
    changelog: str | None = topics.changelog("join")
    tick: float | None = None  # its clock is the watermark

    def __init__(self, center: Identity, route: Route, entropy: Entropy = os.urandom) -> None:
        self._center = center
        self._route = route
        self._entropy = entropy

    def step(self, state: State, batch: Batch) -> Effects:
        """Expectations, answers and watermarks of one batch, then the deadlines the watermark has passed."""
        run = _Run(self, state, batch)
        for message in batch.messages:
            try:
                run.receive(message)
            except InvalidMessage as error:
                run.effects.dead.append((message, error))
        for partition in sorted({message.partition for message in batch.messages}):
            run.fire(partition, state)
        return run.finish()

    def relayed(self, record: AnswerArrived, header: Header) -> SealedBundle:
        """The center's bundle around the provider's own, unchanged, with its proof."""
        proof = relay.relay_record(record["sign1"], record["bundle"], record["index"], record["size"], record["path"])
        outer = Header(
            kind="relay",
            bundle_id=self._entropy(16),
            sender=CENTER,
            to=header.requester,
            requester=header.requester,
            application_id=header.application_id,
            mandate_digest=header.mandate_digest,
            section=header.section,
            sections=header.sections,
            provider=header.provider,
            rows=header.rows,
            release=header.release,
            version=header.version,
            suite=SUITE,
            schema=header.schema,
        )
        return bundles.clear_bundle(outer, [proof])

    @property
    def center(self) -> Identity:
        """Who signs."""
        return self._center

    @property
    def route(self) -> Route:
        """Where a section's post goes."""
        return self._route

    @property
    def entropy(self) -> Entropy:
        """Where bundle ids come from."""
        return self._entropy


class _Run:
    """One step of the join."""

    def __init__(self, stage: Join, state: State, batch: Batch) -> None:
        self.effects = Effects()
        self._stage = stage
        self._now = batch.now
        self._overlay = Overlay(state)
        self._mailbag = Mailbag(stage.center.signer, batch.now)
        self._events = EventLog(stage.name, batch.now)
        self._sections: dict[tuple[int, bytes], _Section] = {}

    def receive(self, message: Message) -> None:
        """Route one record by its schema."""
        self._events.follow(message.headers)
        name, record = framing.decode(message.value or b"")
        if name == "AnswerArrived":
            self._answer(message.partition, record)  # type: ignore[arg-type]
        elif name == "SectionExpected":
            self._expect(message.partition, record)  # type: ignore[arg-type]
        elif name == "SectionWithdrawn":
            self._withdraw(message.partition, record)  # type: ignore[arg-type]
        elif name == "SectionExtended":
            self._extend(message.partition, record)  # type: ignore[arg-type]
        elif name == "SectionResumed":
            self._resume(message.partition, record)  # type: ignore[arg-type]
        elif name == "Watermark":
            self._watermark(message.partition, record)  # type: ignore[arg-type]
        else:
            raise InvalidMessage("schema_unexpected", name)

    def fire(self, partition: int, state: State) -> None:
        """Close what the lowest watermark has passed; end supplement windows."""
        low = self._low(partition)
        for timer in state.due(partition, low, DUE_AT_ONCE):
            section = self._load(partition, timer_subject(timer))
            if section is None:
                self._overlay.put(partition, timer, None)
            elif section.state["version"] and section.state["expected"]["supplement_until"] <= low:
                section.ended = True

    def finish(self) -> Effects:
        """Write every touched section back, with what its requester gets."""
        for section in self._sections.values():
            self._settle(section, self._low(section.partition))
        own = self._events.traced(self.effects.outputs)
        self.effects.outputs = own + self._mailbag.outputs() + self._events.outputs()
        self.effects.changes = self._overlay.changes
        return self.effects

    def _expect(self, partition: int, record: SectionExpected) -> None:
        within(record, requester=WORDS, application_id=WORDS, mandate_digest=DIGEST, sections=SECTIONS)
        within(record, section=range(1, record["sections"] + 1), person_count=PERSONS, supplement_until=TIMES)
        for query in record["sub_queries"]:
            within(query, deadline=TIMES)
        if len(record["warn_at"]) != len(record["sub_queries"]) or any(at not in TIMES for at in record["warn_at"]):
            raise InvalidMessage("record_out_of_bounds", "warn_at")
        key = section_key(record["requester"], record["application_id"], record["section"])
        if self._load(partition, key) is not None:
            self._note("expectation_repeated", record["application_id"], record["section"], record["requester"])
            return
        state = joining.open_section(record, self._now)
        trace = self._events.newest(record["application_id"], record["requester"])
        self._sections[partition, key] = _Section(partition, key, state, None, trace=trace)

    def _answer(self, partition: int, record: AnswerArrived) -> None:
        within(record, appended_at=TIMES)
        header = header_of(record["bundle"])
        key = section_key(header.requester, header.application_id, header.section)
        section = self._load(partition, key)
        if section is None:
            raise InvalidMessage("section_unknown", f"{header.application_id}/{header.section}")
        if header.mandate_digest != section.state["expected"]["mandate_digest"]:
            raise InvalidMessage("mandate_mismatch", f"{header.application_id}/{header.section}")
        reference = BundleRef(
            provider=record["provider"],
            digest=record["digest"],
            count=header.count,
            rows=list(header.rows),
            members=header.members,
            version=header.version,
            outcome=header.outcome or "done",
            code=header.code,
            until=header.until,
            appended_at=record["appended_at"],
        )
        arrival = joining.receive(section.state, reference)
        if arrival is not Arrival.ACCEPTED and arrival not in _QUIETLY_DROPPED:
            if arrival is Arrival.PARTLY_CLOSED:  # it crossed the extension; its open rows must not be lost
                pressing.ask_soon(section.state, self._now)
            raise InvalidMessage(f"answer_{arrival.value}", f"{header.application_id}/{header.section}")
        span = self._events.add(
            f"answer_{arrival.value}",
            subject=record["digest"],
            application_id=header.application_id,
            section=header.section,
            party=header.requester,
            provider=record["provider"],
            count=header.count,
            code=header.code,
            since=record["appended_at"],
            parts=counting.answered(section.state, reference) if arrival is Arrival.ACCEPTED else (),
        )
        if arrival is Arrival.ACCEPTED:
            section.fresh.append((self._stage.relayed(record, header), span))
            section.trace = span

    def _withdraw(self, partition: int, record: SectionWithdrawn) -> None:
        """The section closes with what it has; one that is closed, or whole and gone, is left as it is (Art. 10)."""
        section = self._changed(partition, record, at=TIMES)
        if section is not None:
            if section.state["version"]:  # what came before it in this step is certified before it
                self._settle(section, self._low(partition))
            joining.withdraw(section.state, record["at"])

    def _extend(self, partition: int, record: SectionExtended) -> None:
        """Another deadline for some rows, or none at all any more (Art. 10)."""
        section = self._changed(partition, record, until=TIMES, warn_at=TIMES)
        if section is None:
            return
        moved = record["provider"], record["rows"], record["until"]
        if record["closed"]:
            joining.close(section.state, *moved)
        else:
            joining.extend(section.state, *moved, record["warn_at"])

    def _resume(self, partition: int, record: SectionResumed) -> None:
        """A provider that was suspended at acceptance is asked after all."""
        section = self._changed(partition, record)
        if section is not None:
            joining.resume(section.state, record["provider"])

    def _changed(
        self, partition: int, record: SectionWithdrawn | SectionExtended | SectionResumed, **limits: range
    ) -> _Section | None:
        """The section that `record` changes; None when it is answered in full, or its supplement window is over."""
        within(record, requester=WORDS, application_id=WORDS, section=SECTIONS, **limits)
        key = section_key(record["requester"], record["application_id"], record["section"])
        section = self._load(partition, key)
        if section is not None:
            section.trace = self._events.newest(record["application_id"], record["requester"])
        return section

    def _watermark(self, partition: int, record: Watermark) -> None:
        within(record, source=PARTITIONS, sources=PARTITIONS, time=TIMES)
        self._overlay.put(partition, b"n", record["sources"].to_bytes(4, "big"))
        key = b"w%d" % record["source"]
        known = self._overlay.get(partition, key)
        if known is None or int.from_bytes(known, "big") < record["time"]:
            self._overlay.put(partition, key, record["time"].to_bytes(8, "big"))

    def _low(self, partition: int) -> int:
        """The lowest watermark over all sources; 0 until every source has one."""
        count = self._overlay.get(partition, b"n")
        if count is None:
            return 0
        times = [self._overlay.get(partition, b"w%d" % source) for source in range(int.from_bytes(count, "big"))]
        return min((0 if time is None else int.from_bytes(time, "big") for time in times), default=0)

    def _load(self, partition: int, key: bytes) -> _Section | None:
        if (partition, key) in self._sections:
            return self._sections[partition, key]
        data = self._overlay.get(partition, b"j" + key)
        if data is None:
            return None
        state: JoinState = framing.decode_as("JoinState", data)  # type: ignore[assignment]
        section = _Section(partition, key, state, _due(state))
        self._sections[partition, key] = section
        return section

    def _settle(self, section: _Section, low: int) -> None:
        """Send what is new, close what can be closed, and keep what may still change."""
        expected = section.state["expected"]
        partition = self._stage.route(expected["requester"], section.key)
        fresh, section.fresh = section.fresh, []
        for bundle, trace in fresh:
            self._mailbag.add(expected["requester"], "responses", bundle, partition, trace=trace)
        deadline = joining.closes_at(section.state)
        if section.state["version"] == 0 and (deadline is None or low > deadline):
            first = self._certify(section, partition)
            if joining.has_late_answers(section.state):
                self._certify(section, partition, before=first)
        elif section.state["version"] > 0 and fresh:
            self._certify(section, partition, late=section.state["bundles"][-len(fresh) :])
        if section.ended or (section.state["version"] > 0 and joining.is_over(section.state)):
            self._drop(section)
        else:
            self.effects.outputs += overdue.press(section.state, low, self._events)
            self._save(section)

    def _certify(
        self,
        section: _Section,
        partition: int,
        *,
        before: SectionCertificate | None = None,
        late: Sequence[BundleRef] = (),
    ) -> SectionCertificate:
        """Sign the next certificate. What is new in it: against the one `before`, or `late` bundles; else all of it."""
        state, expected = section.state, section.state["expected"]
        requester, application_id = expected["requester"], expected["application_id"]
        state["version"] += 1
        state["closed_at"] = self._now
        certificate = joining.certify(state, state["version"], self._now)
        raw = sign_record(
            "section-certificate",
            "SectionCertificate",
            certificate,
            self._stage.center.signer,
            requester,
            self._now,
        )
        notice = Notice(
            "certificate",
            requester,
            requester,
            application_id,
            expected["mandate_digest"],
            expected["section"],
            expected["sections"],
        )
        span = self._events.add(
            "section_closed" if state["version"] == 1 else "section_supplemented",
            subject=state["version"].to_bytes(4, "big"),
            application_id=application_id,
            section=expected["section"],
            party=requester,
            count=expected["person_count"],
            parts=counting.supplemented(state, late)
            if late
            else counting.changed(before, certificate, expected["suspended"]),
            parent=section.trace or tracing.sent(application_id, requester),
        )
        bundle = post(notice, [raw], CENTER, self._stage.entropy)
        self._mailbag.add(requester, "responses", bundle, partition, trace=span)
        certified = SectionCertified(
            application_id=application_id,
            requester=requester,
            section=expected["section"],
            version=state["version"],
            certificate=raw,
        )
        key = application_key(requester, application_id)
        value = framing.encode("SectionCertified", certified)
        headers = () if span is None else span.headers()
        self.effects.outputs.append(Output(topics.APPLICATIONS, key, value, headers))
        return certificate

    def _save(self, section: _Section) -> None:
        due = _due(section.state)
        if section.due != due:
            if section.due is not None:
                self._overlay.put(section.partition, timer_key(section.due, section.key), None)
            self._overlay.put(section.partition, timer_key(due, section.key), b"\0")
            section.due = due
        self._overlay.put(section.partition, b"j" + section.key, framing.encode("JoinState", section.state))

    def _drop(self, section: _Section) -> None:
        """Nothing can be added any more: the changelog gets a tombstone."""
        if section.due is not None:
            self._overlay.put(section.partition, timer_key(section.due, section.key), None)
        if self._overlay.get(section.partition, b"j" + section.key) is not None:
            self._overlay.put(section.partition, b"j" + section.key, None)

    def _note(self, kind: str, application_id: str, section: int, party: str) -> None:
        self._events.add(kind, application_id=application_id, section=section, party=party)


def _due(state: JoinState) -> int:
    """When a section must be looked at next, by the watermark (ms)."""
    if state["version"]:
        end = state["expected"]["supplement_until"]
    else:
        deadline = joining.closes_at(state)
        end = 0 if deadline is None else deadline + 1
    look = pressing.next_look(state)
    return end if look is None else min(end, look)
