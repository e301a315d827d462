"""Processes that one command starts, watches and stops: none outlives it, SIGKILL included."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pipeline.center.installation import Installation
from pipeline.cli.output import remark
from pipeline.ops.exposing import exposed
from pipeline.ops.listening import Address
from pipeline.ops.targets import VARIABLE, address_wanted

PR_SET_PDEATHSIG = 1
PATIENCE = 15.0
"""Seconds a process gets to finish its transaction before it is killed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
CALM = 60.0
"""Seconds after which a restarted process counts as well again."""


def _die_with_parent() -> None:
    """In the child, before exec. Start children from the main thread: the signal comes when that *thread* ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Member:
    """One process, started again when it ends without being asked to."""

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path | None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._environment = {**os.environ, **(environment or {})}
        self.restarts = 0
        self._arguments = [sys.executable, "-m", "pipeline.cli.main", *arguments]
        self._log = log
        self._pause = FIRST_PAUSE
        self._due = 0.0
        self._started = 0.0
        self.process: subprocess.Popen[bytes] = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._started = time.monotonic()
        out: IO[bytes] | None = None if self._log is None else self._log.open("ab")
        try:
            return subprocess.Popen(
                self._arguments,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=_die_with_parent,
            )
        finally:
            if out is not None:
                out.close()

    @property
    def is_running(self) -> bool:
        """Whether it ran when it was looked after last."""
        return self.process.returncode is None

    def tend(self) -> None:
        """Start the process again, after a growing pause, when it has ended."""
        code = self.process.poll()
        if code is None:
            return
        now = time.monotonic()
        if self._due == 0.0:
            self._pause = FIRST_PAUSE if now - self._started > CALM else min(self._pause * 2, LONGEST_PAUSE)
            self._due = now + self._pause
            remark(f"{self.name} ended with {code}; starts again in {self._pause:.1f} s")
        elif now >= self._due:
            self._due = 0.0
            self.restarts += 1
            self.process = self._start()


@contextmanager
def crew_figures(process: str, installation: Installation, crew: Crew) -> Iterator[None]:
    """While the block runs, tell Prometheus under the name `process` how the crew's members are, where that is wanted."""
    with exposed(process, installation) as registry:
        if registry is not None:
            from pipeline.ops.metrics_crew import crew_metrics

            crew_metrics(registry, lambda: crew.members)
        yield


class Crew:
    """A set of processes. `log` is the folder of their logs; None: they write to this command's stderr and stdout.

    With `HEDX_METRICS` each gives its figures at an address of its own: the ports after the one named there, in the order in
    which they were started, or any free ones (port 0).
    """

    def __init__(self, log: Path | None = None) -> None:
        self.members: dict[str, Member] = {}
        self._log = log
        self._figures = address_wanted()
        self._numbers: dict[str, int] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start `hedx <arguments>` under `name`."""
        if self._log is not None:
            self._log.mkdir(parents=True, exist_ok=True)
        log = None if self._log is None else self._log / f"{name}.log"
        self.members[name] = Member(name, arguments, log, self._environment(name))

    def _environment(self, name: str) -> dict[str, str]:
        """What the process gets beside this one's environment; the same again when it is started again."""
        if self._figures is None:
            return {}
        number = self._numbers.setdefault(name, len(self._numbers) + 1)
        host, port = self._figures.host, self._figures.port
        return {VARIABLE: str(Address(host, port + number if port else 0))}

    def tend(self) -> None:
        """Look after all of them once."""
        for member in self.members.values():
            member.tend()

    def end(self, name: str) -> None:
        """Ask one to finish, kill it when it does not, and look after it no more. `start` starts it again."""
        _end([self.members.pop(name).process])

    def stop(self) -> None:
        """Ask all to finish; kill what does not."""
        _end([member.process for member in self.members.values()])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
