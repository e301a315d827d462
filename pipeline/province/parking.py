"""Requests that wait for a register (不可抗力或其他客观原因, Art. 10), in the provider's store: sealed, as they came."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from pipeline.crypto.bundles import Bundle
from pipeline.stages.local import Parked, ParkedRow

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS parked (
  mandate_digest BLOB NOT NULL, section INTEGER NOT NULL, version INTEGER NOT NULL, requester TEXT NOT NULL,
  application_id TEXT NOT NULL, bundle BLOB NOT NULL, at INTEGER NOT NULL, not_after INTEGER NOT NULL,
  PRIMARY KEY (mandate_digest, section, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked_row (
  mandate_digest BLOB NOT NULL, section INTEGER NOT NULL, version INTEGER NOT NULL, row INTEGER NOT NULL,
  category TEXT NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL, deadline INTEGER NOT NULL,
  PRIMARY KEY (mandate_digest, section, version, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delay_told (
  mandate_digest BLOB NOT NULL, row INTEGER NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (mandate_digest, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS called_off (
  requester TEXT NOT NULL, mandate_digest BLOB NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (requester, mandate_digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closed_row (
  requester TEXT NOT NULL, mandate_digest BLOB NOT NULL, row INTEGER NOT NULL,
  PRIMARY KEY (requester, mandate_digest, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crossed_row (
  mandate_digest BLOB NOT NULL, section INTEGER NOT NULL, version INTEGER NOT NULL, digest BLOB NOT NULL,
  row INTEGER NOT NULL, PRIMARY KEY (mandate_digest, section, version, digest, row)) WITHOUT ROWID;
"""

Outage = tuple[str, int, str]
"""(category, until in ms, reason): a register that is away."""


def park(db: sqlite3.Connection, parked: Sequence[Parked]) -> None:
    """Keep requests, inside the caller's transaction; rows that are kept already are said anew."""
    for request in parked:
        key = (request.mandate_digest, request.section, request.version)
        db.execute(
            "INSERT OR IGNORE INTO parked VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, request.requester, request.application_id, request.bundle, request.at, request.not_after),
        )
        db.executemany(
            "INSERT OR REPLACE INTO parked_row VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(*key, row.row, row.category, row.until, row.reason, row.deadline) for row in request.rows],
        )


def reseal(db: sqlite3.Connection, request: tuple[bytes, int, int], bundle: bytes, at: int) -> None:
    """Keep a parked request as it came again, inside the caller's transaction: the key it was sealed to first may be gone."""
    db.execute(
        "UPDATE parked SET bundle = ?, at = ? WHERE mandate_digest = ? AND section = ? AND version = ? AND at < ?",
        (bundle, at, *request, at),
    )


def unpark(db: sqlite3.Connection, mandate_digest: bytes, section: int, version: int, rows: Collection[int]) -> None:
    """Let go of rows that are answered, inside the caller's transaction; a request goes with its last row."""
    db.executemany(
        "DELETE FROM parked_row WHERE mandate_digest = ? AND section = ? AND version = ? AND row = ?",
        [(mandate_digest, section, version, row) for row in rows],
    )
    _drop_empty(db)


def drop(db: sqlite3.Connection, requester: str, mandate_digest: bytes, rows: Collection[int] | None) -> None:
    """Let go of what a requester has called off: `rows` of a mandate, or (None) all of it."""
    mine = {row[0] for row in db.execute("SELECT requester FROM parked WHERE mandate_digest = ?", (mandate_digest,))}
    if mine != {requester}:
        return
    if rows is None:
        db.execute("DELETE FROM parked_row WHERE mandate_digest = ?", (mandate_digest,))
    else:
        db.executemany(
            "DELETE FROM parked_row WHERE mandate_digest = ? AND row = ?", [(mandate_digest, row) for row in rows]
        )
    _drop_empty(db)


def close(
    db: sqlite3.Connection,
    requester: str,
    mandate_digest: bytes,
    rows: Collection[int],
    waiting_answers: Sequence[Bundle],
) -> None:
    """Rows are closed, inside the caller's transaction. `waiting_answers`: unsettled ones that name some of them.

    The center passes none of these on if they reach it after the extension: their other rows are answered when asked again.
    """
    db.executemany(
        "INSERT OR IGNORE INTO closed_row VALUES (?, ?, ?)", [(requester, mandate_digest, row) for row in rows]
    )
    closed = closed_rows(db, requester, mandate_digest)
    db.executemany(
        "DELETE FROM crossed_row WHERE mandate_digest = ? AND row = ?", [(mandate_digest, r) for r in closed]
    )
    db.executemany(
        "INSERT OR IGNORE INTO crossed_row VALUES (?, ?, ?, ?, ?)",
        [
            (mandate_digest, bundle.header.section, bundle.header.version, bundle.leaf, row)
            for bundle in waiting_answers
            for row in set(bundle.header.rows) - closed
        ],
    )


