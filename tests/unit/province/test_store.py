"""A party's store: a step's effects and its offsets in one transaction, or nothing of either."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.crypto import suite
from pipeline.crypto.bundles import clear_bundle
from pipeline.crypto.keys import SealingKey
from pipeline.domain.errors import InvalidMessage
from pipeline.province import outbox
from pipeline.province.database import connect
from pipeline.province.filing import Filing, file_application
from pipeline.province.store import Store
from pipeline.stages.effects import Message
from pipeline.stages.local import Delivered, LocalEffects, Posted, Seen
from tests.unit.crypto.exchange import DAY, NOW, header, identity, trust
from tests.unit.domain.samples import a_child, a_person, an_application

TOPIC = "hedx.37.responses"
ID = an_application()["application_id"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """山东's empty store."""
    return Store(connect(tmp_path / "store.db"), identity("37"))


@pytest.fixture
def asking(store: Store) -> Store:
    """The store with the application of `filing`, its outbox emptied."""
    store.file(filing(), 1, NOW)
    store.connection.execute("DELETE FROM outbox_bundle")
    return store


def filing() -> Filing:
    """An application of two persons."""
    return file_application(
        an_application(person_count=2),
        [a_person(), a_child()],
        identity=identity("37"),
        trust=trust(),
        release=1,
        now=NOW,
    )


def delivered(number: int = 1) -> Delivered:
    """A bundle with an answer, to the application of `filing`."""
    return Delivered(ID, 1, "53", bytes((number,)) * 32, (1,), b"\1", "done", [(0, b"answer")])


def effects() -> LocalEffects:
    """One of everything a step can want."""
    poison = Message(TOPIC, 0, 7, NOW, b"key", b"poison")
    return LocalEffects(
        seen=[Seen("center", b"i" * 16, b"d" * 32, NOW + DAY)],
        posts=[Posted("requests", clear_bundle(header("receipt"), [b"r"]))],
        dead=[(poison, InvalidMessage("cbor_invalid", "detail"))],
        reply_keys=[("53", b"k" * 65, b"m" * 32)],
        answered=[(b"m" * 32, 1, 1)],
        delivered=[delivered()],
    )


