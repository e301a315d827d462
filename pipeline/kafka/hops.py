"""Hops: what happened to an application at one place, as lines of the log and spans tell of it.

At the center they are read from a transaction's own records, after it was committed: the events, and what `collect`
forwards. An adapter makes its own (`province.hops`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from pipeline.codec import framing
from pipeline.domain import tracing
from pipeline.domain.records import AnswerArrived, LifecycleEvent
from pipeline.domain.tracing import TraceContext
from pipeline.kafka.observing import Restored, Worked
from pipeline.kafka.onlooking import tell
from pipeline.stages import topics
from pipeline.stages.effects import Message, Output


@dataclass(frozen=True, slots=True)
class Hop:
    """One thing that happened to one application. `at`: ms; `span` its own, `parent` the one it follows; None: the root."""

    at: int
    stage: str
    kind: str
    application_id: str
    span: TraceContext
    parent: TraceContext | None
    section: int | None = None
    party: str | None = None
    provider: str | None = None
    count: int = 1
    code: str | None = None
    by: str | None = None


class Hops(Protocol):
    """Is told of hops, after the fact, from the thread that made them; it must be quick. What it raises goes nowhere."""

    def hopped(self, hops: Sequence[Hop], began: int, seconds: float) -> None:
        """These happened, in work that began at `began` (ms, real time) and took `seconds`."""

    def carried(
        self, stage: str, messages: Sequence[Message], outputs: Sequence[Output], began: int, seconds: float
    ) -> None:
        """That work took these envelopes in, and sent those out."""


@dataclass(slots=True)
class Hopping:
    """Tells several of hops; as an `Observer`, of those of a worker's transactions. False where nobody is told."""

    told: list[Hops] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.told)

    def hopped(self, hops: Sequence[Hop], began: int, seconds: float) -> None:
        """Tell all."""
        for one in self.told if hops else ():
            tell(one.hopped, hops, began, seconds)

    def carried(
        self, stage: str, messages: Sequence[Message], outputs: Sequence[Output], began: int, seconds: float
    ) -> None:
        """Tell all."""
        for one in self.told if messages or outputs else ():
            tell(one.carried, stage, messages, outputs, began, seconds)

    def worked(self, work: Worked) -> None:
        """Read what was written and tell all."""
        if not self.told:
            return
        seconds = work.stepped + work.committed
        self.hopped(list(hops_of(work)), work.began, seconds)
        put_aside = {id(message) for message, _ in (*work.effects.dead, *work.effects.refused)}
        messages = [message for message in work.messages if id(message) not in put_aside]
        self.carried(work.stage, messages, work.effects.outputs, work.began, seconds)

    def restored(self, restored: Restored) -> None:
        """No application was touched."""

    def aborted(self, stage: str, reason: str) -> None:
        """Nothing happened to any application."""


def hops_of(work: Worked) -> Iterator[Hop]:
    """The hops of a transaction, in the order in which they were written."""
    for output in work.effects.outputs:
        if output.topic == topics.EVENTS:
            event = cast("LifecycleEvent", framing.decode_as("LifecycleEvent", output.value or b""))
            if event["application_id"] is not None:
                yield hop_of(event, tracing.read(output.headers))
        elif work.stage == "collect" and output.topic == topics.JOIN and output.headers:
            yield _collected(output, work.began)


def hop_of(event: LifecycleEvent, parent: TraceContext | None) -> Hop:
    """An event about an application; `parent` as its record's header has it."""
    application_id = event["application_id"] or ""
    span = tracing.happened(application_id, event["event_id"])
    return Hop(
        at=event["at"],
        stage=event["stage"],
        kind=event["kind"],
        application_id=application_id,
        span=span,
        parent=parent if parent is not None and parent != span else None,
        section=event["section"],
        party=event["party"],
        provider=event["provider"],
        count=event["count"],
        code=event["code"],
        by=event["by"],
    )


def _collected(output: Output, at: int) -> Hop:
    requester, _, rest = (output.key or b"").decode().partition("/")
    application_id, _, section = rest.rpartition("/")
    record = cast("AnswerArrived", framing.decode_as("AnswerArrived", output.value or b""))
    span = tracing.read(output.headers)
    provider = record["provider"]
    return Hop(
        at=at,
        stage="collect",
        kind="collected",
        application_id=application_id,
        span=span or tracing.sent(application_id, requester),
        parent=tracing.answered(application_id, int(section), requester, provider),
        section=int(section),
        party=requester,
        provider=provider,
    )
