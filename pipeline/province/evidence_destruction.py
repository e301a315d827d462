"""Destroying documents (销毁) with a protocol: who, who witnessed it, when, why, and the digests of what is gone (Art. 9).

The protocol is signed and on the disk, with the access log's row, before a key is destroyed; a crash in between leaves
documents that are listed as destroyed and still there, which `finish`, or the next destruction, makes true. Protocols are
numbered without gaps and each names the digest of the one before it. What others were given is out of reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.codec import framing
from pipeline.crypto import cose, signed
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.officers import is_same_person, spelling
from pipeline.domain.parties import EVERYONE
from pipeline.domain.records import DestroyedDocument, Destruction, TrustEntry
from pipeline.province import access
from pipeline.province.database import transaction
from pipeline.province.evidence_documents import Document
from pipeline.province.evidence_retention import closed_at, kept_until
from pipeline.province.evidence_store import EvidenceStore
from pipeline.stages.acts import REASON_LIMIT
from pipeline.stages.notices import sign_record


def until(archive: EvidenceStore, document: Document) -> int | None:
    """The last instant (ms) that a document is kept; None while its application is open."""
    closed = closed_at(archive.connection, document.application_id)
    return None if closed is None else kept_until(closed, document.years)


def destroy(
    archive: EvidenceStore,
    application_id: str,
    documents: Sequence[Document],
    *,
    second: str,
    reason: str,
    now: int,
    early: bool = False,
) -> Destruction:
    """Destroy `documents` of one application, by protocol. `second`: who witnesses it (监销人); `early`: before their time.

    Raises ConfigError when there is nothing to destroy, the second person is the first or nobody, there is no reason, or
    a document's period has not ended and it is not said to be `early`.
    """
    if archive.identity is None:
        raise ConfigError("a protocol of destruction is signed: it needs the party's identity")
    _check(documents, archive.by, second.strip(), reason.strip())
    ends = [until(archive, document) for document in documents]
    before_time = any(end is None or end >= now for end in ends)
    if before_time and not early:
        raise ConfigError("a document's retention period has not ended: it is destroyed only as an exception, --early")
    matter, signer = archive.matter(application_id), archive.identity.signer
    gone = [
        DestroyedDocument(digest=d.digest, kind=d.kind, numbers=list(d.numbers), kept_until=end)
        for d, end in zip(documents, ends, strict=True)
    ]
    with transaction(archive.connection) as db:
        for document in documents:
            if archive.document(application_id, document.digest).protocol is not None:
                raise ConfigError(f"document {document.digest.hex()} is destroyed already")
        [last] = db.execute("SELECT coalesce(max(number), 0) FROM destruction").fetchone()
        previous = db.execute("SELECT signed FROM destruction WHERE number = ?", (last,)).fetchone()
        protocol = Destruction(
            party=signer.party,
            number=last + 1,
            application_id=application_id,
            documents=gone,
            early=before_time,
            reason=reason.strip(),
            officer=archive.by,
            second=second.strip(),
            previous=None if previous is None else cose.decode(previous[0]).digest,
            at=now,
        )
        raw = sign_record("destruction", "Destruction", protocol, signer, EVERYONE, now)
        witness = (signer.thumbprint, signer.party, signer.certificate)
        db.execute("INSERT OR IGNORE INTO witness VALUES (?, ?, ?)", witness)
        db.execute("INSERT INTO destruction VALUES (?, ?, ?)", (protocol["number"], now, raw))
        db.executemany(
            "UPDATE document SET protocol = ?, name = NULL WHERE id = ?",
            [(protocol["number"], document.id) for document in documents],
        )
        detail: dict[str, object] = {"protocol": protocol["number"], "documents": [d.digest.hex() for d in documents]}
        access.record(db, matter.access("evidence_destroyed", detail), actor=archive.by, at=now)
    finish(archive)
    return protocol


def finish(archive: EvidenceStore) -> int:
    """Remove what protocols say is destroyed and a crash left; returns how many documents that were."""
    left = archive.destroyed_but_kept()
    for document in left:
        archive.forget(document)
    return len(left)


def protocols(archive: EvidenceStore, trust: Trust) -> Iterator[Destruction]:
    """Every protocol in order, verified: signature, number, and the digest of the one before.

    `trust` may know the center only: the certificates that the store keeps count when they lead to the root. Raises
    InvalidMessage of `signed.verify`, or `protocol_chain_broken`.
    """
    previous: bytes | None = None
    rows = archive.connection.execute("SELECT number, at, signed FROM destruction ORDER BY number").fetchall()
    for party in {signed.peek(raw).claims.issuer for _, _, raw in rows} - set(trust.parties()):
        trust.update(_entry_of(archive, party))
    for expected, (number, at, raw) in enumerate(rows, start=1):
        verified = signed.verify_kept(raw, "destruction", trust, witness=at)
        protocol: Destruction = framing.decode_as("Destruction", verified.payload)  # type: ignore[assignment]
        said = (protocol["number"], protocol["previous"], protocol["party"])
        if number != expected or said != (number, previous, verified.issuer):
            raise InvalidMessage("protocol_chain_broken", f"protocol {expected}")
        previous = verified.digest
        yield protocol


def _entry_of(archive: EvidenceStore, party: str) -> TrustEntry:
    """A trust entry that says no more than: if one of these certificates leads to the root, it is this party's."""
    kept = archive.connection.execute("SELECT certificate FROM witness WHERE party = ?", (party,)).fetchall()
    return TrustEntry(
        party=party,
        name="",
        role="province",
        signing_certificates=[certificate for (certificate,) in kept],
        sealing_certificates=[],
        transport_certificates=[],
        addresses=[],
        minimum_suite=1,
        suspended=False,
        number=0,
    )


def _check(documents: Sequence[Document], officer: str, second: str, reason: str) -> None:
    if not documents:
        raise ConfigError("there is no document to destroy")
    if not spelling(second) or is_same_person(second, officer):
        raise ConfigError("a second person, other than who destroys, witnesses it (监销人)")
    if not 0 < len(reason) <= REASON_LIMIT:
        raise ConfigError(f"a reason is given, of {REASON_LIMIT} characters at most")
