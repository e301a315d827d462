"""What a worker had no room to hold back: it stays on the brokers, and is read a second time once there is room again.

Of each partition one stretch of the log, from the first message that was left there to the last. A consumer of its own reads it,
so that the worker's goes on at the end of the log, where the messages are that do not wait. Those of the stretch that were
worked on the first time are left out the second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.kafka.attempts import Place
from pipeline.kafka.clients import Extra, reader_config
from pipeline.kafka.tailing import received
from pipeline.stages.effects import Message


@dataclass(slots=True, eq=False)
class _Gap:
    """Offsets `start` to `end` (exclusive) are still to be read, but for those `done`. `first` came first of them."""

    first: Message
    start: int
    end: int
    done: set[int] = field(default_factory=set)


class Gaps:
    """The stretches of one worker's partitions. Connects when there is something to read."""

    def __init__(self, bootstrap: str, extra: Extra | None = None) -> None:
        self._bootstrap = bootstrap
        self._extra = extra
        self._gaps: dict[Place, _Gap] = {}
        self._consumer: Consumer | None = None
        self._assigned: dict[Place, _Gap] = {}

    def __bool__(self) -> bool:
        return bool(self._gaps)

    def __contains__(self, place: Place) -> bool:
        return place in self._gaps

    def leave(self, message: Message) -> None:
        """Leave this message on the brokers; it is the newest of its partition."""
        place, following = (message.topic, message.partition), message.offset + 1
        gap = self._gaps.setdefault(place, _Gap(message, message.offset, following))
        gap.end = following

    def worked_on(self, messages: Iterable[Message]) -> None:
        """These are worked on now: should they lie in a gap, they are not to be read again."""
        for message in messages:
            gap = self._gaps.get((message.topic, message.partition))
            if gap is not None:
                gap.done.add(message.offset)

    def oldest(self) -> list[Message]:
        """A message of each gap no newer than what is still to be read of it."""
        return [gap.first for gap in self._gaps.values()]

    def limit(self, offsets: Mapping[Place, int]) -> dict[Place, int]:
        """`offsets`, none of them beyond what is still to be read."""
        starts = {place: gap.start for place, gap in self._gaps.items()}
        return {place: min(offset, starts.get(place, offset)) for place, offset in offsets.items()}

    def read(self, most: int) -> list[Message]:
        """At most `most` messages of the gaps, without waiting; may well be none. Raises KafkaException."""
        found: list[Message] = []
        for event in self._reader().consume(most, 0):
            place, offset = (event.topic() or "", event.partition() or 0), event.offset() or 0
            error, gap = event.error(), self._gaps.get(place)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                raise KafkaException(error)
            if gap is None or offset < gap.start:
                continue
            if error is None and offset < gap.end:
                gap.start = offset + 1
                if offset not in gap.done:
                    found.append(received(event))
                gap.done.discard(offset)
            if (
                gap.start >= gap.end or offset >= gap.end
            ):  # beyond the end where retention has taken away what was in it
                del self._gaps[place]
        return found

    def drop(self, place: Place) -> None:
        """The partition is another's."""
        self._gaps.pop(place, None)

    def clear(self) -> None:
        """Everything will be read again."""
        self._gaps.clear()

    def close(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _reader(self) -> Consumer:
        """The consumer, assigned what there is to read and nothing else."""
        if self._consumer is None:
            self._consumer = Consumer(reader_config(self._bootstrap, self._extra))
        gone = [place for place, gap in self._assigned.items() if self._gaps.get(place) is not gap]
        new = [place for place, gap in self._gaps.items() if self._assigned.get(place) is not gap]
        if gone:
            self._consumer.incremental_unassign([TopicPartition(*place) for place in gone])
        if new:
            self._consumer.incremental_assign([TopicPartition(*place, self._gaps[place].start) for place in new])
        self._assigned = dict(self._gaps)
        return self._consumer
