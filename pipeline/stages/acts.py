"""Acts: what parties tell each other beyond applications and answers, each a signed object in a clear bundle.

A party signs for the center (audience `center`); the center relays such an act unaltered. What the center signs names its
reader. Who may sign which type is in `crypto.signed.SIGNERS`; here is what is inside, and that the signer speaks for
itself only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.keys import Signer
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.stages.notices import Entropy, Notice, post, sign_record

REASON_LIMIT: Final = 500
"""Characters of a reason in an act."""


@dataclass(frozen=True, slots=True)
class ActType:
    """Name of the record inside, and the field of it that must name the signer (None: the center signs)."""

    record: str
    signer_field: str | None


ACTS: Final[dict[str, ActType]] = {
    "withdrawal": ActType("Withdrawal", "requester"),
    "withdrawal-ack": ActType("WithdrawalAck", "provider"),
    "delay": ActType("Delay", "provider"),
    "delay-reply": ActType("DelayReply", "requester"),
    "extension": ActType("Extension", None),
    "review": ActType("ReviewNotice", None),
    "evidence-request": ActType("EvidenceRequest", None),
    "evidence-reply": ActType("EvidenceReply", "requester"),
    "evidence-judged": ActType("EvidenceJudged", None),
    "catalog-report": ActType("CatalogReport", "party"),
    "catalog-decision": ActType("CatalogDecision", None),
}


@dataclass(frozen=True, slots=True)
class Act:
    """An act that verified. `at`: ms, when it was signed."""

    typ: str
    issuer: str
    digest: bytes
    raw: bytes
    at: int
    record: Mapping[str, Any]


def sign_act(typ: str, record: Mapping[str, object], signer: Signer, audience: str, now: int) -> bytes:
    """The signed act. Raises ValueError when its reason is longer than `REASON_LIMIT`."""
    if len(str(record.get("reason", ""))) > REASON_LIMIT:
        raise ValueError(f"a reason has {REASON_LIMIT} characters at most")
    return sign_record(typ, ACTS[typ].record, record, signer, audience, now)


def open_act(raw: bytes, trust: Trust, *, at: int, issuer: str | None = None, audience: str | None = None) -> Act:
    """An act, verified as in force `at` (ms).

    `issuer` and `audience`, when given, must be its own. Raises InvalidMessage: those of `signed.verify`, `act_unknown`
    for a type that is no act, and `act_invalid` when its record speaks for another party or is out of bounds.
    """
    typ = signed.peek(raw).typ
    if typ not in ACTS:
        raise InvalidMessage("act_unknown", typ)
    verified = signed.verify(raw, typ, trust, now=at, issuer=issuer, audience=audience)
    kind = ACTS[typ]
    record = framing.decode_as(kind.record, verified.payload)
    if verified.issuer != (record[kind.signer_field] if kind.signer_field else CENTER):
        raise InvalidMessage("act_invalid", "speaks for another party")
    if len(record.get("reason", "")) > REASON_LIMIT:
        raise InvalidMessage("act_invalid", "reason")
    return Act(typ, verified.issuer, verified.digest, raw, verified.issued_at, record)


def open_receipted(raw: bytes, trust: Trust, *, appended_at: int, now: int, issuer: str, audience: str) -> Act:
    """`open_act` for whoever receipts it: in force both when it was appended and `now` (ms).

    Later readers verify it as of the first of the two. An act of a clock that runs ahead is not receipted, and the sender's
    outbox sends it again until it holds; receipted and lost it never is. Raises as `open_act`.
    """
    open_act(raw, trust, at=appended_at, issuer=issuer, audience=audience)
    return open_act(raw, trust, at=now, issuer=issuer, audience=audience)


def kept_act(raw: bytes, trust: Trust, *, witness: int) -> Act:
    """An act out of a party's own store, where it was put at `witness` (ms).

    The center's is verified again. One of another party, or the party's own, was verified before it was put there, and is
    not again: away from the brokers a party knows no other's certificates (`anchor.trust_of`). Raises as `open_act`.
    """
    found = signed.peek(raw)
    at = min(witness, found.claims.expires_at)
    return open_act(raw, trust, at=at) if found.claims.issuer == CENTER else unverified(raw)


def unverified(raw: bytes) -> Act:
    """An act by its own word, of which somebody else vouches. Raises InvalidMessage `act_unknown` and those of decoding."""
    found = signed.peek(raw)
    if found.typ not in ACTS:
        raise InvalidMessage("act_unknown", found.typ)
    record = framing.decode_as(ACTS[found.typ].record, found.payload)
    return Act(found.typ, found.claims.issuer, found.digest, raw, found.claims.issued_at, record)


def post_act(
    raw: bytes, sender: str, to: str, requester: str, application_id: str, entropy: Entropy = os.urandom
) -> SealedBundle:
    """The clear bundle that carries one act; `requester` and `application_id` are "" where it is about none."""
    return post(Notice("act", to, requester, application_id), [raw], sender, entropy)
