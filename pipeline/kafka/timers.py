"""Which timers are set, by partition: a heap with lazy deletion beside the set of those alive."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush

from pipeline.stages.effects import timer_due


class Timers:
    """Timer keys by partition. Their bytes sort by due time, so the heap needs no other order."""

    def __init__(self) -> None:
        self._alive: defaultdict[int, set[bytes]] = defaultdict(set)
        self._heaps: defaultdict[int, list[bytes]] = defaultdict(list)

    def put(self, partition: int, key: bytes, alive: bool) -> None:
        """Set or clear the timer `key`. O(log n)."""
        if not alive:
            self._alive[partition].discard(key)
        elif key not in self._alive[partition]:
            self._alive[partition].add(key)
            heappush(self._heaps[partition], key)

    def due(self, partition: int, now: int, limit: int) -> list[bytes]:
        """At most `limit` timers due at or before `now` (ms), earliest first. O(k log n) for k found or cleared."""
        heap, alive = self._heaps[partition], self._alive[partition]
        found: list[bytes] = []
        while heap and len(found) < limit and timer_due(heap[0]) <= now:
            key = heappop(heap)
            twice = found and found[-1] == key  # cleared and set again before its first copy was met
            if key in alive and not twice:
                found.append(key)
        for key in found:  # they stay set until a committed change clears them
            heappush(heap, key)
        return found

    def drop(self, partition: int) -> None:
        """Forget the timers of `partition`."""
        self._alive.pop(partition, None)
        self._heaps.pop(partition, None)
