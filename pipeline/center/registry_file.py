"""The registry's file: SQLite, WAL, explicit transactions, and the rules that no program may break as triggers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pipeline.center.registry_rows import Action
from pipeline.province import database

SCHEMA = """
CREATE TABLE IF NOT EXISTS certificate (
  serial TEXT PRIMARY KEY, principal TEXT NOT NULL, usage TEXT NOT NULL, der BLOB NOT NULL, digest BLOB NOT NULL UNIQUE,
  request BLOB NOT NULL UNIQUE, key BLOB NOT NULL UNIQUE, number INTEGER NOT NULL UNIQUE, issued_at INTEGER NOT NULL,
  not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, revoked_at INTEGER, reason TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS certificate_of ON certificate (principal, usage);
CREATE TABLE IF NOT EXISTS entry (
  party TEXT PRIMARY KEY, number INTEGER NOT NULL, name TEXT NOT NULL, addresses TEXT NOT NULL,
  suspended INTEGER NOT NULL, minimum_suite INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leaf (
  idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, party TEXT NOT NULL, digest BLOB NOT NULL, request BLOB,
  at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS crl (
  number INTEGER PRIMARY KEY, der BLOB NOT NULL, at INTEGER NOT NULL, next_update INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS revoked_elsewhere (
  serial TEXT PRIMARY KEY, revoked_at INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (size INTEGER NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS action (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS paper (
  id INTEGER PRIMARY KEY, party TEXT NOT NULL, kind TEXT NOT NULL, document TEXT NOT NULL, number TEXT NOT NULL,
  date TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS inspection (
  id INTEGER PRIMARY KEY, party TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, passed INTEGER NOT NULL,
  found TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS papers_stay BEFORE DELETE ON paper
  BEGIN SELECT RAISE(ABORT, 'a paper on record stays'); END;
CREATE TRIGGER IF NOT EXISTS papers_keep BEFORE UPDATE ON paper
  BEGIN SELECT RAISE(ABORT, 'a paper on record stays as it is'); END;
CREATE TRIGGER IF NOT EXISTS inspections_stay BEFORE DELETE ON inspection
  BEGIN SELECT RAISE(ABORT, 'the result of an inspection stays'); END;
CREATE TRIGGER IF NOT EXISTS inspections_keep BEFORE UPDATE ON inspection
  BEGIN SELECT RAISE(ABORT, 'the result of an inspection stays as it is'); END;
CREATE TRIGGER IF NOT EXISTS certificates_stay BEFORE DELETE ON certificate
  BEGIN SELECT RAISE(ABORT, 'a certificate is never forgotten'); END;
CREATE TRIGGER IF NOT EXISTS revoked_for_good BEFORE UPDATE ON certificate
  WHEN OLD.revoked_at IS NOT NULL OR NEW.der IS NOT OLD.der
  BEGIN SELECT RAISE(ABORT, 'a revocation is final'); END;
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE DELETE ON entry
  BEGIN SELECT RAISE(ABORT, 'an entry is never forgotten'); END;
CREATE TRIGGER IF NOT EXISTS numbers_grow BEFORE UPDATE ON entry WHEN NEW.number <= OLD.number
  BEGIN SELECT RAISE(ABORT, 'the number of an entry grows'); END;
CREATE TRIGGER IF NOT EXISTS leaves_stay BEFORE DELETE ON leaf
  BEGIN SELECT RAISE(ABORT, 'the trust log only grows'); END;
CREATE TRIGGER IF NOT EXISTS leaves_keep BEFORE UPDATE ON leaf
  BEGIN SELECT RAISE(ABORT, 'the trust log only grows'); END;
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection of this thread's own; file and tables are made when missing, readable by the owner only."""
    connection = database.open_file(path)
    connection.row_factory = sqlite3.Row
    connection.executescript(SCHEMA)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything inside becomes durable together, or not at all; inside another one, together with that."""
    if connection.in_transaction:
        yield connection
        return
    with database.transaction(connection):
        yield connection


class RegistryFile:
    """An open registry: what all its parts share. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes in the block become durable at once, or none does."""
        with transaction(self._db):
            yield

    def trail(self, subject: str | None = None) -> list[Action]:
        """What was done, oldest first; to one party or principal, or to all."""
        rows = self._db.execute("SELECT * FROM action WHERE ?1 IS NULL OR subject = ?1 ORDER BY id", (subject,))
        return [Action(row["at"], row["subject"], row["kind"], row["detail"]) for row in rows]

    def _note(self, now: int, subject: str, kind: str, detail: str) -> None:
        self._db.execute("INSERT INTO action VALUES (NULL, ?, ?, ?, ?)", (now, subject, kind, detail))

    def _row(self, query: str, *parameters: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(query, parameters).fetchone()
        return row
