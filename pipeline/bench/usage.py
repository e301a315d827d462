"""What processes have used: CPU time and the most memory they ever held."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU in seconds, user and system together; memory in bytes, the peak of the process's whole life."""

    cpu: float
    peak: int


def usage_of(pids: Mapping[str, int]) -> dict[str, Usage]:
    """What each named process, with its signer, has used up to now. Raises psutil.NoSuchProcess for one that ended."""
    found = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        found[name] = Usage(sum(map(_cpu, family)), sum(map(_peak, family)))
    return found


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _peak(process: psutil.Process) -> int:
    """VmHWM where the kernel keeps it (Linux), else what is resident now."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return int(process.memory_info().rss)
    high = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(high[1]) * 1024 if high else int(process.memory_info().rss)
