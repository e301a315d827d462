"""A calendar for demonstrations: real time until `start`, then days pass when it is told to.

Processes that were started with `environment()` go by it, and so does the one that started it (`pipeline.kafka.clock`).
Nothing else changes: the same processors, deadlines and signatures as on a real day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.crypto.keystore import write_durably
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import LOOK_EVERY, VARIABLE, Step, follow, mapped, read_steps

DAY = 24 * 3600 * 1000
FARTHEST = 26 * DAY
"""How far (ms) simulated time may be ahead of real time. Signers keep real time: they state seal keys for 30 days and
renew them 3 days before their end, so those in force last so long on any calendar."""
LEAD = 2 * LOOK_EVERY
"""How long (s) before it counts a step is in the file: every process knows it by then, and none ever maps an instant twice
in two ways."""


def _real() -> int:
    return time.time_ns() // 1_000_000


class SimulatedCalendar:
    """Writes the steps of `file`. `real` gives ms, `sleep` takes s."""

    def __init__(
        self, file: Path, *, real: Callable[[], int] = _real, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.file = file.resolve()
        self._real = real
        self._sleep = sleep

    def environment(self) -> dict[str, str]:
        """What processes are started with so that they go by this calendar."""
        return {VARIABLE: str(self.file)}

    def start(self) -> int:
        """Begin with today, before any process is started; this process goes by the calendar from now on. Returns now (ms).

        The file must not be there yet: another story's days are over.
        """
        if self.file.exists():
            raise ConfigError(f"{self.file} is there already: a simulated calendar begins once")
        now = self._real()
        self._write([(now, now)])
        follow(self.file)
        return now

    def now(self) -> int:
        """The simulated instant (ms)."""
        return mapped(read_steps(self.file), self._real())

    def jump_to(self, at: int) -> None:
        """Let it be the instant `at` (ms), for everybody, when this returns.

        Raises ConfigError for an instant that has passed, or lies further ahead of real time than `FARTHEST`.
        """
        steps, since = read_steps(self.file), self._real() + round(LEAD * 1000)
        if at < mapped(steps, since):
            raise ConfigError(f"a calendar does not go back: it is {mapped(steps, since)}, not {at}")
        if at > since + FARTHEST:
            raise ConfigError(f"a simulated calendar is at most {FARTHEST // DAY} days ahead of the real one")
        self._write([*steps, (since, at)])
        while (left := since - self._real()) >= 0:
            self._sleep(left / 1000 + 0.001)

    def _write(self, steps: list[Step]) -> None:
        write_durably(self.file, "".join(f"{real} {then}\n" for real, then in steps).encode())
