"""Committed state of the owned partitions: in a dict where it is small, in RocksDB where it is not.

A store never holds anything that is not in the changelog, and never outlives its process: the worker applies changes
after their transaction is committed, and fills a partition from the changelog whenever it is assigned.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from pipeline.domain.errors import ConfigError
from pipeline.kafka.timers import Timers
from pipeline.stages.effects import TIMER, State

Changes = Mapping[tuple[int, bytes], bytes | None]


class Size(NamedTuple):
    """How much a store holds: entries, and bytes of keys and values together."""

    entries: int
    bytes: int


class Store(State, Protocol):
    """A `State` that its worker can also write."""

    def apply(self, changes: Changes) -> None:
        """Set (or, for None, delete) entries by (partition, key). Only after their transaction is committed."""

    def load(self, partition: int, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Apply a stretch of the changelog of `partition`, in order; None deletes."""

    def drop(self, partition: int) -> None:
        """Forget `partition` entirely."""

    def size(self) -> Size:
        """How much there is. May be asked for from any thread; it is as true as a moment is."""

    def close(self) -> None:
        """Give up files and memory."""


class DictStore:
    """State in memory. `scan` looks at every key of the partition; everything else is O(1) or a heap's O(log n)."""

    def __init__(self) -> None:
        self._partitions: dict[int, dict[bytes, bytes]] = {}
        self._bytes: dict[int, int] = {}
        self._timers = Timers()

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value at `key`, or None."""
        entries = self._partitions.get(partition)
        return None if entries is None else entries.get(key)

    def due(self, partition: int, now: int, limit: int) -> Sequence[bytes]:
        """At most `limit` timer keys of `partition` due at or before `now` (ms), earliest first."""
        return self._timers.due(partition, now, limit)

    def scan(self, partition: int, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All entries of `partition` whose key starts with `prefix`, by key."""
        entries = self._partitions.get(partition, {})
        return iter(sorted(item for item in entries.items() if item[0].startswith(prefix)))

    def apply(self, changes: Changes) -> None:
        """Set or delete entries by (partition, key)."""
        for (partition, key), value in changes.items():
            self._set(partition, key, value)

    def load(self, partition: int, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Apply a stretch of the changelog of `partition`, in order."""
        for key, value in items:
            self._set(partition, key, value)

    def drop(self, partition: int) -> None:
        """Forget `partition` entirely."""
        self._partitions.pop(partition, None)
        self._bytes.pop(partition, None)
        self._timers.drop(partition)

    def size(self) -> Size:
        """Counted as entries come and go."""
        return Size(sum(map(len, list(self._partitions.values()))), sum(list(self._bytes.values())))

    def close(self) -> None:
        """Forget everything."""
        for partition in list(self._partitions):
            self.drop(partition)

    def _set(self, partition: int, key: bytes, value: bytes | None) -> None:
        entries = self._partitions.setdefault(partition, {})
        before = entries.get(key)
        grown = 0 if before is None else -len(key) - len(before)
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value
            grown += len(key) + len(value)
        self._bytes[partition] = self._bytes.get(partition, 0) + grown
        if key.startswith(TIMER):
            self._timers.put(partition, key, value is not None)


class RocksStore:
    """State on disk, under `directory`, which is emptied first.

    Emptied, because only the changelog is exact: a crash may fall between a commit and its apply, files may be ahead of
    or behind the changelog by an unknown distance, and another process may have owned the partition meanwhile. So
    RocksDB serves as memory that may be larger than memory, without a write-ahead log. Timer keys are also kept in
    memory. Raises ConfigError when the disk fails: that must never be taken for a message's fault.
    """

    def __init__(self, directory: Path) -> None:
        with _disk(directory):
            if directory.exists():
                shutil.rmtree(directory)
            directory.parent.mkdir(parents=True, exist_ok=True)
            self._rocks = Rdict(str(directory), Options(raw_mode=True))
            self._is_open = True
        self._directory = directory
        self._options = WriteOptions()
        self._options.disable_wal = True  # type: ignore[method-assign,assignment]  # a property, whatever its stub says
        self._rocks.set_write_options(self._options)
        self._timers = Timers()

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value at `key`, or None."""
        with _disk(self._directory):
            value: bytes | None = self._rocks.get(_prefix(partition) + key)
        return value

    def due(self, partition: int, now: int, limit: int) -> Sequence[bytes]:
        """At most `limit` timer keys of `partition` due at or before `now` (ms), earliest first."""
        return self._timers.due(partition, now, limit)

    def scan(self, partition: int, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All entries of `partition` whose key starts with `prefix`, by key."""
        start = _prefix(partition) + prefix
        with _disk(self._directory):
            for key, value in self._rocks.items(from_key=start):
                if not isinstance(key, bytes) or not key.startswith(start):
                    return
                yield key[4:], value

    def apply(self, changes: Changes) -> None:
        """Set or delete entries by (partition, key), all or none."""
        self._write((partition, key, value) for (partition, key), value in changes.items())

    def load(self, partition: int, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Apply a stretch of the changelog of `partition`, in order."""
        self._write((partition, key, value) for key, value in items)

    def drop(self, partition: int) -> None:
        """Forget `partition` entirely."""
        with _disk(self._directory):
            self._rocks.delete_range(_prefix(partition), _prefix(partition + 1))
        self._timers.drop(partition)

    def size(self) -> Size:
        """RocksDB's own estimate: what was written over or deleted counts until it is compacted."""
        if not self._is_open:
            return Size(0, 0)
        with _disk(self._directory):
            numbers = [self._rocks.property_int_value(name) or 0 for name in _SIZES]
        return Size(numbers[0], sum(numbers[1:]))

    def close(self) -> None:
        """Close the database and delete its directory."""
        self._is_open = False
        with _disk(self._directory):
            self._rocks.close()
            shutil.rmtree(self._directory)

    def _write(self, entries: Iterable[tuple[int, bytes, bytes | None]]) -> None:
        batch = WriteBatch(raw_mode=True)
        for partition, key, value in entries:
            if value is None:
                batch.delete(_prefix(partition) + key)
            else:
                batch.put(_prefix(partition) + key, value)
            if key.startswith(TIMER):
                self._timers.put(partition, key, value is not None)
        with _disk(self._directory):
            self._rocks.write(batch, self._options)


_SIZES = "rocksdb.estimate-num-keys", "rocksdb.estimate-live-data-size", "rocksdb.cur-size-all-mem-tables"


def _prefix(partition: int) -> bytes:
    return partition.to_bytes(4, "big")


@contextmanager
def _disk(directory: Path) -> Iterator[None]:
    """The library raises bare `Exception`: say whose fault it is."""
    try:
        yield
    except Exception as failure:
        raise ConfigError(f"the state under {directory} cannot be used: {failure}") from failure
