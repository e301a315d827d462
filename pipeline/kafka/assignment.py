"""Which partitions a worker owns, and where it stands in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.kafka.attempts import Place
from pipeline.kafka.ends import begin_offsets

TIMEOUT = 30.0
"""Seconds for `committed()`, which waits for offsets of a transaction that is still open."""


class Assignment:
    """The partitions of one group consumer.

    Partitions come in as `added`, paused; after the state is restored, `take_up` makes them `owned`. Callbacks run
    inside the consumer's `poll` and `consume` only, so nothing changes during a step or a transaction.
    `lost` is called with each partition that goes.
    """

    def __init__(self, consumer: Consumer, admin: AdminClient, lost: Callable[[Place], None]) -> None:
        self._consumer = consumer
        self._admin = admin
        self._lost = lost
        self.added: set[Place] = set()
        self.owned: dict[Place, int] = {}  # next offset to read
        self._starts: dict[Place, int] = {}

    def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group."""
        self._consumer.subscribe(list(topics), on_assign=self._assign, on_revoke=self._give_up, on_lost=self._give_up)

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

    def starts(self, places: Iterable[Place], committed: Mapping[Place, int]) -> dict[Place, int]:
        """Where to begin: the committed offset, or the first one kept if there is none or it is gone."""
        return {
            place: max(first, committed.get(place, 0)) for place, first in begin_offsets(self._admin, places).items()
        }

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


def _partitions(places: Iterable[Place]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]
