"""Reading an inbox whose offsets are kept in the reader's own database, not in Kafka.

The group exists for sharing partitions and so that lag dashboards see the reader; where to go on is what the database
says, written in the transaction that stored the work. Kafka's copy of the offsets follows, for the dashboards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.kafka.clients import Extra, consumer_config
from pipeline.kafka.tailing import received
from pipeline.stages.effects import Message

BATCH = 64
"""Messages a batch has at most: envelopes of up to 900 KiB, and a batch's look-ups are held in memory."""


class Inbox:
    """One consumer of `topic`; `stored(topic)` gives partition -> next offset as the database has it."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        stored: Callable[[str], Mapping[int, int]],
        *,
        batch: int = BATCH,
        extra: Extra | None = None,
    ) -> None:
        self.topic = topic
        self._stored = stored
        self._batch = batch
        self._starts: dict[tuple[str, int], int] = {}  # where reading (re)started, until something comes
        self._told: dict[tuple[str, int], int] = {}  # offsets as Kafka has them from us
        config = consumer_config(bootstrap, group, extra=extra)
        self._consumer = Consumer({**config, "on_commit": self._committed})
        self._consumer.subscribe([topic], on_assign=self._assigned)

    def take(self, seconds: float) -> tuple[list[Message], dict[tuple[str, int], int]]:
        """A batch, and the positions after it to store with its effects; waits `seconds` for the first message.

        When there is none, Kafka's copy of the offsets follows past the transaction markers that came since, so that
        lag reaches 0. Raises KafkaException for what the brokers refuse.
        """
        first = self._consumer.poll(seconds)
        if first is None:
            self.done(self._positions())
            return [], {}
        messages: list[Message] = []
        for event in chain((first,), self._consumer.consume(self._batch - 1, 0)):
            error = event.error()
            if error is not None:
                raise KafkaException(error)
            messages.append(received(event))
        return messages, self._positions()

    def done(self, positions: Mapping[tuple[str, int], int]) -> None:
        """The batch is stored: let Kafka's copy of the offsets follow."""
        news = {place: following for place, following in positions.items() if self._told.get(place) != following}
        if news:
            self._consumer.commit(offsets=[TopicPartition(*place, to) for place, to in news.items()], asynchronous=True)
            self._told |= news

    def rewind(self) -> None:
        """The batch was not stored: read on from where the database stands."""
        stored = self._stored(self.topic)
        for place in self._consumer.assignment():
            start = stored.get(place.partition, 0)
            self._consumer.seek(TopicPartition(self.topic, place.partition, start))
            self._starts[self.topic, place.partition] = start

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _positions(self) -> dict[tuple[str, int], int]:
        """The consumer has no position of its own in a partition where nothing has come since it was placed there."""
        positions: dict[tuple[str, int], int] = {}
        for place in self._consumer.position(self._consumer.assignment()):
            key = place.topic, place.partition
            if place.offset >= 0:
                positions[key] = place.offset
            elif key in self._starts:
                positions[key] = self._starts[key]
        return positions

    def _committed(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Kafka has answered a commit, in `poll`. What it did not take (it is rebalancing) it is told again, also when idle."""
        for place in places:
            if error is not None or place.error is not None:
                self._told.pop((place.topic, place.partition), None)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        stored = self._stored(self.topic)
        for place in partitions:
            # another member may have told Kafka otherwise meanwhile
            self._told.pop((self.topic, place.partition), None)
            # never where Kafka's copy stands: it may be ahead of a database that was restored
            place.offset = self._starts[self.topic, place.partition] = stored.get(place.partition, 0)
        consumer.incremental_assign(partitions)
