"""A party's desks: one message that nothing can be done with stops nobody else's."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.crypto.authority import create_authority, issue
from pipeline.domain.errors import Retryable, ViewLost
from pipeline.kafka.rejections import Rejections
from pipeline.province.database import connect
from pipeline.province.desks import one_by_one
from pipeline.province.store import Positions, Store
from pipeline.signer.protocol import SignerGone
from pipeline.stages.effects import Message
from pipeline.stages.local import LocalEffects

NOW = 1_795_150_800_000
POISON = b"poison"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of 山东."""
    identity = issue(create_authority(NOW), "37", NOW)
    return Store(connect(tmp_path / "store.db"), identity)


def message(offset: int, value: bytes) -> Message:
    """A message in partition 0."""
    return Message("hedx.37.requests", 0, offset, NOW, None, value)


def test_a_failing_message_is_put_aside_and_the_others_are_worked_on(store: Store) -> None:
    """The dead letter keeps the bytes and the place of the failure; every other message is worked on once."""
    done: list[bytes | None] = []

    def work(messages: Sequence[Message], positions: Positions) -> None:
        if any(m.value == POISON for m in messages):
            raise IndexError("a text that may quote the message")
        done.extend(m.value for m in messages)
        store.apply(LocalEffects(), positions, NOW)

    batch = [message(0, b"a"), message(1, POISON), message(2, b"b")]
    one_by_one(work, store, batch, {("hedx.37.requests", 0): 3}, lambda: NOW, Rejections("answer").report)
    assert done == [b"a", b"b"]
    [letter] = store.connection.execute("SELECT offset, code, detail, value FROM dead_letter").fetchall()
    assert (letter[0], letter[1], letter[3]) == (1, "stage_failed", POISON)
    assert "IndexError in work" in letter[2]
    assert "quote" not in letter[2]
    assert store.positions("hedx.37.requests") == {0: 3}


@pytest.mark.parametrize(
    "fault",
    [
        Retryable("later"),
        sqlite3.OperationalError("disk"),
        MemoryError(),
        SignerGone("ended"),
        ViewLost("not followed"),
        OSError(28, "No space left on device"),
    ],
)
def test_what_is_no_messages_fault_passes_through(store: Store, fault: Exception) -> None:
    """Nothing is put aside, and no position moves, when the fault lies elsewhere."""

    def work(messages: Sequence[Message], positions: Positions) -> None:
        raise fault

    with pytest.raises(type(fault)):
        one_by_one(
            work, store, [message(0, b"a")], {("hedx.37.requests", 0): 1}, lambda: NOW, Rejections("answer").report
        )
    assert store.connection.execute("SELECT count(*) FROM dead_letter").fetchone()[0] == 0
    assert store.positions("hedx.37.requests") == {}


def test_what_is_worked_on_out_of_turn_moves_no_position(store: Store) -> None:
    """Two old letters that fail again become letters; the inbox stays where it was read to."""

    def work(messages: Sequence[Message], positions: Positions) -> None:
        raise IndexError("a defect")

    store.apply(LocalEffects(), {("hedx.37.requests", 0): 900}, NOW)
    one_by_one(work, store, [message(3, b"a"), message(7, b"b")], {}, lambda: NOW, Rejections("answer").report)
    letters = store.connection.execute("SELECT offset FROM dead_letter ORDER BY offset").fetchall()
    assert letters == [(3,), (7,)]
    assert store.positions("hedx.37.requests") == {0: 900}


def test_whoever_cannot_report_a_letter_makes_no_second_one(store: Store) -> None:
    """It is stored already: what fails afterwards is not the message's fault, and the batch goes on."""

    def work(messages: Sequence[Message], positions: Positions) -> None:
        raise IndexError("a defect")

    def report(*_: object) -> None:
        raise KeyError("a label")

    one_by_one(work, store, [message(0, b"a"), message(1, b"b")], {("hedx.37.requests", 0): 2}, lambda: NOW, report)
    assert store.connection.execute("SELECT offset FROM dead_letter ORDER BY offset").fetchall() == [(0,), (1,)]
    assert store.positions("hedx.37.requests") == {0: 2}
