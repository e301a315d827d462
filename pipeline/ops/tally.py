"""Counts of lifecycle events, as a pure fold: the same events in any order, any number of times, give the same counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, cast

from pipeline.codec import framing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import LifecycleEvent


class Row(NamedTuple):
    """One kind of event of one stage in one minute (UTC): how many, and how many persons or sub-queries they concern."""

    minute: str
    stage: str
    kind: str
    events: int
    concerned: int


class Tally:
    """The table behind `hedx watch`: (minute, stage, kind) -> events.

    It is never saved: a start reads the topic from its beginning, 90 days at most. Memory is about 130 bytes an event,
    for the ids that make counting idempotent.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._events: Counter[tuple[int, str, str]] = Counter()
        self._concerned: Counter[tuple[int, str, str]] = Counter()
        self.duplicates = 0
        self.unreadable: Counter[str] = Counter()

    @property
    def events(self) -> int:
        """How many different events were counted."""
        return len(self._seen)

    def read(self, value: bytes | None) -> None:
        """Count the event in a record of hedx.events; what is none is counted in `unreadable`, by its fault's code."""
        try:
            if value is None:
                raise InvalidMessage("value_missing", "a tombstone on hedx.events")
            self.add(cast("LifecycleEvent", framing.decode_as("LifecycleEvent", value)))
        except InvalidMessage as fault:
            self.unreadable[fault.code] += 1

    def add(self, event: LifecycleEvent) -> None:
        """Count an event, once by its id."""
        if event["event_id"] in self._seen:
            self.duplicates += 1
            return
        self._seen.add(event["event_id"])
        key = event["at"] // 60_000, event["stage"], event["kind"]
        self._events[key] += 1
        self._concerned[key] += event["count"]

    def rows(self) -> Iterator[Row]:
        """The counts, the oldest minute first."""
        for key in sorted(self._events):
            minute, stage, kind = key
            yield Row(_words(minute), stage, kind, self._events[key], self._concerned[key])


def _words(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%d %H:%M")
