"""The access log: numbered without gaps, and nothing in it is changed or taken out."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.crypto import cbor
from pipeline.domain.errors import ConfigError
from pipeline.province import access
from pipeline.province.database import LAYOUT, access_log, connect, transaction
from pipeline.province.dead_letters import act_on_kept, asked_for
from pipeline.stages.local import Access

OPENED = Access("opened", "id-1", "37", "济南市历下区民政局", "最低生活保障审核", {"persons": 3, "bundle": "ab"})


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    """A store with three rows in its log."""
    connection = connect(tmp_path / "store.db")
    with transaction(connection):
        for at in range(3):
            access.record(connection, OPENED, actor="user:li", at=at)
    return connection


def test_rows_are_numbered_from_one_and_read_back(db: sqlite3.Connection) -> None:
    """With everything that was said."""
    found = access.entries(db)
    assert [entry.number for entry in found] == [1, 2, 3]
    assert (found[0].unit, found[0].detail, found[0].actor) == (OPENED.unit, {"persons": 3, "bundle": "ab"}, "user:li")
    assert access.entries(db, "id-2") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access SET actor = 'another'",
        "UPDATE access SET number = 9 WHERE number = 3",
        "DELETE FROM access",
        "DELETE FROM access WHERE number = 3",
        "INSERT INTO access SELECT 5, at, actor, act, application_id, requester, unit, purpose, detail FROM access LIMIT 1",
        "INSERT OR REPLACE INTO access SELECT 3, 9, 'x', act, application_id, requester, unit, purpose, detail"
        " FROM access LIMIT 1",
        "INSERT INTO access SELECT 0, at, actor, act, application_id, requester, unit, purpose, detail FROM access LIMIT 1",
    ],
)
def test_nothing_is_changed_taken_out_or_left_out(db: sqlite3.Connection, statement: str) -> None:
    """The database itself refuses, whoever asks."""
    before = access.entries(db)
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|without gaps"):
        db.execute(statement)
    assert access.entries(db) == before


def test_a_row_stands_with_what_it_records_or_neither_does(db: sqlite3.Connection) -> None:
    """And its number is given again: there are no gaps after a failure."""

    def fail() -> None:
        with transaction(db):
            access.record(db, OPENED, actor="user:li", at=9)
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail()
    with transaction(db):
        assert access.record(db, OPENED, actor="user:li", at=10) == 4


def test_two_writers_share_one_numbering(tmp_path: Path) -> None:
    """Each row its own number, none missing."""

    def write() -> None:
        with closing(connect(tmp_path / "store.db")) as connection:
            for _ in range(20):
                with transaction(connection):
                    access.record(connection, OPENED, actor="user:li", at=1)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(connect(tmp_path / "store.db")) as connection:
        assert [entry.number for entry in access.entries(connection)] == list(range(1, 61))


def test_the_bytes_of_a_row_are_its_columns_and_differ_with_each(db: sqlite3.Connection) -> None:
    """For a hash over the log."""
    first, second, _ = access.entries(db)
    columns = cbor.loads(first.canonical())
    assert columns[:4] == [1, 0, "user:li", "opened"]
    assert columns[-1] == '{"bundle":"ab","persons":3}'
    assert first.canonical() != second.canonical()


def test_the_actor_is_the_systems_user() -> None:
    """Not what an environment variable says."""
    assert access.user().startswith("user:")


def test_the_centers_log_is_a_file_of_its_own(tmp_path: Path) -> None:
    """Readable by its owner only, under the same rules."""
    with closing(access_log(tmp_path / "center" / "access.db")) as log:
        with transaction(log):
            access.record(log, OPENED, actor="user:li", at=1)
        with pytest.raises(sqlite3.IntegrityError):
            log.execute("DELETE FROM access")
    assert (tmp_path / "center" / "access.db").stat().st_mode & 0o077 == 0


def test_a_store_of_the_earlier_layout_is_not_gone_on_with(
    tmp_path: Path,
) -> None:
    """It holds persons in clear; nothing here would ever destroy them."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as old:
        old.execute("CREATE TABLE application (application_id TEXT PRIMARY KEY, form BLOB)")
    with pytest.raises(ConfigError, match="earlier layout"):
        connect(tmp_path / "store.db")


def test_a_store_of_layout_4_is_raised_and_keeps_what_it_had(tmp_path: Path) -> None:
    """Its dead letters stay, are asked for as before, and have the time at which they were put aside for want of another."""
    path = tmp_path / "store.db"
    with closing(connect(path)) as old:
        old.execute("ALTER TABLE dead_letter DROP COLUMN appended_at")
        old.execute("INSERT INTO dead_letter VALUES ('hedx.37.requests', 0, 7, 'stage_failed', '', NULL, x'00', 5)")
        old.execute("PRAGMA user_version = 4")
    with closing(connect(path)) as raised, closing(connect(path)) as second:
        for connection in (raised, second):
            assert connection.execute("PRAGMA user_version").fetchone() == (LAYOUT,)
            assert connection.execute("SELECT offset, at, appended_at FROM dead_letter").fetchall() == [(7, 5, None)]
        act_on_kept(raised, "hedx.37.requests/0/7", "replayed", by="user:li", reason="mended", now=9)
        assert [m.timestamp for m in asked_for(second, "hedx.37.requests").values()] == [5]
