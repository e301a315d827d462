"""The outbox: durable before the first send, the same bytes on every send, until receipted.

Sealed bundles are put in with the transaction that makes them due. `seal` packs what is waiting into signed envelopes
(at once when the outbox was idle, after at most `LINGER` when it is busy); `due` gives what must be sent now, and what
was not receipted in time, again.
What outlives its envelope (an outage of two weeks, or the certificate it was signed under) is sealed into a new one:
nobody would take the old one any more. A receipt is a signature of its own, as old as its envelope: it is signed again.
An envelope of `requests` is settled by the center's receipt; one of `responses` when the requester's delivery receipts
have named all its bundles.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import cbor2

from pipeline.crypto import envelopes, signed
from pipeline.crypto.bundles import Bundle, SealedBundle, clear_bundle, parse_bundle
from pipeline.crypto.keys import Signer
from pipeline.crypto.signed import MAX_LIFETIME
from pipeline.domain.parties import CENTER, InboxKind, inbox
from pipeline.stages.effects import Output
from pipeline.stages.local import Posted

LINGER = 50
"""How long (ms) a busy outbox gathers bundles before it seals an envelope."""
FIRST_RETRY = 30_000
LONGEST_RETRY = 3_600_000
SEAL_AT_ONCE = 200
"""How many waiting bundles one transaction seals at most."""
SEND_AT_ONCE = 32
_SIGNATURE_WITHIN = 256
"""Bytes at an envelope's start that are its signature's protected header and no bundle's; the thumbprint stands there."""


def put(connection: sqlite3.Connection, posts: Iterable[Posted]) -> None:
    """Take bundles in, inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO outbox_bundle (inbox, raw) VALUES (?, ?)", [(post.inbox, post.bundle.raw) for post in posts]
    )


def waiting(connection: sqlite3.Connection) -> int:
    """How many bundles wait to be sealed into an envelope."""
    count: int = connection.execute("SELECT count(*) FROM outbox_bundle").fetchone()[0]
    return count


def unsettled(connection: sqlite3.Connection) -> int:
    """How many envelopes are sent, or ready to be sent, and not receipted."""
    count: int = connection.execute("SELECT count(*) FROM outbox_envelope").fetchone()[0]
    return count


def oldest(connection: sqlite3.Connection) -> int | None:
    """When (ms) the oldest envelope that is not receipted was sealed; None when there is none."""
    until: int | None = connection.execute("SELECT min(expires_at) FROM outbox_envelope").fetchone()[0]
    return None if until is None else until - MAX_LIFETIME


def seal(connection: sqlite3.Connection, signer: Signer, now: int) -> int:
    """Pack waiting bundles into envelopes, inside the caller's transaction. Returns how many bundles were packed."""
    rows = connection.execute(
        "SELECT id, inbox, raw FROM outbox_bundle ORDER BY id LIMIT ?", (SEAL_AT_ONCE,)
    ).fetchall()
    for kind in dict.fromkeys(row[1] for row in rows):
        sealed = [_sealed(raw) for _, name, raw in rows if name == kind]
        for group in envelopes.pack(sealed):
            _store(connection, envelopes.build(group, signer, audience=CENTER, now=now), kind, group, now)
    connection.executemany("DELETE FROM outbox_bundle WHERE id = ?", [(row[0],) for row in rows])
    return len(rows)


def expired(connection: sqlite3.Connection, now: int) -> int:
    """How many envelopes are past their time and still not settled."""
    count: int = connection.execute("SELECT count(*) FROM outbox_envelope WHERE expires_at <= ?", (now,)).fetchone()[0]
    return count


def renew(connection: sqlite3.Connection, signer: Signer, now: int) -> None:
    """Take apart the envelopes past their time, inside the caller's transaction: their unsettled bundles wait again.

    All but receipts stay as they are, so receivers that know them already take them for what they are.
    """
    ids = connection.execute("SELECT id FROM outbox_envelope WHERE expires_at <= ?", (now,))
    _take_apart(connection, ids, signer, now)