def closed_rows(db: sqlite3.Connection, requester: str, mandate_digest: bytes) -> frozenset[int]:
    """Rows of a mandate that were closed by agreement."""
    query = "SELECT row FROM closed_row WHERE requester = ? AND mandate_digest = ?"
    return frozenset(row[0] for row in db.execute(query, (requester, mandate_digest)))


def crossed_rows(db: sqlite3.Connection, mandate_digest: bytes, section: int, version: int) -> frozenset[int]:
    """Open rows of unsettled answers that name closed ones beside them."""
    query = "SELECT DISTINCT row FROM crossed_row WHERE mandate_digest = ? AND section = ? AND version = ?"
    return frozenset(row[0] for row in db.execute(query, (mandate_digest, section, version)))


def uncross(db: sqlite3.Connection, request: tuple[bytes, int, int]) -> list[bytes]:
    """A section is answered again, without closed rows. Returns the digests of the answers this takes the place of."""
    where = "FROM crossed_row WHERE mandate_digest = ? AND section = ? AND version = ?"
    digests = [row[0] for row in db.execute(f"SELECT DISTINCT digest {where}", request)]
    db.execute(f"DELETE {where}", request)
    return digests


def arrived(db: sqlite3.Connection, digests: Sequence[bytes]) -> None:
    """Requesters hold these answers: they did not cross an extension."""
    db.executemany("DELETE FROM crossed_row WHERE digest = ?", [(digest,) for digest in digests])


def forget(db: sqlite3.Connection, now: int) -> None:
    """Let go of requests whose mandate is over, inside the caller's transaction: nobody may answer them any more."""
    over = db.execute("SELECT mandate_digest FROM parked WHERE not_after < ?", (now,)).fetchall()
    db.executemany("DELETE FROM parked_row WHERE mandate_digest = ?", over)
    _drop_empty(db)


def waiting(db: sqlite3.Connection, outage: Outage | None = None, limit: int = -1) -> list[Parked]:
    """What is parked, the oldest first; with `outage` what waits for that one."""
    category, until, reason = outage or (None, None, None)
    requests = db.execute(
        "SELECT mandate_digest, section, version, requester, application_id, bundle, at, not_after FROM parked"
        " WHERE EXISTS (SELECT 1 FROM parked_row AS row WHERE row.mandate_digest = parked.mandate_digest"
        " AND row.section = parked.section AND row.version = parked.version AND (:category IS NULL OR"
        " (row.category = :category AND row.until = :until AND row.reason = :reason)))"
        " ORDER BY at, mandate_digest, section LIMIT :limit",
        {"category": category, "until": until, "reason": reason, "limit": limit},
    ).fetchall()
    found = []
    for mandate_digest, section, version, requester, application_id, bundle, at, not_after in requests:
        rows = db.execute(
            "SELECT row, category, until, reason, deadline FROM parked_row"
            " WHERE mandate_digest = ? AND section = ? AND version = ? ORDER BY row",
            (mandate_digest, section, version),
        )
        kept = [ParkedRow(*row) for row in rows]
        found.append(Parked(requester, application_id, mandate_digest, section, version, bundle, at, not_after, kept))
    return found


def outages(db: sqlite3.Connection) -> list[Outage]:
    """What parked rows wait for, each once."""
    query = "SELECT DISTINCT category, until, reason FROM parked_row ORDER BY until, category, reason"
    return db.execute(query).fetchall()


def sections(db: sqlite3.Connection, requester: str, mandate_digest: bytes) -> set[int]:
    """Sections of a mandate with rows that wait."""
    query = "SELECT section FROM parked WHERE mandate_digest = ? AND requester = ?"
    return {row[0] for row in db.execute(query, (mandate_digest, requester))}


def _drop_empty(db: sqlite3.Connection) -> None:
    db.execute(
        "DELETE FROM parked WHERE NOT EXISTS (SELECT 1 FROM parked_row AS row WHERE"
        " row.mandate_digest = parked.mandate_digest AND row.section = parked.section AND row.version = parked.version)"
    )
