"""The tables of the watch: every lifecycle event counted once by its id, in any order, and forgotten in time.

Pure: no clock, no Kafka. The same events in any order, any of them repeated, give the same figures; copies of an event count by
the one read first, which on hedx.events, where all of an application's are in one partition, is the first written.
"""

from __future__ import annotations

from collections import Counter
from sys import intern
from typing import Final, cast

from pipeline.codec import framing
from pipeline.domain.counting import MISSING
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import LifecycleEvent
from pipeline.ops.event_ids import EventIds
from pipeline.ops.watch_cases import Cases
from pipeline.ops.watch_latency import ANSWERED, Latency
from pipeline.ops.watch_minutes import Minutes
from pipeline.ops.watch_punctuality import KEPT, Punctuality

DAY: Final = 24 * 3600 * 1000
_UNANSWERED: Final = ("expired", "withdrawn", "suspended")
"""Statuses that a section's certificate gives; the others came with an answer."""


class Totals:
    """What Prometheus counts: figures that only grow, from when the watch was up to date on."""

    def __init__(self) -> None:
        self.events: Counter[tuple[str, str]] = Counter()
        self.applications: Counter[str] = Counter()
        self.subqueries: Counter[tuple[str, str]] = Counter()
        self.answers: Counter[tuple[str, str, str]] = Counter()
        self.late: Counter[str] = Counter()

    def add(self, event: LifecycleEvent) -> None:
        """Count an event (each is given once)."""
        kind, provider = event["kind"], event["provider"] or "?"
        self.events[event["stage"], kind] += 1
        if kind == "arrived":
            self.applications[event["party"] or "?"] += 1
        elif kind == "dispatched":
            for part in event["parts"]:
                self.subqueries[provider, part["category"]] += part["count"]
        elif kind == "answer_accepted":
            for part in event["parts"]:
                if part["status"] != MISSING:
                    self.answers[provider, part["category"], part["status"] or "?"] += part["count"]
        elif kind == "section_closed":
            for part in event["parts"]:
                if part["status"] in _UNANSWERED:
                    self.answers[part["provider"] or "?", part["category"], str(part["status"])] += part["count"]
                if part["status"] == "expired":
                    self.late[part["provider"] or "?"] += part["count"]

    def from_nothing(self) -> None:
        """Count from 0: what was counted stays as series of which nothing is known yet."""
        for counts in (self.events, self.applications, self.subqueries, self.answers, self.late):
            for key in counts:
                counts[key] = 0  # type: ignore[index]


class WatchTables:
    """All of them. `since`: from when on (ms) events were read; 0: from the topic's start."""

    def __init__(self, since: int = 0) -> None:
        self.since = since
        self.minutes = Minutes()
        self.latency = Latency()
        self.punctuality = Punctuality()
        self.cases = Cases(self._answered)
        self.totals = Totals()
        self.events = 0
        self.counted: Counter[tuple[str, str]] = Counter()
        """(stage, kind) → events."""
        self.duplicates = 0
        self.last_at = 0
        """Time (ms) of the newest event."""
        self.unreadable: Counter[str] = Counter()
        self._ids = EventIds()

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
        if not self._ids.add(event["event_id"], event["at"]):
            self.duplicates += 1
            return
        _share(event)
        self.events += 1
        self.counted[event["stage"], event["kind"]] += 1
        self.last_at = max(self.last_at, event["at"])
        self.totals.add(event)
        self.minutes.add(event)
        self.latency.add(event)
        self.punctuality.add(event)
        self.cases.add(event)

    def forget(self, now: int) -> None:
        """Let go, at `now` (ms), of what is too old for any figure."""
        self._ids.forget(now - KEPT * DAY)
        for table in (self.minutes, self.latency, self.punctuality, self.cases):
            table.forget(now)

    def _answered(self, provider: str, at: int, took: int) -> None:
        self.punctuality.answered(provider, at, took)
        self.latency.took(ANSWERED, at, took)


def _share(event: LifecycleEvent) -> None:
    """Words that come again and again are kept once."""
    event["stage"], event["kind"] = intern(event["stage"]), intern(event["kind"])
    for name in ("party", "provider", "code", "by"):
        word = event[name]
        if word is not None:
            event[name] = intern(word)
    for part in event["parts"]:
        part["category"] = intern(part["category"])
        part["provider"] = None if part["provider"] is None else intern(part["provider"])
