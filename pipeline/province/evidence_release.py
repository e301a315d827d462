"""Releasing documents to the center, one by one and only what was asked for (Art. 9).

A document goes into the outbox sealed to the center, in numbered parts, in the transaction that notes who released it. Once
there is something to say about everything that was asked, the reply is signed: every digest released, everything missing
and why. Nothing leaves the archive in any other way.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, sealing
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import EvidenceHead, EvidenceKind, EvidenceMissing, EvidenceReply
from pipeline.province import access, outbox
from pipeline.province.database import transaction
from pipeline.province.evidence_documents import Document
from pipeline.province.evidence_requests import Asked, Decision, Want, decide, decisions, meets, request
from pipeline.province.evidence_store import EvidenceStore
from pipeline.province.store import Store
from pipeline.stages.acts import REASON_LIMIT, kept_act, post_act, sign_act
from pipeline.stages.evidence import MOST_PARTS, REPLY_LIMIT
from pipeline.stages.evidence_casework import mark
from pipeline.stages.local import Posted
from pipeline.stages.notices import SUITE, Entropy

PART = 448 * 1024
"""Bytes of a document in one bundle: with its seal and padding it stays below an envelope's 512 KiB."""


class Release:
    """One party's officer at work on the center's requests."""

    def __init__(self, archive: EvidenceStore, identity: Identity, trust: Trust, entropy: Entropy = os.urandom) -> None:
        self._archive = archive
        self._identity = identity
        self._trust = trust
        self._entropy = entropy

    def asked(self, request_id: str) -> Asked:
        """The request as it stands. Raises ConfigError for an unknown one."""
        return request(self._archive.connection, self._trust, self._identity.party, request_id)

    def open(self, request_id: str) -> list[Want]:
        """What of a request nobody has decided about."""
        asked = self.asked(request_id)
        return asked.open(self._documents(asked))

    def eligible(self, asked: Asked) -> list[Document]:
        """Documents the request asks for, that are there and were not released for it yet."""
        done = {decision.digest for decision in asked.decisions}
        return [d for d in self._documents(asked) if asked.covers(d) and d.digest not in done]

    def release(self, request_id: str, documents: Sequence[Document], *, now: int) -> bool:
        """Send these documents to the center; returns whether that completed the request, and the reply is sent, too.

        Raises ConfigError for a document that was not asked for, or was released for it already, and for a request that is
        over. A damaged one raises InvalidMessage before anything of it is sent.
        """
        asked = self._unanswered(request_id)
        may = {document.digest for document in self.eligible(asked)}
        for document in documents:
            if document.digest not in may:
                raise ConfigError(
                    f"document {document.digest.hex()} is not what request {asked.id} asks for, or went already"
                )
        known = {document.digest: document for document in self._documents(asked)}
        going = [*documents, *(known[d.digest] for d in asked.decisions if d.digest in known)]
        if sum(-(-document.size // PART) for document in going) > MOST_PARTS:
            raise ConfigError(
                f"one request takes {MOST_PARTS} parts of documents at most: ask the center for another one"
            )
        for document in documents:
            self._send(asked, document, now)
        return self._reply_if_whole(asked.id, now)

    def refuse(self, request_id: str, number: int | None, kind: EvidenceKind, *, reason: str, now: int) -> bool:
        """Say that a document asked for is not released, and why; returns whether the reply is sent with it.

        Raises ConfigError for what was not asked for, or is released already, and without a reason.
        """
        asked = self._unanswered(request_id)
        if (number, kind) not in asked.open(self._documents(asked)):
            raise ConfigError(f"{kind} of {number or 'the application'} is not open in request {asked.id}")
        if not 0 < len(reason.strip()) <= REASON_LIMIT:
            raise ConfigError(f"a reason is given, of {REASON_LIMIT} characters at most")
        with transaction(self._archive.connection) as db:
            decide(db, asked.id, Decision(None, number, kind, reason.strip(), self._archive.by, now))
            self._log(asked, "evidence_refused", {"kind": kind, "number": number}, now)
        return self._reply_if_whole(asked.id, now)

    def _unanswered(self, request_id: str) -> Asked:
        asked = self.asked(request_id)
        if asked.judged is not None:
            raise ConfigError(f"request {asked.id} is over: the center has judged it")
        if asked.reply is not None:
            raise ConfigError(f"request {asked.id} is replied to already")
        return asked

    def _documents(self, asked: Asked) -> list[Document]:
        held = self._archive.rests_on(asked.request["application_id"])
        return [document for document in held if document.protocol is None]

    def _send(self, asked: Asked, document: Document, now: int) -> None:
        content = self._archive.read(document, "evidence_read", {"request": asked.id}, now=now)
        number = next((n for n in asked.request["numbers"] if document.is_about(n)), None) if document.numbers else None
        sealed = [Posted("requests", bundle) for bundle in self._sealed(asked, document, number, content, now)]
        with transaction(self._archive.connection) as db:
            if any(decision.digest == document.digest for decision in decisions(db, asked.id)):
                return  # another officer was quicker
            outbox.put(db, sealed)
            decide(db, asked.id, Decision(document.digest, number, document.kind, "", self._archive.by, now))
            self._log(asked, "evidence_released", {"document": document.digest.hex(), "kind": document.kind}, now)

    def _sealed(
        self, asked: Asked, document: Document, number: int | None, content: bytes, now: int
    ) -> list[SealedBundle]:
        party = self._identity.party
        secret, seal = sealing.new_seal(party, [self._trust.sealing_key(CENTER, now)], self._entropy)
        pieces = [content[at : at + PART] for at in range(0, len(content), PART)]
        [digest] = self._archive.connection.execute(
            "SELECT mandate_digest FROM application WHERE application_id = ?", (asked.request["application_id"],)
        ).fetchone()
        made: list[SealedBundle] = []
        for part, piece in enumerate(pieces, start=1):
            head = EvidenceHead(
                request_id=asked.id,
                application_id=asked.request["application_id"],
                number=number,
                kind=document.kind,
                digest=document.digest,
                size=document.size,
                media_type=document.media_type,
                part=part,
                parts=len(pieces),
            )
            header = Header(
                kind="evidence",
                bundle_id=self._entropy(16),
                sender=party,
                to=CENTER,
                requester=party,
                application_id=asked.request["application_id"],
                mandate_digest=digest,
                answers=mark(asked.id),
                version=1,
                suite=SUITE,
                schema=schemas.schema_id("EvidenceHead"),
                part=part,
                parts=len(pieces),
            )
            heads = [framing.encode("EvidenceHead", head)]
            made.append(bundles.seal_bundle(header, [piece], secret, seal, heads=heads))
        return made

    def _reply_if_whole(self, request_id: str, now: int) -> bool:
        asked = self.asked(request_id)
        documents = self._documents(asked)
        if asked.open(documents):
            return False
        gone = [document for document in documents if any(document.digest == d.digest for d in asked.decisions)]
        missing = [
            EvidenceMissing(number=d.number, kind=d.kind, reason=d.reason)
            for d in asked.decisions
            if d.digest is None and not any(meets(document, (d.number, d.kind)) for document in gone)
        ]
        party, signer = self._identity.party, self._identity.signer
        reply = EvidenceReply(
            request_id=asked.id,
            application_id=asked.request["application_id"],
            requester=party,
            released=[d.digest for d in asked.decisions if d.digest is not None],
            missing=missing,
            at=now,
        )
        raw = sign_act("evidence-reply", reply, signer, CENTER, now)
        if len(raw) > REPLY_LIMIT:
            raise ConfigError("the reply is too long: give shorter reasons")
        act = kept_act(raw, self._trust, witness=now)
        bundle = post_act(raw, party, CENTER, party, reply["application_id"], self._entropy)
        Store(self._archive.connection, self._identity).send(act, bundle, now)
        return True

    def _log(self, asked: Asked, act: str, detail: dict[str, object], now: int) -> None:
        matter = self._archive.matter(asked.request["application_id"])
        said = matter.access(act, {"request": asked.id, **detail})
        access.record(self._archive.connection, said, actor=self._archive.by, at=now)
