"""Slots: each process of a stage has a number that no other has, and gets it back after a restart."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Self


@dataclass(slots=True)
class Slot:
    """One place among the workers of a stage; its number names the static group member and the transactional id.

    `Slot(n)` alone is for where something else keeps numbers apart, such as a StatefulSet's ordinals.
    """

    number: int = 0
    _lock: IO[bytes] | None = field(default=None, repr=False, compare=False)

    def release(self) -> None:
        """Give the slot up. The end of the process, however it comes, does the same."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire_slot(directory: Path, stage_name: str) -> Slot:
    """The lowest free slot of `stage_name` on this machine: a file lock under `directory`, held until released.

    A stopped (not ended) process keeps its slot, so nobody takes over its transactional id by mistake.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in count():
        lock = (directory / f"{stage_name}.{number}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return Slot(number, lock)
    raise AssertionError("unreachable")
