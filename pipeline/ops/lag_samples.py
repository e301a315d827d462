"""What one poll of the lag exporter has seen: plain values, before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Place = tuple[str, int]
"""Topic and partition."""


class Target(NamedTuple):
    """A question: since when does the first record at or after `offset` wait? `end`: the partition's end offset."""

    topic: str
    partition: int
    offset: int
    end: int

    @property
    def place(self) -> Place:
        """Topic and partition."""
        return self.topic, self.partition


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic's settings, as far as they bear on lag and on replicas.

    `retention_seconds`: None when time alone deletes nothing. `readable`: whether this principal may read its records.
    `least_in_sync`: `min.insync.replicas`.
    """

    name: str
    partitions: int
    retention_seconds: float | None
    compacted: bool
    readable: bool
    least_in_sync: int = 1


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """A consumer group: its state in Kafka's words, its members, and the partitions that these have between them."""

    name: str
    state: str
    members: int
    assigned: frozenset[Place] = frozenset()
    committed: Mapping[Place, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One group on one partition, at one instant (`at`, ms).

    `committed`: None when the group never committed here; it then starts at `begin`. `lag`: offsets, 0 when nothing but
    transaction markers is left. `seconds`: how long the first unread record has been there; None: not known. `ratio`: that
    by the topic's retention; None: nothing is deleted by time, or `seconds` is not known. Once records were deleted unread
    `ratio` is 1 at least, whatever is known; `gone`: nothing is left of what was unread, and `seconds` is then the retention.
    """

    at: int
    committed: int | None
    begin: int
    end: int
    lag: int
    seconds: float | None
    ratio: float | None = None
    compacted: bool = False
    gone: bool = False

    @property
    def waits(self) -> bool:
        """Whether a record is left to read; of a compacted topic time tells, since offsets count what is gone."""
        return self.lag > 0 and not self.gone and (not self.compacted or self.seconds is None or self.seconds > 0)


@dataclass(frozen=True, slots=True)
class GroupSample:
    """One group at one instant; `absent`: expected, and there is neither a member nor a committed offset."""

    name: str
    state: str
    members: int
    expected: bool
    absent: bool
    partitions: Mapping[Place, Sample]


@dataclass(frozen=True, slots=True)
class Poll:
    """Everything that one poll has seen. `at`: ms, of its start; `took`: seconds; `bounds`: begin and end offset."""

    at: int
    took: float
    groups: tuple[GroupSample, ...]
    bounds: Mapping[Place, tuple[int, int]]
    compacted: frozenset[str]


def sample(
    at: int,
    committed: int | None,
    bounds: tuple[int, int],
    topic: TopicFacts,
    since: int | None,
    *,
    only_markers: bool = False,
) -> Sample:
    """The sample made of what was asked. `since`: timestamp (ms) of the first unread record, None: not known."""
    begin, end = bounds
    start = begin if committed is None else committed
    lost = start < begin
    gone = lost and (only_markers or begin >= end)
    lag = 0 if only_markers and not lost else max(0, end - start)
    if gone:
        seconds = topic.retention_seconds  # at least: so long the records were there before they were deleted
    elif lag == 0:
        seconds = 0.0
    else:
        seconds = None if since is None else max(0, at - since) / 1000
    ratio = _ratio(seconds, topic.retention_seconds, lost)
    return Sample(at, committed, begin, end, lag, seconds, ratio, topic.compacted, gone)


def _ratio(seconds: float | None, retention: float | None, lost: bool) -> float | None:
    """How near the first unread record is to its deletion; 1 at least once unread records have been deleted."""
    known = None if retention is None or seconds is None else seconds / retention
    return max(1.0, known or 0.0) if lost else known
