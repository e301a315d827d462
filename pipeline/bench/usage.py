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
    """What each named process has used up to now. Raises psutil.NoSuchProcess for one that ended."""
    found = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        times = process.cpu_times()
        found[name] = Usage(times.user + times.system, _peak(process))
    return found


def _peak(process: psutil.Process) -> int:
    """VmHWM where the kernel keeps it (Linux), else what is resident now."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return int(process.memory_info().rss)
    high = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(high[1]) * 1024 if high else int(process.memory_info().rss)
