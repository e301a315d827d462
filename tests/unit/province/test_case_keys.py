"""Key files: beside the database, their owner's alone, and gone when they are destroyed."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.database import connect, transaction
from pipeline.province.store import Store
from pipeline.stages.local import LocalEffects
from tests.unit.crypto.exchange import DAY, NOW, identity
from tests.unit.province.test_store import ID, delivered, filing


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(connect(tmp_path / "store.db"), identity("37"))


def test_filing_puts_the_keys_beside_the_database_and_not_into_it(tmp_path: Path, store: Store) -> None:
    """A file that only its owner reads; nothing of it in any column."""
    one = filing()
    store.file(one, 1, NOW)
    path = tmp_path / "keys" / ID
    assert path.read_bytes() == one.locked_keys
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert one.locked_keys not in (tmp_path / "store.db").read_bytes()
    assert one.keys.data_key not in (tmp_path / "store.db").read_bytes()


def test_a_second_filing_under_an_id_leaves_the_first_ones_keys(tmp_path: Path, store: Store) -> None:
    """They are all that opens its answers."""
    one = filing()
    store.file(one, 1, NOW)
    with pytest.raises(sqlite3.IntegrityError):
        store.file(filing(), 1, NOW)
    assert (tmp_path / "keys" / ID).read_bytes() == one.locked_keys


def test_what_a_crash_left_is_cleaned_away_and_nothing_else(tmp_path: Path, store: Store) -> None:
    """A half-written file at once, keys of an unknown application a week after they were noticed; never those needed.

    However old the keys are, who has put an older copy of the database in place can take it away again until then.
    """
    store.file(filing(), 1, NOW)
    for name in ("orphan", ".half.123", ID):
        (tmp_path / "keys" / name).write_bytes(b"locked")
        os.utime(tmp_path / "keys" / name, (NOW / 1000 - 3e7, NOW / 1000 - 3e7))
    for day, left in (
        (1, {ID, "orphan", ".orphans"}),
        (7, {ID, "orphan", ".orphans"}),
        (9, {ID, ".orphans"}),
        (10, {ID}),
    ):
        Store(connect(tmp_path / "store.db"), identity("37")).forget_expired(NOW + day * DAY)  # as after a restart
        assert {path.name for path in (tmp_path / "keys").iterdir()} == left, day


def test_keys_that_were_known_in_between_wait_their_week_again(tmp_path: Path, store: Store) -> None:
    """The older copy was taken away, and is put in place a second time."""
    store.file(filing(), 1, NOW)
    older, folder = connect(tmp_path / "older.db"), CaseKeyFolder(tmp_path / "keys")
    found = []
    for day, db in ((1, older), (2, store.connection), (10, older), (16, older), (18, older)):
        with transaction(db):
            found.append(folder.clean(db, NOW + day * DAY))
    assert found == [0, 0, 0, 0, 1]


def test_a_filing_that_fails_leaves_no_key_for_good(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are on the disk before the transaction ends; if it does not, the next cleaning takes them."""
    monkeypatch.setattr(CaseKeyFolder, "write", _write_and_fail)
    with pytest.raises(OSError, match="disk"):
        store.file(filing(), 1, NOW)
    assert store.filed(ID) is None
    with transaction(store.connection) as db:
        assert [CaseKeyFolder.beside(db).clean(db, NOW + day * DAY) for day in (0, 8, 9)] == [0, 1, 0]
    assert list((tmp_path / "keys").iterdir()) == []


def _write_and_fail(folder: CaseKeyFolder, application_id: str, locked: bytes) -> None:
    folder.folder.mkdir()
    (folder.folder / application_id).write_bytes(locked)
    raise OSError("disk full")


def test_answers_to_an_application_whose_keys_are_lost_are_not_opened(tmp_path: Path, store: Store) -> None:
    """They stay sealed, the adapter goes on; without a key there is nothing else to do."""
    store.file(filing(), 1, NOW)
    (tmp_path / "keys" / ID).unlink()
    again = Store(connect(tmp_path / "store.db"), identity("37"))
    filed = again.filed(ID)
    assert filed is not None
    assert filed.reply_key is None
    again.apply(LocalEffects(delivered=[replace(delivered(), answers=[], relay=b"sealed")]), {}, NOW)
    assert again.connection.execute("SELECT relay FROM sealed_bundle").fetchall() == [(b"sealed",)]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b", ".hidden", "a" * 65, "a\0b"])
def test_an_id_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    """Ids come from forms."""
    with pytest.raises(ConfigError):
        CaseKeyFolder(tmp_path).write(name, b"locked")
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_a_file_has_no_place_for_keys() -> None:
    """They would be nowhere, or in it."""
    with pytest.raises(ConfigError, match="needs a file"):
        CaseKeyFolder.beside(sqlite3.connect(":memory:"))
