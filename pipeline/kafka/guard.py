"""Runs one command and sees to it that it does not outlive the process that asked for it, SIGKILL included.

Started by path, in isolation, as a process of its own: `python -I guard.py PARENT COMMAND…`. It watches the *process*
PARENT through a pidfd; PR_SET_PDEATHSIG alone would fire when the *thread* that started the command ends. Should the
guard itself be killed, PDEATHSIG (the guard has one thread only) takes the command along. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
PATIENCE = 15_000
"""ms a command gets to end cleanly before it is killed."""


def die_with_guard() -> None:
    """In the child, before exec: be killed when the guard's only thread ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ended(handle: int, timeout: int | None) -> bool:
    """Whether the process behind a pidfd has ended within `timeout` ms (None: wait for it)."""
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(timeout))


def guard(parent: int, command: list[str]) -> int:
    """Run `command` until it ends, `parent` ends or SIGTERM arrives; its exit code (negative: a signal's number)."""
    stop_read, stop_write = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(stop_write, b"."))
    child = subprocess.Popen(command, preexec_fn=die_with_guard)
    child_handle = os.pidfd_open(child.pid)
    poller = select.poll()
    poller.register(stop_read, select.POLLIN)
    poller.register(child_handle, select.POLLIN)
    try:
        poller.register(os.pidfd_open(parent), select.POLLIN)
        orphaned = os.getppid() != parent
    except ProcessLookupError:
        orphaned = True
    if not orphaned:
        poller.poll()
    child.send_signal(signal.SIGTERM)  # does nothing when it has ended already
    if not ended(child_handle, PATIENCE):
        child.kill()
    return child.wait()


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]) & 0xFF)
