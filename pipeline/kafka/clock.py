"""The time, for those who are not handed another."""

from __future__ import annotations

from time import time


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return int(time() * 1000)
