"""Seal keys (封装密钥): what others seal to for a month, vouched for by the party's encrypt certificate.

A private key that does not live longer than that cannot open what was sealed before it. The statement is published by
the party itself under its own key on hedx.checkpoints; the certificate's own key is sealed to where there is none.
Numbers are counted for each certificate by itself and are bounded by the date: whoever steals its key can use up the
numbers of that certificate, not the party's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.keys import PublicSealingKey, Signer, public_sealing_key
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import SealKey

if TYPE_CHECKING:
    from pipeline.crypto.trust import Trust

TYPE = "seal-key"
EVERYONE = "all"
LONGEST = 37 * 24 * 3600 * 1000
"""A statement ends no later than this (ms) after it was signed: 30 days of use, made up to a week ahead."""
AHEAD = 60
"""How far a number may be ahead of the day (since 1970) on which its statement was signed."""

_DAY = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class StatedKey:
    """A seal key whose statement holds. `thumbprint` is that of the encrypt certificate behind it; bounds in ms."""

    party: str
    number: int
    thumbprint: bytes
    key: PublicSealingKey
    not_before: int
    not_after: int

    @property
    def series(self) -> str:
        """Within which its number counts: `<party>/<thumbprint, hex>`."""
        return series_of(self.party, self.thumbprint)

    def valid(self, at: int) -> bool:
        """Whether it is to be sealed to `at` (ms)."""
        return self.not_before <= at <= self.not_after


def series_of(party: str, thumbprint: bytes) -> str:
    """The name of the numbers that a party gives out under one certificate to be sealed to."""
    return f"{party}/{thumbprint.hex()}"


def highest_number(now: int) -> int:
    """The highest number that a statement signed `now` (ms) may have."""
    return now // _DAY + AHEAD


def sign_seal_key(record: SealKey, encrypting: Signer, now: int) -> bytes:
    """The statement, signed with the key of the party's encrypt certificate (`encrypting`)."""
    payload = framing.encode("SealKey", record)
    return signed.sign(TYPE, payload, encrypting, audience=EVERYONE, now=now).raw


def read_seal_key(raw: bytes, trust: Trust) -> StatedKey:
    """The statement, verified as of when it was signed; whether its certificate still counts is asked at each use.

    Raises InvalidMessage: those of `signed.verify` and `framing`, and `seal_key_invalid` when it is another party's,
    lasts too long, has a number far ahead of its day or names no point of the curve.
    """
    sign1 = signed.peek(raw)
    verified = signed.verify(raw, TYPE, trust, now=sign1.claims.issued_at, audience=EVERYONE, published=True)
    record: SealKey = framing.decode_as("SealKey", verified.payload)  # type: ignore[assignment]
    if record["party"] != verified.issuer:
        raise InvalidMessage("seal_key_invalid", "another party's")
    if not record["not_before"] < record["not_after"] <= verified.issued_at + LONGEST:
        raise InvalidMessage("seal_key_invalid", "lasts too long, or not at all")
    if not 0 <= record["number"] <= highest_number(verified.issued_at):
        raise InvalidMessage("seal_key_invalid", "its number is far ahead of its day")
    try:
        key = public_sealing_key(record["point"])
    except InvalidMessage as error:
        raise InvalidMessage("seal_key_invalid", str(error)) from error
    bounds = record["not_before"], record["not_after"]
    return StatedKey(verified.issuer, record["number"], sign1.thumbprint, key, *bounds)
