"""What a provider owes (未反馈): rows that wait for a register, and reminders (催报) of what it has not answered, by deadline.

Out of its own store alone. Acts were verified when they were put there; what is listed is for the provider's operator.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.parties import CENTER
from pipeline.province import parking
from pipeline.stages.local import Parked


@dataclass(frozen=True, slots=True)
class Owed:
    """An answer that is owed until `deadline` (ms): a row of a section that waits `because` its register is away.

    `reminded_at` (ms): when the newest reminder of its application came. A reminder of requests that are not in the store
    stands alone: without section, row, category and reason.
    """

    application_id: str
    requester: str
    section: int | None
    row: int | None
    category: str | None
    deadline: int
    because: str | None
    reminded_at: int | None


def owed(db: sqlite3.Connection, party: str) -> list[Owed]:
    """What `party`, whose store this is, owes, the earliest deadline first."""
    reminders = _reminders(db)
    waiting = list(_waiting(db, party, reminders))
    parked = {request.mandate_digest for request in parking.waiting(db)}
    alone = [
        Owed(record["application_id"], record["requester"], None, None, None, record["due"], None, at)
        for digest, (record, at) in reminders.items()
        if digest not in parked and not _is_done_with(db, record["requester"], digest)
    ]
    return sorted(
        [*waiting, *alone], key=lambda one: (one.deadline, one.application_id, one.section or 0, one.row or 0)
    )


def _waiting(
    db: sqlite3.Connection, party: str, reminders: Mapping[bytes, tuple[Mapping[str, Any], int]]
) -> Iterator[Owed]:
    """Rows that are parked, each with the deadline that stands for it."""
    for request in parking.waiting(db):
        agreed = _agreed(db, party, request)
        _, reminded_at = reminders.get(request.mandate_digest, ({}, None))
        for row in request.rows:
            yield Owed(
                request.application_id,
                request.requester,
                request.section,
                row.row,
                row.category,
                max(row.deadline, agreed.get(row.row, 0)),
                row.reason,
                reminded_at,
            )


def _reminders(db: sqlite3.Connection) -> dict[bytes, tuple[Mapping[str, Any], int]]:
    """Mandate → its newest reminder, and when (ms) that came."""
    query = "SELECT signed, at FROM act WHERE typ = 'review' AND issuer = ? ORDER BY at, digest"
    found: dict[bytes, tuple[Mapping[str, Any], int]] = {}
    for raw, at in db.execute(query, (CENTER,)):
        record = framing.decode_as("ReviewNotice", cose.decode(raw).payload)
        if record["kind"] == "reminder":
            found[record["mandate_digest"]] = record, at
    return found


def _agreed(db: sqlite3.Connection, party: str, request: Parked) -> dict[int, int]:
    """Row → the latest deadline (ms) that was agreed for it since the acceptance.

    A party that asked itself, too, also has what was agreed with others.
    """
    query = "SELECT signed FROM act WHERE typ = 'extension' AND issuer = ? AND application_id = ?"
    found: dict[int, int] = {}
    for (raw,) in db.execute(query, (CENTER, request.application_id)):
        record = framing.decode_as("Extension", cose.decode(raw).payload)
        ours = (record["provider"], record["mandate_digest"]) == (party, request.mandate_digest)
        if ours and not record["closed"]:
            found |= {row: max(record["until"], found.get(row, 0)) for row in record["rows"]}
    return found


def _is_done_with(db: sqlite3.Connection, requester: str, mandate_digest: bytes) -> bool:
    """Whether what came under a mandate is answered, or the mandate withdrawn."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM answered WHERE mandate_digest = :digest)"
        " OR EXISTS (SELECT 1 FROM called_off WHERE requester = :requester AND mandate_digest = :digest)"
    )
    return bool(db.execute(query, {"digest": mandate_digest, "requester": requester}).fetchone()[0])
