"""Since when records wait, by reading the first of them, committed records only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from time import monotonic

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.kafka.clients import Extra, reader_config
from pipeline.ops.lag_samples import Place, Target
from pipeline.ops.lag_since import Answers

PATIENCE = 5.0
"""Seconds that one round of reads may take; what is not known by then is not answered."""

LITTLE: Extra = {"max.partition.fetch.bytes": 4096, "queued.max.messages.kbytes": 1024, "fetch.wait.max.ms": 10}
"""One batch of each partition is enough (a broker sends one whole, however large)."""


class ReadingSince:
    """Reads one record at each offset, with one consumer that commits nothing and joins no group.

    No record before the end means that only transaction markers, aborted records or gaps of compaction are left. Behind an
    open transaction nothing can be read yet: no answer.
    """

    def __init__(self, bootstrap: str, extra: Extra | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._config = {**reader_config(bootstrap, extra), **LITTLE}
        self._clock = clock
        self._consumer: Consumer | None = None

    def __call__(self, targets: Collection[Target]) -> Answers:
        """The answers to `targets`. Raises KafkaException."""
        answers: dict[Target, int | None] = {}
        for lane in lanes(targets):
            answers |= self._ask(lane)
        return answers

    def close(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None:
            self._consumer.close()

    def _ask(self, lane: dict[Place, Target]) -> Answers:
        if self._consumer is None:
            self._consumer = Consumer(self._config)
        self._consumer.assign([TopicPartition(*place, target.offset) for place, target in lane.items()])
        answers: dict[Target, int | None] = {}
        open_ = dict(lane)
        deadline = self._clock() + PATIENCE
        while open_ and self._clock() < deadline:
            event = self._consumer.poll(0.1)
            if event is None:
                continue
            place = event.topic() or "", event.partition() or 0
            target = open_.get(place)
            if target is not None:
                answers |= _answer(event, target)
                del open_[place]
        self._consumer.unassign()
        return answers


def _answer(event: Message, target: Target) -> Answers:
    error = event.error()
    if error is None:
        return {target: event.timestamp()[1] if (event.offset() or 0) < target.end else None}
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name for it
        raise KafkaException(error)
    return {target: None} if (event.offset() or 0) >= target.end else {}


def lanes(targets: Collection[Target]) -> Iterator[dict[Place, Target]]:
    """The targets in as few rounds as their partitions allow: a partition is asked once a round."""
    left = list(dict.fromkeys(targets))
    while left:
        lane: dict[Place, Target] = {}
        for target in left:
            lane.setdefault(target.place, target)
        left = [target for target in left if lane[target.place] != target]
        yield lane
