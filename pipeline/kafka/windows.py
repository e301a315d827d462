"""Reading a partition piece by piece, committed records only: its newest first, or from one place on."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.kafka.clients import Extra, admin_config, reader_config
from pipeline.kafka.ends import TIMEOUT, begin_offsets, end_offsets
from pipeline.kafka.tailing import partitions_of, received
from pipeline.stages.effects import Message

WINDOW = 500
"""Offsets that are read at once, backwards."""


class Windows:
    """Pieces of `topic`, read within `seconds` in all. Use it as a context manager.

    `whole`: up to the high watermark as of now, waiting for open transactions; else up to the last stable offset, which waits
    for nobody. Raises ConfigError for an unknown topic or one that the brokers do not let us read, Retryable when
    the time is up.
    """

    def __init__(
        self, bootstrap: str, topic: str, extra: Extra | None = None, *, seconds: float = 30.0, whole: bool = False
    ) -> None:
        self.topic = topic
        self._seconds = seconds
        self._until = monotonic() + seconds
        admin = AdminClient({**admin_config(bootstrap, extra), "log_level": 0})
        try:
            places = [(topic, number) for number in range(partitions_of(admin, topic))]
            ends = end_offsets(admin, places) if whole else _stable_ends(admin, topic, len(places))
            begins = begin_offsets(admin, places)
        except KafkaException as failure:
            raise ConfigError(f"{topic} cannot be read: {failure.args[0].str()}") from failure
        self.bounds = {number: (begins[topic, number], ends[topic, number]) for _, number in places}
        self._consumer = Consumer(reader_config(bootstrap, extra))

    def read(self, partition: int, begin: int, end: int) -> list[Message]:
        """The committed records with offsets in [begin, end), in order."""
        if begin >= end:
            return []
        self._consumer.assign([TopicPartition(self.topic, partition, begin)])
        found: list[Message] = []
        while not self._has_passed(partition, end):
            if monotonic() > self._until:
                raise Retryable(f"{self.topic} could not be read within {self._seconds:g} s")
            for event in self._consumer.consume(WINDOW, 0.05):
                error = event.error()
                if error is None:
                    found.append(received(event))
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name for it
                    raise ConfigError(f"{self.topic} cannot be read: {error.str()}")
        return [message for message in found if message.offset < end]

    def backwards(self, partition: int) -> Iterator[list[Message]]:
        """The partition's records, a window after the other from its end; within a window in the order of the log."""
        first, end = self.bounds[partition]
        while end > first:
            begin = max(first, end - WINDOW)
            yield self.read(partition, begin, end)
            end = begin

    def onwards(self, partition: int, begin: int) -> Iterator[list[Message]]:
        """The partition's records from `begin` to its end, a window after the other."""
        _, end = self.bounds[partition]
        while begin < end:
            yield self.read(partition, begin, min(end, begin + WINDOW))
            begin += WINDOW

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _has_passed(self, partition: int, end: int) -> bool:
        """Positions pass the markers of transactions and what was aborted."""
        [place] = self._consumer.position([TopicPartition(self.topic, partition)])
        return place.offset >= end


def _stable_ends(admin: AdminClient, topic: str, partitions: int) -> dict[tuple[str, int], int]:
    """Where a reader of committed records gets to now: before the first transaction that is still open."""
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}  # type: ignore[no-untyped-call]
    answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT)
    return {(place.topic, place.partition): int(answer.result().offset) for place, answer in answers.items()}
