"""The time, for those who are not handed another; in demonstrations and rehearsals, a simulated one.

`HEDX_CLOCK` names a file of steps, each a line `real simulated` (ms since the epoch, both ascending): from its real
instant on, a step's simulated time counts, at the pace of real time. Before the first step time is real. The mapping is
strictly monotone and the same in every process, so the order of events stays what it was: only distances change. What
brokers have stamped (append times) goes through it as well, else no answer could be too late for a simulated deadline.

What it cannot move keeps real time: TLS, the brokers' retention, and signers, whose seal keys must not be destroyed because
a worker's environment says so.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic, time

from pipeline.domain.errors import ConfigError

VARIABLE = "HEDX_CLOCK"
LOOK_EVERY = 0.05
"""How often (s) the file is looked at, at most."""

log = logging.getLogger(__name__)

Step = tuple[int, int]
"""A real and a simulated instant (ms): from the one on, the other counts."""


def wall_clock() -> int:
    """Milliseconds since the epoch; simulated ones where `HEDX_CLOCK` is set."""
    return simulated(real_clock())


def real_clock() -> int:
    """Milliseconds since the epoch, never simulated ones: for what is told to tools outside, such as Prometheus."""
    return int(time() * 1000)


def simulated(real: int) -> int:
    """What an instant (ms) that somebody else's clock told, such as a broker's, counts as here."""
    simulation = _simulation()
    return real if simulation is None else simulation.at(real)


def follow(file: Path | None) -> None:
    """Go by `file` from now on, in this process and those it starts; None: by real time."""
    if file is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = str(file)
    _simulation.cache_clear()


class Simulation:
    """The steps of one file, looked at again when it changes. Safe to use from many threads. `clock`: s, monotonic.

    Raises ConfigError for a file that is not there, has a line that is no step, or goes back in time.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = monotonic) -> None:
        self._file = file
        self._clock = clock
        self._steps: list[Step] = []
        self._stamp: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self._look()

    def at(self, real: int) -> int:
        """The simulated instant (ms) at `real` (ms)."""
        if self._clock() >= self._next_look:
            self._look()
        return mapped(self._steps, real)

    def _look(self) -> None:
        self._next_look = self._clock() + LOOK_EVERY
        try:
            found = self._file.stat()
            stamp = found.st_ino, found.st_mtime_ns, found.st_size
            if stamp == self._stamp:
                return
            steps = read_steps(self._file)
        except OSError as error:
            raise ConfigError(f"{VARIABLE}={self._file} is not read: {error.strerror}") from error
        if steps[: len(self._steps)] != self._steps:
            raise ConfigError(f"{self._file}: steps that were taken are not there any more")
        self._steps, self._stamp = steps, stamp


def mapped(steps: list[Step], real: int) -> int:
    """`real` (ms) as `steps` have it. O(log n)."""
    number = bisect_right(steps, real, key=lambda step: step[0])
    if number == 0:
        return real
    since, then = steps[number - 1]
    return then + real - since


def read_steps(file: Path) -> list[Step]:
    """The steps of a file, checked. Raises ConfigError that names the line, OSError."""
    steps: list[Step] = []
    for number, line in enumerate(file.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        words = line.split()
        if len(words) != 2 or not all(word.isdecimal() for word in words):
            raise ConfigError(f"{file}:{number}: a step is two instants in ms: real, simulated")
        step = int(words[0]), int(words[1])
        if (steps and step[0] <= steps[-1][0]) or step[1] < mapped(steps, step[0]):
            raise ConfigError(f"{file}:{number}: time goes back")
        steps.append(step)
    return steps


@cache
def _simulation() -> Simulation | None:
    """The simulation that the environment asks for, if one; said once, since nothing it decides may be taken for real."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    log.warning("%s is set: time is simulated by %s", VARIABLE, name)
    return Simulation(Path(name))
