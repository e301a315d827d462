"""CPU time of this thread by step: other processes on the machine do not count."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by step, in the order in which the steps were first taken."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Add the block's CPU time to `step`."""
        started = time.thread_time()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.thread_time() - started

    def reset(self) -> None:
        """Forget what was timed: the warm-up."""
        self.seconds.clear()
