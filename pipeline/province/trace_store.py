"""What a party's own store knows of one application or one envelope: by what it keeps in clear, nothing is opened."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.crypto.envelopes import clear_headers
from pipeline.crypto.headers import Header
from pipeline.domain.errors import InvalidMessage


@dataclass(frozen=True, slots=True)
class Mark:
    """Something a store knows. `at`: ms; None where the store does not say when."""

    at: int | None
    stage: str
    kind: str
    provider: str | None = None
    section: int | None = None
    count: int = 1
    code: str | None = None
    by: str | None = None
    message_id: str | None = None
    place: str | None = None


OUTBOX: Final = "outbox"


def marks_of(db: sqlite3.Connection, application_id: str) -> list[Mark]:
    """Everything the store knows of an application, as requester or as provider: what has an instant first, in order."""
    marks = [
        *_filed(db, application_id),
        *_history(db, application_id),
        *_answers(db, application_id),
        *_certificates(db, application_id),
        *_outbox(db, application_id),
        *_parked(db, application_id),
        *_acts(db, application_id),
        *_asked(db, application_id),
        *_letters(db, application_id.encode()),
    ]
    return sorted(marks, key=lambda mark: (mark.at is None, mark.at or 0))


def marks_of_message(db: sqlite3.Connection, message_id: bytes) -> list[Mark]:
    """What the store knows of an envelope: that it came, or waits to be receipted, or was put aside."""
    marks: list[Mark] = []
    for issuer, _ in db.execute("SELECT issuer, expires_at FROM seen WHERE id = ?", (message_id,)):
        marks.append(Mark(None, "inbox", "worked_on", issuer, message_id=message_id.hex()))
    query = "SELECT topic, value, sends, next_at FROM outbox_envelope WHERE id = ?"
    for topic, value, sends, next_at in db.execute(query, (message_id,)):
        marks.append(_waiting(message_id, topic, _read(value), sends, next_at))
    return [*marks, *_letters(db, message_id)]


def _filed(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    query = "SELECT filed_at, persons FROM application WHERE application_id = ?"
    for filed_at, persons in db.execute(query, (application_id,)):
        yield Mark(filed_at, "filing", "filed", count=persons)


def _history(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    query = "SELECT at, by, event, state, code FROM history WHERE application_id = ? ORDER BY number"
    for at, by, event, _, code in db.execute(query, (application_id,)):
        yield Mark(at, "deliver" if event != "file" else "filing", event, code=code, by=by)


def _answers(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    query = (
        "SELECT provider, section, outcome, count(*) FROM bundle WHERE application_id = ?"
        " GROUP BY provider, section, outcome ORDER BY section, provider"
    )
    for provider, section, outcome, count in db.execute(query, (application_id,)):
        yield Mark(None, "deliver", "answers_held", provider, section, count, outcome)


def _certificates(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    query = "SELECT version, received_at FROM result WHERE application_id = ? ORDER BY version"
    for version, received_at in db.execute(query, (application_id,)):
        yield Mark(received_at, "deliver", "result_received", code=f"version_{version}")
    query = "SELECT section, version FROM certificate WHERE application_id = ? ORDER BY section, version"
    for section, version in db.execute(query, (application_id,)):
        yield Mark(None, "deliver", "section_certificate_held", section=section, code=f"version_{version}")


def _outbox(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    """What is not settled yet: bundles that wait for an envelope, envelopes that wait for a receipt."""
    about = application_id.encode()
    waiting = db.execute("SELECT count(*) FROM outbox_bundle WHERE instr(raw, ?) > 0", (about,)).fetchone()[0]
    if waiting:
        yield Mark(None, OUTBOX, "waits_to_be_sealed", count=waiting)
    query = "SELECT id, topic, value, sends, next_at FROM outbox_envelope WHERE instr(value, ?) > 0 ORDER BY id"
    for message_id, topic, value, sends, next_at in db.execute(query, (about,)):
        own = [header for header in _read(value) if header.application_id == application_id]
        if own:
            yield _waiting(message_id, topic, own, sends, next_at)


def _waiting(message_id: bytes, topic: str, headers: Sequence[Header], sends: int, next_at: int) -> Mark:
    sections = {header.section for header in headers if header.section}
    return Mark(
        next_at,
        OUTBOX,
        "waits_for_receipt" if sends else "waits_to_be_sent",
        section=min(sections) if len(sections) == 1 else None,
        count=len(headers),
        code=f"sent_{sends}",
        message_id=message_id.hex(),
        place=topic,
    )


def _parked(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    query = (
        "SELECT parked.at, parked.section, parked_row.category, parked_row.until FROM parked JOIN parked_row"
        " USING (mandate_digest, section, version) WHERE application_id = ? ORDER BY section, row"
    )
    for _, section, category, until in db.execute(query, (application_id,)):
        yield Mark(until, "answer", "waits_for_register", section=section, code=category)


def _acts(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    query = "SELECT at, typ, issuer FROM act WHERE application_id = ? ORDER BY at"
    for at, typ, issuer in db.execute(query, (application_id,)):
        yield Mark(at, "acts", typ, by=issuer)


def _asked(db: sqlite3.Connection, application_id: str) -> Iterator[Mark]:
    """Requests of others that were answered or refused here, by the access log."""
    query = (
        "SELECT at, act, detail FROM access WHERE application_id = ? AND act IN ('opened', 'refused') ORDER BY number"
    )
    for at, act, text in db.execute(query, (application_id,)):
        detail = json.loads(text)
        if "persons" in detail:  # what a requester opens of its own results has none
            yield Mark(at, "answer", act, section=detail["section"], count=detail["persons"], code=detail.get("code"))


def _letters(db: sqlite3.Connection, needle: bytes) -> Iterator[Mark]:
    query = (
        "SELECT topic, partition, offset, code, at FROM dead_letter"
        " WHERE instr(coalesce(value, x''), ?) > 0 OR instr(coalesce(key, x''), ?) > 0 ORDER BY at"
    )
    for topic, partition, offset, code, at in db.execute(query, (needle, needle)):
        yield Mark(at, "inbox", "dead_letter", code=code, place=f"{topic}/{partition}/{offset}")


def _read(value: bytes) -> list[Header]:
    try:
        return clear_headers(value)
    except InvalidMessage:
        return []
