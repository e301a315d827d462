"""The access log: who opened, read or handed out what, for whom and for which purpose (Art. 11).

A table of the party's own store, append-only and numbered without gaps; each row stands in the same transaction as what it
records. It holds counts and digests, never a person's datum, and it outlives the shredding of what it is about. Whoever
owns the file can replace the whole of it: that it was not replaced is for a witnessed log over `canonical` to show.
"""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
from dataclasses import dataclass
from typing import Any

from pipeline.crypto import cbor
from pipeline.stages.local import Access

SCHEMA = """
CREATE TABLE IF NOT EXISTS access (
  number INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, application_id TEXT NOT NULL,
  requester TEXT NOT NULL, unit TEXT NOT NULL, purpose TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS access_of ON access (application_id);
CREATE TRIGGER IF NOT EXISTS access_without_gaps BEFORE INSERT ON access
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM access)
BEGIN SELECT RAISE(ABORT, 'the access log is numbered without gaps'); END;
CREATE TRIGGER IF NOT EXISTS access_unaltered BEFORE UPDATE ON access
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS access_kept BEFORE DELETE ON access
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
"""


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """A row of the log. `at`: ms; `detail`: counts, digests, codes."""

    number: int
    at: int
    actor: str
    act: str
    application_id: str
    requester: str
    unit: str  # entrusting unit (委托单位) of the mandate
    purpose: str
    detail: dict[str, Any]

    def canonical(self) -> bytes:
        """The bytes of the row for a hash over the log: a CBOR array of its columns, the detail as JSON text."""
        columns = (self.number, self.at, self.actor, self.act, self.application_id, self.requester)
        return cbor.dumps([*columns, self.unit, self.purpose, _text(self.detail)])


def user() -> str:
    """The operating system's user that this process runs as: `user:<name>`."""
    uid = os.geteuid()
    try:
        return f"user:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user:{uid}"


def record(connection: sqlite3.Connection, access: Access, *, actor: str, at: int) -> int:
    """Append a row inside the caller's transaction; returns its number."""
    cursor = connection.execute(
        "INSERT INTO access SELECT coalesce(max(number), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ? FROM access",
        (
            at,
            actor,
            access.act,
            access.application_id,
            access.requester,
            access.unit,
            access.purpose,
            _text(access.detail),
        ),
    )
    return cursor.lastrowid or 0


def entries(connection: sqlite3.Connection, application_id: str | None = None) -> list[AccessEntry]:
    """The log in order, or what it says of one application."""
    rows = connection.execute(
        "SELECT * FROM access WHERE ?1 IS NULL OR application_id = ?1 ORDER BY number", (application_id,)
    )
    return [_entry(*row) for row in rows]


def _text(detail: object) -> str:
    return json.dumps(detail, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _entry(number: int, at: int, actor: str, act: str, application_id: str, *rest: str) -> AccessEntry:
    requester, unit, purpose, detail = rest
    return AccessEntry(number, at, actor, act, application_id, requester, unit, purpose, json.loads(detail))
