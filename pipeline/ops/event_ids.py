"""Which events were counted already: their ids in little memory, forgotten with the oldest of their time.

An id is kept as 64 bits of its hash, so that of 100 million events one is taken for another's copy with a probability of
1 in 4,000. New ones are in a set, the others in sorted arrays of up to a million: 8 bytes an event.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from hashlib import blake2b

FRESH = 1 << 16
"""Ids in the set before they are sorted into an array."""
FULL = 1 << 20
"""Ids in an array before another begins."""


@dataclass(slots=True)
class _Sorted:
    ids: array[int] = field(default_factory=lambda: array("Q"))
    newest: int = 0
    """Time (ms) of the newest event in it."""


class EventIds:
    """A set of event ids that can forget old ones."""

    def __init__(self, fresh: int = FRESH, full: int = FULL) -> None:
        self._fresh: set[int] = set()
        self._newest = 0
        self._arrays: list[_Sorted] = []
        self._most_fresh, self._full = fresh, full

    def __len__(self) -> int:
        return len(self._fresh) + sum(len(each.ids) for each in self._arrays)

    def add(self, event_id: str, at: int) -> bool:
        """Remember the id of an event of `at` (ms); False when it is known already."""
        number = int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "big")
        if number in self._fresh or any(_has(each.ids, number) for each in reversed(self._arrays)):
            return False
        self._fresh.add(number)
        self._newest = max(self._newest, at)
        if len(self._fresh) >= self._most_fresh:
            self._sort()
        return True

    def forget(self, before: int) -> None:
        """Forget arrays that hold nothing newer than `before` (ms)."""
        self._arrays = [each for each in self._arrays if each.newest >= before]

    def _sort(self) -> None:
        if not self._arrays or len(self._arrays[-1].ids) >= self._full:
            self._arrays.append(_Sorted())
        last = self._arrays[-1]
        last.ids = array("Q", sorted([*last.ids, *self._fresh]))
        last.newest = max(last.newest, self._newest)
        self._fresh, self._newest = set(), 0


def _has(ids: array[int], number: int) -> bool:
    place = bisect_left(ids, number)
    return place < len(ids) and ids[place] == number
