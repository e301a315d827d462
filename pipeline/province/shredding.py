"""Shredding an application: its keys destroyed, its rows deleted, its evidence kept.

The log says so first, in the transaction that deletes the rows; a crash after it leaves a key file that belongs to nothing,
which the next shredding, or the adapter within the hour, cleans away. What others hold is out of reach: exported files,
the sealed copies at the center and on Kafka (which only the destroyed keys, or the center's, could open), back-ups of the
key folder.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from pipeline.domain.errors import ConfigError, InvalidMessage, Retryable
from pipeline.province import access
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.casefile import CaseFile
from pipeline.province.database import transaction
from pipeline.province.sealed_rows import EXPORT

_OF_ANSWERS = "digest IN (SELECT digest FROM bundle WHERE application_id = ?)"
PATIENCE = 10.0
"""Seconds within which readers of the store let go of its write-ahead log."""


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """A file that was handed over. `path` None: its key is gone; `sha256`: of the file; `at`: ms."""

    path: str | None
    act: str
    unit: str
    at: int
    sha256: str


def shred(case: CaseFile, now: int) -> list[OutOfReach]:
    """Destroy what opens the application and what would be opened; returns the exports that this does not reach.

    May be called again to finish what a crash left. Raises Retryable when others use the store, so that it is not rewritten or
    its write-ahead log not emptied: all is done but that, and calling again does it.
    """
    db, keys = case.connection, CaseKeyFolder.beside(case.connection)
    with transaction(db):
        exports = out_of_reach(case)
        if case.shredded_at is None:
            _delete_rows(db, case, now, exports)
    keys.destroy(case.application_id)
    with transaction(db):
        keys.clean(db, now)
    _rewrite(db)
    return exports


def out_of_reach(case: CaseFile) -> list[OutOfReach]:
    """The files of an application that were handed over, as the access log and, while there are keys, their paths say."""
    query = "SELECT number, path FROM export WHERE application_id = ?"
    places: dict[int, bytes] = dict(case.connection.execute(query, (case.application_id,)).fetchall())
    try:
        rows = case.rows() if places else None
    except (ConfigError, InvalidMessage):  # the keys are lost: that is no reason to keep the rest
        rows = None
    return [
        OutOfReach(
            rows.open(EXPORT, places[entry.number]).decode() if rows and entry.number in places else None,
            entry.act,
            entry.unit,
            entry.at,
            entry.detail["sha256"],
        )
        for entry in access.entries(case.connection, case.application_id)
        if entry.act in ("exported", "exported_partial", "sealed_pack", "form_exported")
    ]


def _delete_rows(db: sqlite3.Connection, case: CaseFile, now: int, exports: list[OutOfReach]) -> None:
    statements = {
        "persons": "DELETE FROM person WHERE application_id = ?",
        "sections": "DELETE FROM section WHERE application_id = ?",
        "answers": f"DELETE FROM answer WHERE {_OF_ANSWERS}",  # noqa: S608
        "differences": "DELETE FROM difference WHERE ?1 IN (application_id, original)",
        "sealed_bundles": "DELETE FROM sealed_bundle WHERE application_id = ?",
        "exports": "DELETE FROM export WHERE application_id = ?",
    }
    gone = {name: db.execute(statement, (case.application_id,)).rowcount for name, statement in statements.items()}
    changed = db.execute(
        "UPDATE application SET form = NULL, shredded_at = ? WHERE application_id = ? AND shredded_at IS NULL",
        (now, case.application_id),
    )
    if changed.rowcount:  # else another process has just done it
        case.note("shredded", {**gone, "out_of_reach": [export.sha256 for export in exports]})


def _rewrite(db: sqlite3.Connection) -> None:
    try:
        db.execute("VACUUM")
    except sqlite3.OperationalError as error:
        raise Retryable("the keys are destroyed, but the store is in use and not rewritten: shred again") from error
    _empty_log(db)


def _empty_log(db: sqlite3.Connection) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        [busy, _, _] = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
        if time.monotonic() > deadline:
            raise Retryable("the keys are destroyed, but a reader keeps the store's write-ahead log: shred again")
        time.sleep(0.1)
