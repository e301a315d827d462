"""Lifecycle events: facts without personal data, written in the transaction that makes them true.

Each is a span of its application's trace (`domain.tracing`), and its record's header names the span it follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.codec import framing
from pipeline.domain import tracing
from pipeline.domain.records import EventPart, LifecycleEvent, LifecycleState
from pipeline.domain.tracing import TraceContext
from pipeline.stages import topics
from pipeline.stages.effects import Headers, Output


class EventLog:
    """Collects the events of one step."""

    def __init__(self, stage: str, now: int) -> None:
        self._stage = stage
        self._now = now
        self._events: list[tuple[LifecycleEvent, TraceContext | None]] = []
        self._message: TraceContext | None = None
        self._newest: dict[tuple[str, str], TraceContext] = {}  # by id and requester, who chose the id

    def follow(self, headers: Headers) -> None:
        """What is added from now on follows the span that a message of the center's own topics came with.

        Never to be given the headers of an inbox: those a party may write as it likes.
        """
        self._message = tracing.read(headers)

    def add(
        self,
        kind: str,
        *,
        subject: bytes = b"",
        application_id: str | None = None,
        section: int | None = None,
        party: str | None = None,
        provider: str | None = None,
        count: int = 1,
        code: str | None = None,
        by: str | None = None,
        event_id: str | None = None,
        parent: TraceContext | None = None,
        since: int | None = None,
        state: LifecycleState | None = None,
        change: int | None = None,
        parts: Sequence[EventPart] = (),
    ) -> TraceContext | None:
        """Note that `kind` happened; `subject` tells events of one kind apart.

        The id is a function of what happened to whom: a repeated step writes the same id, and readers can drop the copy.
        `event_id` replaces it where somebody waits for the event by an id of their own. `parent`: the span it follows; by
        default the message's. `since`, `state`, `change` and `parts` are what there is to say of it (`LifecycleEvent`), and
        no part of its identity. Returns the event's own span, where it is about an application.
        """
        name = event_id or tracing.event_id(
            self._stage,
            kind,
            application_id=application_id,
            section=section,
            party=party,
            provider=provider,
            code=code,
            by=by,
            subject=subject,
        )
        event = LifecycleEvent(
            event_id=name,
            at=self._now,
            stage=self._stage,
            kind=kind,
            application_id=application_id,
            section=section,
            party=party,
            provider=provider,
            count=count,
            code=code,
            by=by,
            since=since,
            state=state,
            change=change,
            parts=list(parts),
        )
        if application_id is None:
            self._events.append((event, None))
            return None
        before = tracing.follow(parent or self._message, application_id, party or "")
        self._events.append((event, before))
        made = TraceContext(before.trace_id, tracing.span_of(name))
        self._newest[application_id, party or ""] = made
        return made

    def newest(self, application_id: str, requester: str) -> TraceContext:
        """What something sent on about an application follows: its newest event here, else what the message followed."""
        return self._newest.get((application_id, requester)) or tracing.follow(self._message, application_id, requester)

    def traced(self, outputs: Iterable[Output]) -> list[Output]:
        """`outputs`, with a header on those between the center's stages that have none yet."""
        return [
            self._traced(output) if output.topic in _BETWEEN and not output.headers else output for output in outputs
        ]

    def _traced(self, output: Output) -> Output:
        requester, _, rest = (output.key or b"").decode("utf-8", "replace").partition("/")
        application_id = rest.rpartition("/")[0] if output.topic == topics.JOIN else rest
        if not application_id:
            return output  # a watermark
        headers = self.newest(application_id, requester).headers()
        return Output(output.topic, output.key, output.value, headers, output.partition)

    def fork(self) -> EventLog:
        """An empty log of the same stage, to be merged or thrown away."""
        log = EventLog(self._stage, self._now)
        log._message = self._message
        return log

    def merge(self, other: EventLog) -> None:
        """Take over what another log holds."""
        self._events += other._events  # its own kind
        self._newest |= other._newest

    def outputs(self) -> list[Output]:
        """One record an event, keyed by application (or by the event where there is none)."""
        return [
            Output(
                topics.EVENTS,
                (event["application_id"] or event["event_id"]).encode(),
                framing.encode("LifecycleEvent", event),
                () if parent is None else parent.headers(),
            )
            for event, parent in self._events
        ]


_BETWEEN = frozenset({topics.APPLICATIONS, topics.JOIN})
