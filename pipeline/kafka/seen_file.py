"""The file in which a process keeps what it has seen of the reference topics: `reference.seen`."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pipeline.domain.errors import ConfigError
from pipeline.stages.anchor import Seen


class SeenFile:
    """Only ever gets newer, also when several processes write it. Not there: nothing was seen yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: Seen | None = None

    def read(self) -> Seen:
        """What was seen. Raises ConfigError when the file is there and cannot be read."""
        return Seen.from_json(self._path.read_text()) if self._path.exists() else Seen()

    def keep(self, seen: Seen) -> None:
        """Add `seen` to the file, whole or not at all. Raises ConfigError when it cannot be written."""
        if seen == self._written:
            return
        try:
            self._merge(seen)
        except OSError as error:
            raise ConfigError(f"{self._path} is not written: {error.strerror}") from error
        self._written = seen

    def _merge(self, seen: Seen) -> None:
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._replace(self.read().merged(seen).to_json())
        finally:
            os.close(lock)

    def _replace(self, text: str) -> None:
        draft = self._path.with_suffix(".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
