"""Processes that one command starts, watches and stops: none outlives it, SIGKILL included."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pipeline.cli.output import remark

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

    def __init__(self, name: str, arguments: Sequence[str], log: Path | None) -> None:
        self.name = name
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
                self._arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_die_with_parent
            )
        finally:
            if out is not None:
                out.close()

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


class Crew:
    """A set of processes. `log` is the folder of their logs; None: they write to this command's stderr and stdout."""

    def __init__(self, log: Path | None = None) -> None:
        self.members: dict[str, Member] = {}
        self._log = log

    def start(self, name: str, *arguments: str) -> None:
        """Start `hedx <arguments>` under `name`."""
        if self._log is not None:
            self._log.mkdir(parents=True, exist_ok=True)
        log = None if self._log is None else self._log / f"{name}.log"
        self.members[name] = Member(name, arguments, log)

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