def renew_under(connection: sqlite3.Connection, signer: Signer, now: int) -> None:
    """`renew` for the envelopes that were signed under another certificate than the signer's.

    For after a renewal: if it was because the old certificate was revoked, nobody takes what it signed and is still here.
    """
    query = "SELECT id FROM outbox_envelope WHERE instr(substr(value, 1, ?), ?) = 0"
    _take_apart(connection, connection.execute(query, (_SIGNATURE_WITHIN, signer.thumbprint)), signer, now)


def due(connection: sqlite3.Connection, now: int) -> list[Output]:
    """Envelopes to be sent now, oldest first, a bounded number of them."""
    rows = connection.execute(
        "SELECT id, topic, value, headers FROM outbox_envelope WHERE next_at <= ? ORDER BY next_at, id LIMIT ?",
        (now, SEND_AT_ONCE),
    ).fetchall()
    return [
        Output(topic, envelope_id, value, tuple((name, content) for name, content in cbor2.loads(headers)))
        for envelope_id, topic, value, headers in rows
    ]


def sent(connection: sqlite3.Connection, outputs: Sequence[Output], now: int) -> None:
    """Note that the broker has these; they are sent again unless they are settled in time."""
    connection.executemany(
        "UPDATE outbox_envelope SET next_at = ? + min(? << min(sends, 16), ?), sends = sends + 1 WHERE id = ?",
        [(now, FIRST_RETRY, LONGEST_RETRY, output.key) for output in outputs],
    )


def receipted(connection: sqlite3.Connection, envelope_ids: Iterable[bytes]) -> None:
    """The center has receipted these envelopes; those that await delivery receipts stay."""
    connection.executemany(
        "DELETE FROM outbox_envelope WHERE id = ? AND NOT EXISTS (SELECT 1 FROM outbox_open WHERE envelope_id = id)",
        [(envelope_id,) for envelope_id in envelope_ids],
    )


def settled(connection: sqlite3.Connection, digests: Iterable[bytes]) -> None:
    """Requesters hold the bundles with these digests; an envelope goes with the last of its bundles."""
    for digest in digests:
        rows = connection.execute("SELECT envelope_id FROM outbox_open WHERE digest = ?", (digest,)).fetchall()
        connection.execute("DELETE FROM outbox_open WHERE digest = ?", (digest,))
        receipted(connection, [row[0] for row in rows])


def call_off(
    connection: sqlite3.Connection, requester: str, mandate_digest: bytes, rows: Collection[int] | None = None
) -> None:
    """Let go of the answers under a mandate, inside the caller's transaction; of those about `rows` only when given.

    Nobody will receipt what the center has not passed on by then. What it has passed on may be receipted later: that settles
    nothing then.
    """

    def is_meant(bundle: Bundle) -> bool:
        header = bundle.header
        ours = header.kind == "answer" and (header.requester, header.mandate_digest) == (requester, mandate_digest)
        return ours and (rows is None or set(header.rows) <= set(rows))

    waiting_ones = connection.execute(
        "SELECT id, raw FROM outbox_bundle WHERE inbox = 'responses' AND instr(raw, ?) > 0", (mandate_digest,)
    ).fetchall()
    gone = [(number,) for number, raw in waiting_ones if is_meant(parse_bundle(raw))]
    connection.executemany("DELETE FROM outbox_bundle WHERE id = ?", gone)
    query = (
        "SELECT value FROM outbox_envelope WHERE id IN (SELECT envelope_id FROM outbox_open) AND instr(value, ?) > 0"
    )
    for (value,) in connection.execute(query, (mandate_digest,)).fetchall():
        inside = [parse_bundle(raw) for raw in cbor2.loads(value)[1]]
        settled(connection, [bundle.leaf for bundle in inside if is_meant(bundle)])


