"""collect: verify providers' envelopes, drop re-sends, forward their bundles by section; keep the watermark.

In: hedx.center.responses. Out: hedx.center.join. Nothing is unsealed here: the center relays, it does not read (Art. 7).
"""

from __future__ import annotations

from pipeline.codec import framing
from pipeline.crypto import envelopes
from pipeline.crypto.bundles import Bundle
from pipeline.crypto.envelopes import VerifiedEnvelope
from pipeline.crypto.headers import Header
from pipeline.domain import tracing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import AnswerArrived, Watermark
from pipeline.domain.tracing import TraceContext
from pipeline.stages import topics
from pipeline.stages.effects import Batch, Effects, Message, Output, Overlay, State
from pipeline.stages.events import EventLog
from pipeline.stages.keys import section_key
from pipeline.stages.receiver import forget_expired, remember, seen_before
from pipeline.stages.reference import Reference
from pipeline.stages.suspicion import Suspicion

SLACK = 1000
"""How far (ms) this process's clock may run ahead of the broker's before a deadline could fire too early."""


class Collect:
    """Idempotent receiver of answers, and the clock of the join."""

    name = "collect"
    inputs: tuple[str, ...] = (inbox(CENTER, "responses"),)
    changelog: str | None = topics.changelog("collect")
    tick: float | None = 0.5

    def __init__(self, reference: Reference, *, sources: int, join_partitions: int, slack: int = SLACK) -> None:
        self._reference = reference
        self._sources = sources
        self._join_partitions = join_partitions
        self._slack = slack
        self._suspicion = Suspicion()

    def step(self, state: State, batch: Batch) -> Effects:
        """Forward the batch's bundles; say, after them, up to when each owned partition has been forwarded."""
        overlay = Overlay(state)
        effects = Effects()
        events = EventLog(self.name, batch.now)
        for message in batch.messages:
            try:
                effects.outputs += self._receive(message, overlay, events, batch.now)
            except InvalidMessage as error:
                self._suspicion.note(message, error, batch.now)
                effects.dead.append((message, error))
        for progress in batch.owned if not batch.messages else ():
            forget_expired(state, overlay, progress.partition, batch.now)
        effects.outputs += self._watermarks(batch) + events.outputs()
        effects.changes = overlay.changes
        return effects

    def can_wait(self, message: Message, now: int) -> bool:
        """Messages in a name under suspicion can."""
        return self._suspicion.rests_on(message, now)

    def _receive(self, message: Message, overlay: Overlay, events: EventLog, now: int) -> list[Output]:
        trust = self._reference.trust
        envelope = envelopes.open_envelope(message.value or b"", trust, audience=CENTER, now=now)
        if seen_before(overlay, message.partition, envelope) is not None:
            events.add(
                "envelope_resent",
                subject=envelope.id + message.offset.to_bytes(8, "big"),
                party=envelope.issuer,
            )
            return []
        outputs = [self._forward(bundle, envelope, message.timestamp) for bundle in envelope.bundles]
        remember(overlay, message.partition, envelope, None)
        events.add("answers_collected", subject=envelope.id, party=envelope.issuer, count=len(envelope.bundles))
        return outputs

    def _forward(self, bundle: Bundle, envelope: VerifiedEnvelope, appended_at: int) -> Output:
        header = bundle.header
        if header.sender != envelope.issuer or header.provider != envelope.issuer:
            raise InvalidMessage("header_contradicts_envelope", "provider")
        if header.kind != "answer" or header.to != header.requester:
            raise InvalidMessage("kind_unexpected", header.kind)
        index, size, path = bundle.proof()
        record = AnswerArrived(
            provider=envelope.issuer,
            sign1=envelope.sign1,
            bundle=bundle.raw,
            digest=bundle.leaf,
            index=index,
            size=size,
            path=list(path),
            appended_at=appended_at,
        )
        key = section_key(header.requester, header.application_id, header.section)
        return Output(
            topics.JOIN, key, framing.encode("AnswerArrived", record), _collected(header, bundle.leaf).headers()
        )

    def _watermarks(self, batch: Batch) -> list[Output]:
        newest: dict[int, int] = {}
        for message in batch.messages:
            newest[message.partition] = max(newest.get(message.partition, 0), message.timestamp)
        for message in batch.waiting:  # not forwarded yet, so nothing as late as this counts as forwarded
            if message.partition in newest:
                newest[message.partition] = min(newest[message.partition], message.timestamp)
        for progress in batch.owned:
            if progress.caught_up_at is not None:
                reached = progress.caught_up_at - self._slack
                newest[progress.partition] = max(newest.get(progress.partition, 0), reached)
        return [
            Output(
                topics.JOIN,
                b"watermark/%d" % source,
                framing.encode("Watermark", Watermark(source=source, sources=self._sources, time=time)),
                partition=partition,
            )
            for source, time in sorted(newest.items())
            for partition in range(self._join_partitions)
        ]


def _collected(header: Header, leaf: bytes) -> TraceContext:
    """The span of forwarding a bundle: no event says so, the record's own header does."""
    event = tracing.event_id(
        "collect",
        "collected",
        application_id=header.application_id,
        section=header.section,
        party=header.requester,
        provider=header.provider,
        subject=leaf,
    )
    return tracing.happened(header.application_id, event)
