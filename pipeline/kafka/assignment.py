"""Which partitions a worker owns, where it stands in each, and what comes from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from pipeline.kafka.attempts import Place
from pipeline.kafka.clients import Config
from pipeline.kafka.ends import begin_offsets
from pipeline.kafka.tailing import received
from pipeline.stages.effects import Message

log = logging.getLogger(__name__)

TIMEOUT = 30.0
"""Seconds for `committed()`, which waits for offsets of a transaction that is still open."""


class Assignment:
    """The partitions of one group consumer, made from `config`.

    Partitions come in as `added`, paused; after the state is restored, `take_up` makes them `owned`. Callbacks run
    inside `take` only, so nothing changes during a step or a transaction. `lost` is called with each partition that goes.
    """

    def __init__(self, config: Config, admin: AdminClient, lost: Callable[[Place], None]) -> None:
        self._consumer = Consumer(config)
        self._admin = admin
        self._lost = lost
        self.added: set[Place] = set()
        self.owned: dict[Place, int] = {}  # next offset to read
        self._starts: dict[Place, int] = {}

    def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group."""
        self._consumer.subscribe(list(topics), on_assign=self._assign, on_revoke=self._give_up, on_lost=self._give_up)

    def take(self, wait: float, most: int) -> list[Message]:
        """Wait up to `wait` seconds for the first message, then add what is here already: no idle waiting.

        At most `most` messages. Raises KafkaException for errors of the consumer.
        """
        first = self._consumer.poll(wait)
        if first is None:
            return []
        rest = self._consumer.consume(most - 1, 0) if most > 1 else []
        # a rebalance may have run within either call: what is not owned (any more, or yet) is someone else's to read
        return [
            received(message)
            for message in chain((first,), rest)
            if _sound(message) and (message.topic(), message.partition()) in self.owned
        ]

    def metadata(self) -> Any:
        """The group's state as this consumer knows it. Sent with offsets, it lets brokers refuse those of a zombie."""
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        """Leave. A static member keeps its place in the group for its session's time-out."""
        self._consumer.close()

    def take_up(self, start: Mapping[Place, int]) -> None:
        """Read on in `start` (a part of `added`), from its offsets."""
        for place, offset in start.items():
            [position] = self._consumer.position([TopicPartition(*place)])
            if position.offset > offset:  # something slipped through before the pause took effect
                self._consumer.seek(TopicPartition(*place, offset))
        self._starts |= start
        self.owned |= start
        self.added -= start.keys()
        self._consumer.resume([TopicPartition(*place) for place in start])

    def positions(self) -> dict[Place, int]:
        """The next offset to read in each owned partition.

        The consumer's position, since it passes transaction markers: counting messages, lag would never reach 0.
        Where it has none, after a seek or before the first fetch, the offset read from.
        """
        for place in self._consumer.position(_partitions(self.owned)):
            if place.offset >= 0:
                self.owned[place.topic, place.partition] = place.offset
        return dict(self.owned)

    def committed(self, places: Iterable[Place]) -> dict[Place, int]:
        """Committed offsets, where there are any."""
        found = self._consumer.committed(_partitions(places), timeout=TIMEOUT)
        return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}

    def starts(self) -> tuple[dict[Place, int], dict[Place, int]]:
        """Where to begin in the `added` partitions, and what is committed there.

        That is the committed offset, or the first one kept if there is none or it is gone. Waits until a predecessor's
        transaction has ended, unless it never got to send its offsets; that one is waited for in the changelog.
        """
        committed = self.committed(self.added)
        start = begin_offsets(self._admin, self.added)
        for place, offset in committed.items():
            if offset < start[place]:
                log.error("records expired unread in %s/%d, from %d to %d", *place, offset, start[place])
            start[place] = max(start[place], offset)
        return start, committed

    def rewind(self) -> None:
        """Go back to what is committed, in all owned partitions."""
        positions = self.positions()
        committed = self.committed(positions)
        for place, position in positions.items():
            offset = committed.get(place, self._starts[place])
            if position != offset:
                self._consumer.seek(TopicPartition(*place, offset))
                self.owned[place] = offset

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        consumer.pause(partitions)
        self.added |= {(place.topic, place.partition) for place in partitions}

    def _give_up(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            place = partition.topic, partition.partition
            self.added.discard(place)
            self.owned.pop(place, None)
            self._starts.pop(place, None)
            self._lost(place)
        consumer.incremental_unassign(partitions)


def _sound(message: KafkaMessage) -> bool:
    """Whether it is a record. Raises KafkaException for an error; a poll missed for too long only costs the partitions."""
    error = message.error()
    if error is None:
        return True
    if error.code() == KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - the library's public name for it
        return False
    raise KafkaException(error)


def _partitions(places: Iterable[Place]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]
