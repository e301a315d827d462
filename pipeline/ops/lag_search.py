"""Since when records wait, without reading any: a search over time, which takes no right but DESCRIBE.

Kafka tells for a time T the first offset f(T) whose timestamp is T or later. f never falls as T grows, so the greatest T with
f(T) ≤ offset is what is looked for: the timestamp of the record at the offset, or, where producers' clocks disagree
(CreateTime), the latest timestamp up to it. In inboxes brokers stamp the time (LogAppendTime), and both are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.kafka.ends import TIMEOUT
from pipeline.ops.lag_reading import lanes
from pipeline.ops.lag_samples import Place, Target
from pipeline.ops.lag_since import Answers

ROUNDS = 30
Found = tuple[int, int]
"""Offset and timestamp (ms) of the first record at or after a time; offset -1: there is none."""
AtTimes = Callable[[Mapping[Place, int]], Mapping[Place, Found]]
"""Place → time (ms) to place → what is found there, all in one request."""


@dataclass(slots=True)
class Bracket:
    """What is known of one target: `low` has f(low) ≤ offset, `high` has f(high) > offset; their offsets guide the guess."""

    target: Target
    high: int
    low: int = -1
    low_offset: int = 0
    high_offset: int = 0
    exact: bool = False

    @property
    def done(self) -> bool:
        """Whether `low` is the answer."""
        return self.exact or self.high - self.low <= 1

    def guess(self, number: int) -> int:
        """The time to ask about in round `number`: by turns where an even flow would have it, and the middle."""
        if number == 0:
            return 0
        share = 0.5
        if number % 2 and self.high_offset > self.low_offset:
            share = (self.target.offset + 0.5 - self.low_offset) / (self.high_offset - self.low_offset)
        between = self.low + round((self.high - self.low) * share)
        return min(max(between, self.low + 1), self.high - 1)

    def learn(self, asked: int, found: Found) -> None:
        """Take in what was found at the time `asked`."""
        offset, timestamp = found
        if asked == 0 and offset > self.target.offset:  # the topic's first record: all before it is compacted away
            self.low, self.exact = timestamp, True
        elif offset < 0 or offset > self.target.offset:
            self.high, self.high_offset = asked, offset if offset >= 0 else self.target.end
        else:
            self.low, self.low_offset = max(asked, timestamp), offset
            self.exact = offset == self.target.offset


class SearchingSince:
    """Searches by time, all partitions in one request a round, at most `ROUNDS` of them.

    Not exact behind a transaction: that only markers are left cannot be seen this way; they count as what waits.
    """

    def __init__(self, at_times: AtTimes, clock: Callable[[], int]) -> None:
        self._at_times = at_times
        self._clock = clock
        self.rounds = 0
        """Requests made so far."""

    def __call__(self, targets: Collection[Target]) -> Answers:
        """The answers to `targets`; after `ROUNDS` the oldest time possible. Raises KafkaException."""
        answers: dict[Target, int | None] = {}
        for lane in lanes(targets):
            answers |= self._ask(lane)
        return answers

    def _ask(self, lane: dict[Place, Target]) -> Answers:
        now = self._clock()
        brackets = {place: Bracket(target, now + 1, high_offset=target.end) for place, target in lane.items()}
        for number in range(ROUNDS):
            times = {place: bracket.guess(number) for place, bracket in brackets.items() if not bracket.done}
            if not times:
                break
            self.rounds += 1
            for place, found in self._at_times(times).items():
                brackets[place].learn(times[place], found)
        return {bracket.target: bracket.low for bracket in brackets.values() if bracket.low >= 0}


def offsets_at(admin: AdminClient) -> AtTimes:
    """Asks the brokers; raises KafkaException."""

    def ask(times: Mapping[Place, int]) -> Mapping[Place, Found]:
        asked = {TopicPartition(*place): OffsetSpec.for_timestamp(time) for place, time in times.items()}
        answers = admin.list_offsets(asked, request_timeout=TIMEOUT)
        found = {(place.topic, place.partition): answer.result() for place, answer in answers.items()}
        return {place: (result.offset, result.timestamp) for place, result in found.items()}

    return ask
