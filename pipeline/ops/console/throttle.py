"""How often somebody may try something: a bucket for each key, filled evenly."""

from __future__ import annotations

from dataclasses import dataclass

MOST_KEYS = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: int


class Throttle:
    """`burst` tries at once, then one every `every_ms`."""

    def __init__(self, burst: int, every_ms: int) -> None:
        self._burst = burst
        self._every = every_ms
        self._buckets: dict[str, _Bucket] = {}

    def wait(self, key: str, now: int) -> int:
        """0 when `key` may try (and has), else how many ms it has to wait. `now`: ms."""
        if len(self._buckets) >= MOST_KEYS:
            self._buckets = {name: one for name, one in self._buckets.items() if self._filled(one, now) < self._burst}
        bucket = self._buckets.setdefault(key, _Bucket(float(self._burst), now))
        bucket.left, bucket.at = self._filled(bucket, now), now
        if bucket.left < 1:
            return max(1, round((1 - bucket.left) * self._every))
        bucket.left -= 1
        return 0

    def _filled(self, bucket: _Bucket, now: int) -> float:
        return min(float(self._burst), bucket.left + max(0, now - bucket.at) / self._every)
