"""What a process does before it reads the first key: no core dump, no debugger, no file for others, no swap."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG, _PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 3, 4, 38
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CAP_IPC_LOCK = 14

_libc = ctypes.CDLL(None, use_errno=True)


def harden() -> bool:
    """Protect this process's memory; tells whether it is also locked out of swap.

    `PR_SET_DUMPABLE` 0 means that no process of the same user can attach to it or read /proc/<pid>/mem (prctl(2),
    ptrace(2)). Raises OSError when the kernel refuses that, or the core limit.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return may_lock() and _libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0


def end_with_parent() -> None:
    """Be killed when the thread that started this process ends. One that is gone already has closed its socket."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def is_dumpable() -> bool:
    """Whether a core dump or a debugger of the same user would get at this process's memory."""
    return bool(_prctl(_PR_GET_DUMPABLE, 0))


def core_limit() -> int:
    """The largest core dump in bytes that this process may leave."""
    return resource.getrlimit(resource.RLIMIT_CORE)[1]


def _prctl(option: int, argument: int) -> int:
    result: int = _libc.prctl(option, argument, 0, 0, 0)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
    return result


def may_lock() -> bool:
    """Whether locking can never run out: under a limit, some later allocation would fail instead."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return True
    with open("/proc/self/status", "rb") as status:
        effective = next((int(line.split()[1], 16) for line in status if line.startswith(b"CapEff:")), 0)
    return bool(effective >> _CAP_IPC_LOCK & 1)
