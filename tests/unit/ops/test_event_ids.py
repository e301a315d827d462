"""Which events were counted already."""

from __future__ import annotations

import tracemalloc
from random import Random

from pipeline.ops.event_ids import EventIds


def test_an_id_is_new_once_wherever_it_is_kept() -> None:
    """In the set, in an array, and in one that is full."""
    ids = EventIds(fresh=4, full=8)
    names = [f"e{number}" for number in range(100)]
    assert all(ids.add(name, 1) for name in names)
    assert not any(ids.add(name, 2) for name in Random(1).sample(names, 100))
    assert len(ids) == 100


def test_what_is_old_is_forgotten_a_whole_array_at_a_time() -> None:
    """Nothing newer goes with it."""
    ids = EventIds(fresh=4, full=8)
    for number in range(16):
        ids.add(f"e{number}", number)
    ids.forget(8)
    assert len(ids) == 8
    assert ids.add("e0", 0)
    assert not ids.add("e8", 8)


def test_an_id_takes_little_memory() -> None:
    """Sixteen bytes at most, beyond the set of fresh ones."""
    ids = EventIds(fresh=1 << 10)
    tracemalloc.start()
    for number in range(20 << 10):
        ids.add(f"event-{number}", number)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < (20 << 10) * 16
