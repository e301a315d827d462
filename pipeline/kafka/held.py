"""Messages that were read and can wait (`stages.effects.Wary`): held back while the others' are worked on, never passed over.

No offset beyond a held message is committed, so whatever happens it is read again. What is held is bounded; what there is no
room for stays on the brokers (`gaps`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from pipeline.kafka.attempts import Place
from pipeline.stages.effects import Message

MOST = 20_000
"""Messages held at most: those that one process checks in a few seconds."""
MOST_BYTES = 64 * 1024 * 1024


class Held:
    """What one worker holds back, by partition and there in the order of the log."""

    def __init__(self) -> None:
        self._queues: dict[Place, deque[Message]] = {}
        self._count = self._bytes = 0

    def __len__(self) -> int:
        return self._count

    def is_full(self) -> bool:
        """Whether there is no room for another."""
        return self._count >= MOST or self._bytes >= MOST_BYTES

    def has_room(self) -> bool:
        """Whether at least half is free: time to read what was left on the brokers."""
        return self._count <= MOST // 2 and self._bytes <= MOST_BYTES // 2

    def put(self, messages: Iterable[Message]) -> None:
        """Hold these back, behind what is held of their partitions."""
        for message in messages:
            self._queues.setdefault((message.topic, message.partition), deque()).append(message)
            self._count += 1
            self._bytes += len(message.value or b"")

    def take(self, most: int) -> list[Message]:
        """At most `most` messages, the oldest of each partition, to be worked on now."""
        share = -(-most // max(1, len(self._queues)))
        taken: list[Message] = []
        for queue in self._queues.values():
            taken += [queue.popleft() for _ in range(min(share, len(queue), most - len(taken)))]
        self._count -= len(taken)
        self._bytes -= sum(len(message.value or b"") for message in taken)
        self._queues = {place: queue for place, queue in self._queues.items() if queue}
        return taken

    def oldest(self) -> list[Message]:
        """The first held message of each partition."""
        return [queue[0] for queue in self._queues.values()]

    def limit(self, offsets: Mapping[Place, int]) -> dict[Place, int]:
        """`offsets`, none of them beyond a held message."""
        first = {place: queue[0].offset for place, queue in self._queues.items()}
        return {place: min(offset, first.get(place, offset)) for place, offset in offsets.items()}

    def drop(self, place: Place) -> None:
        """The partition is another's."""
        gone: Sequence[Message] = self._queues.pop(place, ())
        self._count -= len(gone)
        self._bytes -= sum(len(message.value or b"") for message in gone)

    def clear(self) -> None:
        """Everything will be read again."""
        self._queues.clear()
        self._count = self._bytes = 0
