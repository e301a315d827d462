"""What a worker holds back: in order, bounded, and never committed beyond."""

from __future__ import annotations

import pytest

from pipeline.kafka import held
from pipeline.kafka.held import Held
from pipeline.stages.effects import Message


def message(partition: int, offset: int, size: int = 1) -> Message:
    """A message of `size` bytes."""
    return Message("requests", partition, offset, 0, None, bytes(size))


def offsets(messages: list[Message]) -> list[tuple[int, int]]:
    """(partition, offset) of each."""
    return [(m.partition, m.offset) for m in messages]


def test_the_oldest_of_each_partition_come_first() -> None:
    """Partitions take turns by share, each in the order of its log."""
    room = Held()
    room.put([message(p, n) for n in range(4) for p in (0, 1)])
    assert offsets(room.oldest()) == [(0, 0), (1, 0)]
    assert offsets(room.take(4)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert offsets(room.take(3)) == [(0, 2), (0, 3), (1, 2)]
    assert offsets(room.take(100)) == [(1, 3)]
    assert room.take(1) == []
    assert len(room) == 0


def test_no_offset_beyond_a_held_message() -> None:
    """Of partitions with something held the oldest is the limit, of others what was read."""
    room = Held()
    room.put([message(0, 7), message(0, 9)])
    read = {("requests", 0): 12, ("requests", 1): 5}
    assert room.limit(read) == {("requests", 0): 7, ("requests", 1): 5}
    room.take(1)
    assert room.limit(read)["requests", 0] == 9
    room.take(1)
    assert room.limit(read) == read


def test_a_partition_that_goes_takes_its_messages_along() -> None:
    """Its next owner reads them; a rewind means all of them."""
    room = Held()
    room.put([message(0, 1), message(1, 1), message(1, 2)])
    room.drop(("requests", 1))
    room.drop(("requests", 5))
    assert offsets(room.oldest()) == [(0, 1)]
    assert len(room) == 1
    room.clear()
    assert len(room) == 0
    assert room.oldest() == []


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by bytes; taking makes room again, dropping too."""
    monkeypatch.setattr(held, "MOST", 3)
    monkeypatch.setattr(held, "MOST_BYTES", 100)
    room = Held()
    room.put([message(0, 1), message(0, 2)])
    assert not room.is_full()
    room.put([message(0, 3)])
    assert room.is_full()
    room.take(1)
    assert not room.is_full()
    room.put([message(1, 1, size=99)])
    assert room.is_full()
    room.drop(("requests", 1))
    room.take(1)
    room.put([message(1, 2, size=97)])
    assert not room.is_full()
