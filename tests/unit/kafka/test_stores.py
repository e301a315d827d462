"""Stores behave like a plain dictionary per partition, whichever kind, whatever the order of events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import ConfigError
from pipeline.kafka.stores import DictStore, RocksStore, Store
from pipeline.stages.effects import TIMER, timer_due, timer_key, timer_subject

PARTITIONS = st.integers(0, 2)
KEYS = st.sampled_from(
    [b"", b"a", b"ab", b"b", b"\xff\xff", *(timer_key(due, who) for due in (1, 2, 300) for who in (b"x", b"y"))]
)
VALUES = st.one_of(st.none(), st.binary(max_size=3))
APPLY = st.tuples(st.just("apply"), st.dictionaries(st.tuples(PARTITIONS, KEYS), VALUES, max_size=6))
LOAD = st.tuples(st.just("load"), PARTITIONS, st.lists(st.tuples(KEYS, VALUES), max_size=6))
DROP = st.tuples(st.just("drop"), PARTITIONS)
DUE = st.tuples(st.just("due"), PARTITIONS, st.sampled_from([0, 1, 2, 299, 300]), st.integers(1, 4))
ACTIONS = st.lists(st.one_of(APPLY, LOAD, DROP, DUE), max_size=20)

Model = dict[int, dict[bytes, bytes]]


def rocks() -> Store:
    return RocksStore(Path(tempfile.mkdtemp()) / "state")


@pytest.mark.parametrize("make", [DictStore, rocks], ids=["dict", "rocks"])
@settings(max_examples=40, deadline=None)
@given(actions=ACTIONS)
def test_a_store_is_a_dictionary_per_partition(make: Callable[[], Store], actions: list[tuple[Any, ...]]) -> None:
    """After any changes, loads and drops, reads, scans and due timers are what a dictionary would give."""
    store, model = make(), Model()
    for action, *rest in actions:
        if action == "due":
            partition, now, limit = rest
            assert store.due(partition, now, limit) == due(model, partition, now, limit)
        else:
            getattr(store, action)(*rest)
            record(model, action, *rest)
    for partition in range(3):
        entries = model.get(partition, {})
        assert list(store.scan(partition, b"")) == sorted(entries.items())
        assert list(store.scan(partition, b"a")) == sorted(i for i in entries.items() if i[0].startswith(b"a"))
        assert store.due(partition, 10_000, 99) == due(model, partition, 10_000, 99)
        assert all(store.get(partition, key) == value for key, value in entries.items())
        assert store.get(partition, b"never set") is None
    if isinstance(store, DictStore):
        pairs = [item for entries in model.values() for item in entries.items()]
        assert store.size() == (len(pairs), sum(len(key) + len(value) for key, value in pairs))
    store.close()
    assert store.size() == (0, 0)


def record(model: Model, action: str, *rest: Any) -> None:
    """The same on the model."""
    if action == "drop":
        model.pop(rest[0], None)
        return
    if action == "apply":
        [changes] = rest
        entries = [(p, k, v) for (p, k), v in changes.items()]
    else:
        partition, items = rest
        entries = [(partition, k, v) for k, v in items]
    for partition, key, value in entries:
        if value is None:
            model.get(partition, {}).pop(key, None)
        else:
            model.setdefault(partition, {})[key] = value


def due(model: Model, partition: int, now: int, limit: int) -> list[bytes]:
    """Due timers by looking at every key."""
    keys = [key for key in model.get(partition, {}) if key.startswith(TIMER) and timer_due(key) <= now]
    return sorted(keys)[:limit]


def test_a_due_timer_stays_due_until_it_is_cleared() -> None:
    """Asking is not firing: the step that fires a timer may yet be aborted."""
    store, key = DictStore(), timer_key(7, b"section")
    store.apply({(0, key): b""})
    assert store.due(0, 7, 10) == [key]
    assert store.due(0, 7, 10) == [key]
    store.apply({(0, key): None})
    assert store.due(0, 7, 10) == []
    store.apply({(0, key): b""})
    assert store.due(0, 7, 10) == [key]
    assert timer_subject(key) == b"section"


def test_a_rocks_store_starts_empty_and_leaves_nothing(tmp_path: Path) -> None:
    """What an earlier process left behind is not trusted, and none is left for a later one."""
    first = RocksStore(tmp_path / "state")
    first.apply({(0, b"k"): b"old"})
    del first  # as a crash would: without closing
    second = RocksStore(tmp_path / "state")
    assert second.get(0, b"k") is None
    second.close()
    assert not (tmp_path / "state").exists()


def test_a_failing_disk_is_the_operators_fault(tmp_path: Path) -> None:
    """An unusable directory is a ConfigError, so that no message is blamed for it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="file"):
        RocksStore(tmp_path / "file" / "state")


def test_rocksdb_estimates_its_size(tmp_path: Path) -> None:
    """Also asked from another thread while the worker writes; closed, it has nothing."""
    store = RocksStore(tmp_path / "state")
    store.apply({(0, b"%d" % number): b"x" * 1000 for number in range(3000)})
    with ThreadPoolExecutor(1) as other:
        entries, size = other.submit(store.size).result()
    assert entries == 3000
    assert 3_000_000 <= size < 4_500_000  # it takes its memory 1 MiB at a time
    store.close()
    assert store.size() == (0, 0)