def naming(
    connection: sqlite3.Connection, requester: str, mandate_digest: bytes, rows: Collection[int]
) -> list[Bundle]:
    """The unsettled answers under a mandate that are about some of `rows`."""
    held = [row[0] for row in connection.execute("SELECT raw FROM outbox_bundle WHERE inbox = 'responses'")]
    opened = {row[0] for row in connection.execute("SELECT digest FROM outbox_open")}
    query = (
        "SELECT value FROM outbox_envelope WHERE id IN (SELECT envelope_id FROM outbox_open) AND instr(value, ?) > 0"
    )
    found = [parse_bundle(raw) for raw in held if mandate_digest in raw]
    for (value,) in connection.execute(query, (mandate_digest,)).fetchall():
        found += [bundle for raw in cbor2.loads(value)[1] if (bundle := parse_bundle(raw)).leaf in opened]
    return [
        bundle
        for bundle in found
        if bundle.header.kind == "answer"
        and (bundle.header.requester, bundle.header.mandate_digest) == (requester, mandate_digest)
        and not set(rows).isdisjoint(bundle.header.rows)
    ]


def drop(connection: sqlite3.Connection, digests: Collection[bytes]) -> None:
    """Let go of bundles that others take the place of, inside the caller's transaction."""
    for number, raw in connection.execute("SELECT id, raw FROM outbox_bundle WHERE inbox = 'responses'").fetchall():
        if digests and parse_bundle(raw).leaf in digests:
            connection.execute("DELETE FROM outbox_bundle WHERE id = ?", (number,))
    settled(connection, digests)


def _take_apart(connection: sqlite3.Connection, ids: Iterable[tuple[bytes]], signer: Signer, now: int) -> None:
    for (envelope_id,) in list(ids):
        query = "SELECT topic, value FROM outbox_envelope WHERE id = ?"
        topic, value = connection.execute(query, (envelope_id,)).fetchone()
        opened = connection.execute("SELECT digest FROM outbox_open WHERE envelope_id = ?", (envelope_id,))
        unsettled_ones = {digest for (digest,) in opened}
        _, raws = cbor2.loads(value)
        kept = [raw for raw in raws if not unsettled_ones or parse_bundle(raw).leaf in unsettled_ones]
        kind = topic.rpartition(".")[2]
        again = [(kind, _of_today(raw, signer, now)) for raw in kept]
        connection.executemany("INSERT INTO outbox_bundle (inbox, raw) VALUES (?, ?)", again)
        connection.execute("DELETE FROM outbox_open WHERE envelope_id = ?", (envelope_id,))
        connection.execute("DELETE FROM outbox_envelope WHERE id = ?", (envelope_id,))


def _of_today(raw: bytes, signer: Signer, now: int) -> bytes:
    """The bundle; of receipts, which nobody refers to, one that says the same with signatures of today."""
    bundle = parse_bundle(raw)
    if bundle.header.kind != "receipt":
        return raw
    told = [signed.peek(record) for record in bundle.records]
    records = [signed.sign(one.typ, one.payload, signer, audience=CENTER, now=now).raw for one in told]
    return clear_bundle(replace(bundle.header, bundle_id=os.urandom(16)), records).raw


def _sealed(raw: bytes) -> SealedBundle:
    bundle = parse_bundle(raw)
    return SealedBundle(raw, bundle.leaf, len(bundle.records), bundle.header)


def _store(
    connection: sqlite3.Connection,
    envelope: envelopes.Envelope,
    kind: InboxKind,
    group: Sequence[SealedBundle],
    now: int,
) -> None:
    headers = cbor2.dumps([[name, content] for name, content in envelope.headers])
    connection.execute(
        "INSERT INTO outbox_envelope VALUES (?, ?, ?, ?, 0, ?, ?)",
        (envelope.id, inbox(CENTER, kind), envelope.value, headers, now, now // 1000 * 1000 + MAX_LIFETIME),
    )
    if kind == "responses":
        connection.executemany(
            "INSERT INTO outbox_open VALUES (?, ?)", [(bundle.leaf, envelope.id) for bundle in group]
        )
