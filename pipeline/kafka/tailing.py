"""Reading assigned partitions, committed records only, and knowing when their end has been reached."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from confluent_kafka._types import HeadersType
from confluent_kafka.admin import AdminClient

from pipeline.domain.errors import ConfigError
from pipeline.kafka.clients import Extra, admin_config, reader_config
from pipeline.kafka.clock import simulated
from pipeline.kafka.ends import begin_offsets, end_offsets
from pipeline.stages.effects import Headers, Message

CHUNK = 10_000


def received(message: KafkaMessage) -> Message:
    """A record as stages see it; where time is simulated, appended at the simulated time."""
    headers = message.headers()
    return Message(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        simulated(message.timestamp()[1]),
        message.key(),
        message.value(),
        _headers(headers) if headers else (),
    )


def _headers(headers: HeadersType) -> Headers:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, _bytes(content)) for name, content in pairs)


def _bytes(content: str | bytes | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""


def partitions_of(admin: AdminClient, topic: str) -> int:
    """Number of partitions. Raises ConfigError for an unknown topic."""
    found = admin.list_topics(topic, timeout=10).topics[topic]
    if found.error is not None or not found.partitions:
        raise ConfigError(f"topic {topic} cannot be read: {found.error or 'no partitions'}")
    return len(found.partitions)


class CommittedLog:
    """Partitions of one topic, from their beginnings; `from_end`: from their ends as of now, so that only news is read.

    `reached_end` turns true once every record that was committed, *or in an open transaction*, when this object was made
    has been read or its transaction has ended: the end is the high watermark, not the last stable offset.
    Raises ConfigError for an unknown topic, KafkaException for what brokers refuse.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        partitions: Iterable[int] | None = None,
        extra: Extra | None = None,
        *,
        from_end: bool = False,
    ) -> None:
        admin = AdminClient(admin_config(bootstrap, extra))
        numbers = range(partitions_of(admin, topic)) if partitions is None else partitions
        places = [(topic, number) for number in numbers]
        ends = end_offsets(admin, places)
        begins = ends if from_end else begin_offsets(admin, places)
        self._missing = {place[1]: end for place, end in ends.items() if end > begins[place]}
        self._consumer = Consumer(reader_config(bootstrap, extra))
        self._consumer.assign([TopicPartition(*place, begin) for place, begin in begins.items()])

    @property
    def reached_end(self) -> bool:
        """Whether all partitions have been read to where they ended when this object was made."""
        return not self._missing

    def poll(self, timeout: float) -> list[Message]:
        """What has come, in order by partition; waits `timeout` seconds for the first."""
        first = self._consumer.poll(timeout)
        if first is None:
            self._strike_off({})
            return []
        events = chain((first,), self._consumer.consume(CHUNK, 0))
        messages, ends = [], {}
        for event in events:
            error = event.error()
            if error is None:
                messages.append(received(event))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name for it
                ends[event.partition() or 0] = event.offset() or 0
            else:
                raise KafkaException(error)
        self._strike_off(ends)
        return messages

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _strike_off(self, ends: dict[int, int]) -> None:
        """Positions pass transaction markers; the end event also passes what compaction has removed."""
        if not self._missing:
            return
        for place in self._consumer.position(self._consumer.assignment()):
            reached = max(place.offset, ends.get(place.partition, -1))
            if place.partition in self._missing and reached >= self._missing[place.partition]:
                del self._missing[place.partition]
