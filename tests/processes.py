"""Processes that a test starts, kills, freezes and starts again, each by its name; none outlives the test."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import psutil

from pipeline.cli.exits import Exit

ROOT = Path(__file__).resolve().parents[1]
PR_SET_PDEATHSIG = 1
PATIENCE = 30.0
"""Seconds a process gets to end after SIGTERM."""


def _die_with_parent() -> None:
    """In the child, before exec: no orphans when the tests themselves are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Processes:
    """Python modules run as processes, their output in `<logs>/<name>.log` (appended to over restarts)."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self.logs = logs
        self._environment = {**os.environ, **environment}
        self._commands: dict[str, list[str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, module: str, *arguments: str) -> None:
        """Start `python -m <module> <arguments>` under `name`."""
        self._commands[name] = [sys.executable, "-m", module, *arguments]
        self.restart(name)

    def restart(self, name: str) -> None:
        """Start `name` again as it was started before. It must not be running."""
        assert not self.is_running(name), f"{name} still runs"
        with (self.logs / f"{name}.log").open("ab") as out:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=_die_with_parent,
            )

    def names(self) -> list[str]:
        """Every process started so far, running or not."""
        return list(self._commands)

    def is_running(self, name: str) -> bool:
        """Whether `name` has been started and not ended; a frozen one runs."""
        return name in self._running and self._running[name].poll() is None

    def pid(self, name: str) -> int:
        """The process id of `name`, which runs."""
        assert self.is_running(name), f"{name} ended: {self.tail(name)}"
        return self._running[name].pid

    def is_frozen(self, name: str) -> bool:
        """Whether `name` has been stopped by SIGSTOP, whoever sent it."""
        return self.is_running(name) and psutil.Process(self._running[name].pid).status() == psutil.STATUS_STOPPED

    def kill(self, name: str) -> None:
        """SIGKILL, now."""
        self._running[name].kill()
        self._running[name].wait(PATIENCE)

    def stop(self, *names: str) -> None:
        """SIGTERM to all of `names`, once they listen to it; each must end by itself, cleanly."""
        for name in names:
            wait_until(f"{name} started", partial(self._listens, name), PATIENCE)
            self._running[name].terminate()
        for name in names:
            code = self.wait(name)  # ENDED: it had not begun to work yet
            assert code in (Exit.FINE, Exit.ENDED), f"{name} ended with {code}: {self.tail(name)}"

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._running[name].send_signal(signal.SIGCONT)

    def wait(self, name: str, seconds: float = PATIENCE) -> int:
        """The exit code of `name`, which must end within `seconds`; negative: minus a signal's number."""
        return self._running[name].wait(seconds)

    def tail(self, name: str, characters: int = 2000) -> str:
        """The end of the log of `name`."""
        return (self.logs / f"{name}.log").read_text(errors="replace")[-characters:]

    def _listens(self, name: str) -> bool:
        """Whether the process has come so far that it handles SIGTERM: Linux lists the signals a process catches."""
        assert self.is_running(name), f"{name} ended: {self.tail(name)}"
        status = Path(f"/proc/{self._running[name].pid}/status").read_text()
        [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")]
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def close(self) -> None:
        """End all of them, by their ids, whatever state they are in."""
        running = [process for process in self._running.values() if process.poll() is None]
        for process in running:
            process.terminate()
            process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + PATIENCE
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(what: str, condition: Callable[[], bool], seconds: float, *, pause: float = 0.05) -> None:
    """Poll `condition`; fails, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(pause)
