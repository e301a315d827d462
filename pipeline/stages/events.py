"""Lifecycle events: facts without personal data, written in the transaction that makes them true."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pipeline.codec import framing
from pipeline.domain.records import EventPart, LifecycleEvent, LifecycleState
from pipeline.stages import topics
from pipeline.stages.effects import Output


class EventLog:
    """Collects the events of one step."""

    def __init__(self, stage: str, now: int) -> None:
        self._stage = stage
        self._now = now
        self._events: list[LifecycleEvent] = []

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
        since: int | None = None,
        state: LifecycleState | None = None,
        change: int | None = None,
        parts: Sequence[EventPart] = (),
    ) -> None:
        """Note that `kind` happened; `subject` tells events of one kind apart.

        The id is a function of what happened to whom: a repeated step writes the same id, and readers can drop the copy.
        `event_id` replaces it where somebody waits for the event by an id of their own. `since`, `state`, `change` and
        `parts` are what there is to say of it (`LifecycleEvent`), and no part of its identity.
        """
        identity = "\0".join(
            (self._stage, kind, application_id or "", str(section), party or "", provider or "", code or "", by or "")
        )
        made = hashlib.sha256(identity.encode() + b"\0" + subject).hexdigest()[:32]
        self._events.append(
            LifecycleEvent(
                event_id=event_id or made,
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
        )

    def fork(self) -> EventLog:
        """An empty log of the same stage, to be merged or thrown away."""
        return EventLog(self._stage, self._now)

    def merge(self, other: EventLog) -> None:
        """Take over what another log holds."""
        self._events += other._events  # its own kind

    def outputs(self) -> list[Output]:
        """One record an event, keyed by application (or by the event where there is none)."""
        return [
            Output(
                topics.EVENTS,
                (event["application_id"] or event["event_id"]).encode(),
                framing.encode("LifecycleEvent", event),
            )
            for event in self._events
        ]
