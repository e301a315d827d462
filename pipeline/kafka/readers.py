"""Compacted topics as tables (catalog, trust): the last value of each key, known to be complete before it is used."""

from __future__ import annotations

from time import monotonic
from types import TracebackType
from typing import Self

from pipeline.domain.errors import Retryable
from pipeline.kafka.clients import Extra
from pipeline.kafka.tailing import CommittedLog
from pipeline.stages.effects import Message


class LiveTable:
    """The table of a topic, kept up by `poll`; without `keep` only what `poll` gives, and `rows` stays empty.

    `ready` turns true once everything in the topic when this object was made has been read (open transactions of that
    moment included, once they end), and stays so. Raises ConfigError for an unknown topic.
    """

    def __init__(self, bootstrap: str, topic: str, *, keep: bool = True, extra: Extra | None = None) -> None:
        self.topic = topic
        self._keep = keep
        self.rows: dict[bytes, bytes] = {}
        self._log = CommittedLog(bootstrap, topic, extra=extra)

    @property
    def ready(self) -> bool:
        """Whether `rows` is at least as new as this object."""
        return self._log.reached_end

    def poll(self, timeout: float = 0.0) -> list[Message]:
        """Take in what has been written since; returns it (value None: a deleted key). Waits `timeout` s if nothing."""
        changes = self._log.poll(timeout)
        for change in changes if self._keep else ():
            if change.value is None:
                self.rows.pop(change.key or b"", None)
            else:
                self.rows[change.key or b""] = change.value
        return changes

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Read until `ready`. Raises Retryable when that takes longer than `seconds`."""
        deadline = monotonic() + seconds
        while not self.ready:
            if monotonic() > deadline:
                raise Retryable(f"{self.topic} could not be read to its end within {seconds:g} s")
            self.poll(0.1)

    def close(self) -> None:
        """Let go of the connection."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_table(bootstrap: str, topic: str, *, seconds: float = 30.0, extra: Extra | None = None) -> dict[bytes, bytes]:
    """The whole table of `topic` as of now. Raises ConfigError (unknown topic) and Retryable (not within `seconds`)."""
    with LiveTable(bootstrap, topic, extra=extra) as table:
        table.wait_ready(seconds)
        return table.rows
