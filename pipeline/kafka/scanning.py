"""Looking for something in a topic: from an instant on, to where it ends now, a bounded number of committed records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.kafka.clients import Extra, admin_config, reader_config
from pipeline.kafka.clock import VARIABLE as SIMULATED
from pipeline.kafka.ends import TIMEOUT, begin_offsets
from pipeline.kafka.tailing import partitions_of, received
from pipeline.stages.effects import Message

CHUNK = 2_000
QUIET = 30.0
"""Seconds without a record after which the brokers count as gone."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked at of a topic. `cut`: there was more than was allowed, or it could not be read: `why`."""

    topic: str
    partitions: int
    records: int
    since: int | None
    cut: bool = False
    why: str | None = None


class Scan:
    """Reads topics of the cluster at `bootstrap`; `progress` is told topic and number of records, now and then."""

    def __init__(
        self, bootstrap: str, extra: Extra | None = None, progress: Callable[[str, int], None] | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self._extra = extra
        self._progress = progress or (lambda topic, records: None)
        self._admin = AdminClient({**admin_config(bootstrap, extra), "log_level": 0})
        self.looked: list[Looked] = []

    def partitions(self, topic: str) -> int:
        """Number of partitions. Raises ConfigError for a topic that is not there, or may not be seen."""
        return partitions_of(self._admin, topic)

    def read(
        self,
        topic: str,
        *,
        partitions: Iterable[int] | None = None,
        since: int | None = None,
        until: int | None = None,
        most: int | None = None,
    ) -> Iterator[Message]:
        """Records appended at or after `since` (ms), of each partition until one after `until`, `most` in all.

        It ends where readers of committed records get to now, waiting for no open transaction. What was read is noted in `looked`,
        also when the topic cannot be read: then nothing comes. Raises Retryable when the brokers stop answering.
        """
        if os.environ.get(SIMULATED):
            since = until = None  # brokers know nothing of simulated time
        count, cut = 0, False
        numbers: list[int] = []
        try:
            numbers = list(range(self.partitions(topic)) if partitions is None else partitions)
            for message in self._read(topic, numbers, since, until):
                if most is not None and count >= most:
                    cut = True
                    break
                count += 1
                if count % CHUNK == 0:
                    self._progress(topic, count)
                yield message
        except (ConfigError, KafkaException) as failure:
            why = str(failure) if isinstance(failure, ConfigError) else failure.args[0].str()
            self.looked.append(Looked(topic, len(numbers), count, since, cut=True, why=why))
            return
        self.looked.append(Looked(topic, len(numbers), count, since, cut=cut))

    def _read(self, topic: str, numbers: list[int], since: int | None, until: int | None) -> Iterator[Message]:
        ends = self._offsets(topic, numbers, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        starts = self._starts(topic, numbers, since, ends)
        open_ones = {number for number in numbers if starts[number] < ends[number]}
        if not open_ones:
            return
        consumer = Consumer({**reader_config(self._bootstrap, self._extra), "log_level": 0})
        try:
            consumer.assign([TopicPartition(topic, number, starts[number]) for number in sorted(open_ones)])
            last = monotonic()
            while open_ones:
                events = consumer.consume(CHUNK, 0.1)
                if events:
                    last = monotonic()
                elif monotonic() - last > QUIET:
                    raise Retryable(f"{topic} could not be read on for {QUIET:g} s")
                for event in events:
                    error = event.error()
                    number = event.partition() or 0
                    if error is not None:
                        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name for it
                            raise ConfigError(f"{topic} cannot be read: {error.str()}")
                        open_ones.discard(number)
                    elif number in open_ones:
                        message = received(event)
                        if message.offset >= ends[number] or (until is not None and message.timestamp > until):
                            open_ones.discard(number)
                        else:
                            yield message
                for place in consumer.position(consumer.assignment()):
                    if place.offset >= ends[place.partition]:
                        open_ones.discard(place.partition)
        finally:
            consumer.close()

    def _starts(self, topic: str, numbers: list[int], since: int | None, ends: dict[int, int]) -> dict[int, int]:
        if since is None:
            begins = begin_offsets(self._admin, [(topic, number) for number in numbers])
            return {number: begins[topic, number] for number in numbers}
        found = self._offsets(topic, numbers, OffsetSpec.for_timestamp(max(0, since)))
        return {number: offset if offset >= 0 else ends[number] for number, offset in found.items()}

    def _offsets(self, topic: str, numbers: list[int], which: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(topic, number): which for number in numbers}
        if not asked:
            return {}
        answers = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT
        )
        return {place.partition: int(answer.result().offset) for place, answer in answers.items()}
