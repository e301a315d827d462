"""Idempotent receiver of envelopes: (issuer, id) -> digest until expiry (design 3, re-sends)."""

from __future__ import annotations

from pipeline.codec import framing
from pipeline.crypto.envelopes import VerifiedEnvelope
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import SeenEnvelope
from pipeline.stages.effects import Overlay, State, timer_key, timer_subject

GRACE = 24 * 3600 * 1000
"""An envelope id is remembered until its envelope has expired, and a day more (ms)."""

FORGET_AT_ONCE = 1000
"""How many expired ids one step forgets at most."""


def seen_before(overlay: Overlay, partition: int, envelope: VerifiedEnvelope) -> SeenEnvelope | None:
    """What was noted of this very envelope, or None when it is new.

    Raises InvalidMessage `envelope_conflict` when the id is known with another digest.
    """
    stored = overlay.get(partition, _key(envelope))
    if stored is None:
        return None
    seen: SeenEnvelope = framing.decode_as("SeenEnvelope", stored)  # type: ignore[assignment]
    if seen["digest"] != envelope.digest:
        raise InvalidMessage("envelope_conflict", f"envelope {envelope.id.hex()} of {envelope.issuer}")
    return seen


def remember(overlay: Overlay, partition: int, envelope: VerifiedEnvelope, reply: bytes | None) -> None:
    """Note the envelope, and the reply to give again should it be sent again."""
    key = _key(envelope)
    expires_at = envelope.expires_at + GRACE
    seen = SeenEnvelope(digest=envelope.digest, reply=reply, expires_at=expires_at)
    overlay.put(partition, key, framing.encode("SeenEnvelope", seen))
    overlay.put(partition, timer_key(expires_at, key), b"\0")


def forget_expired(state: State, overlay: Overlay, partition: int, now: int) -> None:
    """Drop the ids whose time is over."""
    for timer in state.due(partition, now, FORGET_AT_ONCE):
        overlay.put(partition, timer, None)
        overlay.put(partition, timer_subject(timer), None)


def _key(envelope: VerifiedEnvelope) -> bytes:
    return b"e" + envelope.issuer.encode() + b"/" + envelope.id
