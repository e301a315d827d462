"""Percentiles of durations in bounded memory: counts in buckets whose bounds grow by 2 %.

A percentile is that of the exact nearest rank, told with an error of at most 1 % of its value: every duration stands for the
middle of its bucket. Sketches add up, in any order, to the sketch of all their durations (DDSketch, Masson et al. 2019). From
1 ms to a year there are about 1,200 buckets, and those that are empty take no memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import ceil, exp, log
from typing import Final

ERROR: Final = 0.01
"""Relative error of a percentile at most."""
_GAMMA: Final = log((1 + ERROR) / (1 - ERROR))
_NOTHING: Final = -1
"""Bucket of durations under a millisecond, or less than none where two clocks differ: they count as 0."""


class Sketch:
    """Durations in ms, counted."""

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0

    def add(self, duration: int) -> None:
        """Count a duration (ms)."""
        self._buckets[_NOTHING if duration < 1 else ceil(log(duration) / _GAMMA)] += 1
        self.count += 1

    def merge(self, other: Sketch) -> None:
        """Count what another has counted."""
        self._buckets.update(other._buckets)
        self.count += other.count

    def quantile(self, share: float) -> float | None:
        """The duration (s) that `share` (0 to 1) of all durations do not exceed; None when there are none."""
        if not self.count:
            return None
        rank = max(1, ceil(share * self.count))
        passed = 0
        for bucket in sorted(self._buckets):
            passed += self._buckets[bucket]
            if passed >= rank:
                return 0.0 if bucket == _NOTHING else _middle(bucket) / 1000
        raise AssertionError("the buckets hold what was counted")


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """One sketch of all."""
    together = Sketch()
    for sketch in sketches:
        together.merge(sketch)
    return together


def _middle(bucket: int) -> float:
    """The value from which both bounds of the bucket are as far away, relatively."""
    upper = exp(bucket * _GAMMA)
    return 2 * upper / (exp(_GAMMA) + 1)
