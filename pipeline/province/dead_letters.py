"""A party's own dead letters, in its store: looked at, worked on again by its adapter, or discarded.

The adapter alone works on messages: who wants one worked on again notes that here, and the adapter's own thread takes it up as it
came, with the time at which it was appended; the position in the inbox stays. It is noted as done after its effects are stored; should the
adapter end between the two, it is worked on once more, and its receiver knows it. What fails again is a letter again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.crypto.envelopes import claimed_issuer
from pipeline.domain.errors import ConfigError
from pipeline.domain.free_text import free_text_fault
from pipeline.province import access
from pipeline.province.database import transaction
from pipeline.stages.acts import REASON_LIMIT
from pipeline.stages.effects import Message
from pipeline.stages.local import Access

Positions = Mapping[tuple[str, int], int]
State = Literal["open", "asked", "replayed", "discarded"]
STATES: Final[tuple[State, ...]] = ("open", "asked", "replayed", "discarded")
"""`asked`: it is to be worked on again, and the adapter has not yet."""
AT_ONCE: Final = 20
"""Letters that one turn of the adapter takes up at most."""

_LETTERS = """
SELECT l.topic, l.partition, l.offset, l.code, l.detail, l.key, l.value, l.at, a.act, a.by, a.reason, a.at, a.done_at
FROM dead_letter l LEFT JOIN dead_letter_act a ON a.rowid = (
  SELECT max(rowid) FROM dead_letter_act WHERE topic = l.topic AND partition = l.partition AND offset = l.offset
  AND put_aside = l.at)
"""


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter in a party's store. `place`: `topic/partition/offset` where it stood; two at one place differ in `at` (ms)."""

    topic: str
    partition: int
    offset: int
    code: str
    detail: str
    key: bytes | None
    value: bytes | None
    at: int
    state: State
    by: str | None = None
    reason: str | None = None
    acted_at: int | None = None

    @property
    def place(self) -> str:
        """Where it stood."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def issuer(self) -> str | None:
        """Who the envelope says it is from."""
        return claimed_issuer(self.value or b"")


def kept_letters(
    connection: sqlite3.Connection,
    *,
    code: str | None = None,
    issuer: str | None = None,
    since: int | None = None,
    state: str | None = None,
    limit: int = 200,
) -> list[KeptLetter]:
    """The newest letters, newest first, `limit` at most; of a code, claimed issuer, state, put aside since `since` (ms)."""
    rows = connection.execute(
        f"{_LETTERS} WHERE (?1 IS NULL OR l.code = ?1) AND (?2 IS NULL OR l.at >= ?2) ORDER BY l.at DESC, l.rowid DESC",
        (code, since),
    )
    found: list[KeptLetter] = []
    for row in rows:
        letter = _letter(*row)
        if issuer in (None, letter.issuer) and state in (None, letter.state):
            found.append(letter)
            if len(found) == limit:
                break
    return found


def kept_letter(connection: sqlite3.Connection, place: str) -> KeptLetter:
    """The newest letter of what stood at `topic/partition/offset`. Raises ConfigError when there is none."""
    parts = place.rsplit("/", 2)
    rows = connection.execute(
        f"{_LETTERS} WHERE l.topic || '/' || l.partition || '/' || l.offset = ? ORDER BY l.at DESC, l.rowid DESC",
        (place,),
    ).fetchall()
    if len(parts) != 3 or not rows:
        raise ConfigError(f"no dead letter of {place}: give TOPIC/PARTITION/OFFSET, as hedx dlq list --party shows it")
    return _letter(*rows[0])


def act_on_kept(
    connection: sqlite3.Connection,
    place: str,
    act: Literal["replayed", "discarded"],
    *,
    by: str,
    reason: str,
    now: int,
    again: bool = False,
) -> KeptLetter:
    """Ask for a letter to be worked on again, or discard it; in the access log with it. Raises ConfigError when it may not be."""
    if fault := free_text_fault(reason, REASON_LIMIT):
        raise ConfigError(f"the reason: {fault}; it is kept, so it must be there, be short, and name nobody")
    with transaction(connection) as db:
        letter = kept_letter(db, place)
        if letter.state == "discarded":
            raise ConfigError(f"{place} was discarded by {letter.by}: that is final")
        if letter.state != "open" and not (again and letter.state == "replayed" and act == "replayed"):
            raise ConfigError(f"{place} is {letter.state} already, by {letter.by}")
        word = "dead_letter_replay" if act == "replayed" else "dead_letter_discard"
        access.record(db, Access(word, "", "", "", "", {"letter": place, "reason": reason}), actor=by, at=now)
        done = None if act == "replayed" else now
        row = (letter.topic, letter.partition, letter.offset, letter.at, act, by, reason, now, done)
        db.execute("INSERT INTO dead_letter_act VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return kept_letter(db, place)


def asked_for(connection: sqlite3.Connection, topic: str) -> dict[int, Message]:
    """Messages of `topic` that are to be worked on again, at most `AT_ONCE`, in the order in which they were asked for.

    By the number of the act that asks. Each has the time at which it was appended, which deadlines go by; of a letter that was
    put aside before that was kept (layout 4) nobody knows it, and it has the time at which it was put aside.
    """
    rows = connection.execute(
        "SELECT a.rowid, l.topic, l.partition, l.offset, coalesce(l.appended_at, l.at), l.key, l.value"
        " FROM dead_letter_act a JOIN dead_letter l ON"
        " l.topic = a.topic AND l.partition = a.partition AND l.offset = a.offset AND l.at = a.put_aside"
        " WHERE a.topic = ? AND a.done_at IS NULL ORDER BY a.rowid LIMIT ?",
        (topic, AT_ONCE),
    )
    return {number: Message(*row) for number, *row in rows}


def work_again(
    connection: sqlite3.Connection, topic: str, work: Callable[[Sequence[Message], Positions], None], now: int
) -> bool:
    """Let `work`, a desk's, do what was asked for, and note it; whether there was anything.

    Positions stay where they are. Raises what `work` raises; then it is still asked for.
    """
    asked = asked_for(connection, topic)
    if not asked:
        return False
    work(list(asked.values()), {})
    with transaction(connection) as db:
        db.executemany("UPDATE dead_letter_act SET done_at = ? WHERE rowid = ?", [(now, number) for number in asked])
    return True


def _letter(
    topic: str,
    partition: int,
    offset: int,
    code: str,
    detail: str,
    key: bytes | None,
    value: bytes | None,
    at: int,
    act: str | None,
    by: str | None,
    reason: str | None,
    acted_at: int | None,
    done_at: int | None,
) -> KeptLetter:
    state: State = (
        "open" if act is None else "discarded" if act == "discarded" else "asked" if done_at is None else "replayed"
    )
    return KeptLetter(topic, partition, offset, code, detail, key, value, at, state, by, reason, acted_at)