def counts(store: Store) -> dict[str, int]:
    """Rows by table."""
    tables = ("seen", "outbox_bundle", "dead_letter", "reply_key", "answered", "bundle", "answer", "position")
    return {table: store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608


def test_a_steps_effects_are_there_with_its_offsets(asking: Store) -> None:
    """And the view reads them."""
    asking.apply(effects(), {(TOPIC, 0): 8, (TOPIC, 2): 3}, NOW)
    assert set(counts(asking).values()) == {1, 2}
    assert asking.positions(TOPIC) == {0: 8, 2: 3}
    assert asking.positions("hedx.37.requests") == {}
    assert asking.seen("center", b"i" * 16) == b"d" * 32
    assert asking.seen("53", b"i" * 16) is None
    assert asking.mandate_of("53", b"k" * 65) == b"m" * 32
    assert asking.has_answered(b"m" * 32, 1, 1)
    assert not asking.has_answered(b"m" * 32, 2, 1)
    row = asking.connection.execute("SELECT topic, partition, offset, code, detail, key, value FROM dead_letter")
    assert row.fetchone() == (TOPIC, 0, 7, "cbor_invalid", "detail", b"key", b"poison")


def test_a_step_that_cannot_be_stored_whole_is_not_stored_at_all(asking: Store) -> None:
    """An offset never passes work that is not there."""
    broken = effects()
    broken.delivered.append(Delivered(ID, 1, "53", b"x" * 32, (1,), b"\1", "done", [(0, object())]))  # type: ignore[list-item]
    with pytest.raises((sqlite3.Error, TypeError)):
        asking.apply(broken, {(TOPIC, 0): 8}, NOW)
    assert set(counts(asking).values()) == {0}
    asking.apply(effects(), {(TOPIC, 0): 8}, NOW)
    assert asking.positions(TOPIC) == {0: 8}


def test_a_step_stored_twice_is_stored_once(asking: Store) -> None:
    """After a crash between the store's commit and Kafka's the same records come again."""
    again = effects()
    again.posts, again.dead = [], []
    asking.apply(effects(), {(TOPIC, 0): 8}, NOW)
    before = counts(asking)
    asking.apply(again, {(TOPIC, 0): 8}, NOW)
    assert counts(asking) == before


def test_a_reply_key_stands_for_the_mandate_it_was_first_seen_under(store: Store) -> None:
    """Of each requester's: what another claims, who copied it from a mandate he saw, takes it from nobody."""
    store.apply(LocalEffects(reply_keys=[("37", b"k", b"copied")]), {}, NOW)
    store.apply(LocalEffects(reply_keys=[("53", b"k", b"first")]), {}, NOW)
    store.apply(LocalEffects(reply_keys=[("53", b"k", b"second")]), {}, NOW)
    assert store.mandate_of("53", b"k") == b"first"
    assert store.mandate_of("37", b"k") == b"copied"


def test_filing_keeps_the_application_and_puts_its_bundles_out_together(store: Store) -> None:
    """What the requester needs to open answers is there before anything is sent."""
    one = filing()
    store.file(one, 1, NOW)
    assert outbox.waiting(store.connection) == len(one.bundles)
    filed = store.filed(ID)
    assert filed is not None
    assert filed.mandate_digest == one.mandate_digest
    assert filed.reply_key is not None
    assert filed.reply_key.holds(one.keys.reply_key.kid)
    assert store.filed("another") is None


def test_an_application_id_is_filed_once(store: Store) -> None:
    """The second is refused whole: no bundle of it is sent."""
    store.file(filing(), 1, NOW)
    waiting = outbox.waiting(store.connection)
    with pytest.raises(sqlite3.IntegrityError):
        store.file(filing(), 1, NOW)
    assert outbox.waiting(store.connection) == waiting


def test_reply_keys_are_locked_at_rest(tmp_path: Path, store: Store) -> None:
    """The database alone opens no answer: the key is sealed to its owner's own, and another party's opens nothing."""
    one = filing()
    store.file(one, 1, NOW)
    assert isinstance(one.keys.unsealer, SealingKey)
    private = suite.scalar(one.keys.unsealer.private_key)
    store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert private not in (tmp_path / "store.db").read_bytes()
    stranger = Store(connect(tmp_path / "store.db"), identity("53"))
    with pytest.raises(InvalidMessage) as caught:
        stranger.filed(ID)
    assert caught.value.code == "not_a_recipient"


def test_the_database_is_the_owners_alone(tmp_path: Path) -> None:
    """It holds rosters and answers."""
    connect(tmp_path / "new" / "store.db").close()
    assert (tmp_path / "new" / "store.db").stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_envelope_ids_are_forgotten_a_day_after_they_expired(store: Store) -> None:
    """Not while a re-send could still come."""
    store.apply(LocalEffects(seen=[Seen("center", b"i", b"d", NOW)]), {}, NOW)
    store.forget_expired(NOW + DAY)
    assert store.seen("center", b"i") == b"d"
    store.forget_expired(NOW + DAY + 1)
    assert store.seen("center", b"i") is None


ACCEPTED = LocalEffects(acceptances=[({"application_id": ID}, b"acceptance")])  # type: ignore[typeddict-item]
REJECTED = LocalEffects(
    rejections=[({"application_id": ID, "faults": [{"code": "person_count"}]}, b"rejection")]  # type: ignore[typeddict-item]
)
CERTIFIED = LocalEffects(
    results=[({"application_id": ID, "version": 1, "complete": False}, b"result")]  # type: ignore[typeddict-item]
)


@pytest.mark.parametrize(
    ("steps", "states"),
    [
        ((REJECTED, ACCEPTED), ["rejected", "rejected"]),
        ((ACCEPTED, CERTIFIED, ACCEPTED), ["started", "incomplete", "incomplete"]),
        ((CERTIFIED, ACCEPTED), ["incomplete", "incomplete"]),
    ],
)
def test_what_comes_late_or_again_does_not_turn_the_state_back(
    store: Store, steps: tuple[LocalEffects, ...], states: list[str]
) -> None:
    """A rejected application stays rejected, and a certified one certified."""
    store.file(filing(), 1, NOW)
    found = []
    for step in steps:
        store.apply(step, {}, NOW)
        found.append(store.connection.execute("SELECT state FROM application").fetchone()[0])
    assert found == states


def test_every_change_of_state_is_a_line_of_the_history(store: Store) -> None:
    """When, by whom, why: what must have happened before is there as well."""
    store.file(filing(), 1, NOW)
    store.apply(CERTIFIED, {}, NOW + 1)
    rows = store.connection.execute("SELECT at, by, event, state FROM history ORDER BY number").fetchall()
    assert rows[0] == (NOW, "37", "file", "filed")
    assert [row[2] for row in rows] == ["file", "arrive", "accept", "start", "certify"]
    assert rows[-1] == (NOW + 1, "center", "certify", "incomplete")
