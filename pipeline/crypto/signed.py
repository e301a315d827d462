"""Signed objects: envelopes, mandates, acceptances, receipts, certificates; one form, one verification."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pipeline.crypto import cose, suite
from pipeline.crypto.certificates import TrustedCertificate
from pipeline.crypto.keys import Signer
from pipeline.crypto.suite import Entropy
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage

MAX_SIZE = 900 * 1024
CLOCK_SKEW = 5 * 60 * 1000
MAX_LIFETIME = 14 * 24 * 3600 * 1000

SIGNERS: dict[str, frozenset[str]] = {
    "envelope": frozenset({"center", "provider", "province"}),
    "mandate": frozenset({"province"}),
    "acceptance": frozenset({"center"}),
    "receipt": frozenset({"center", "province"}),
    "rejection": frozenset({"center"}),
    "section-certificate": frozenset({"center"}),
    "certificate": frozenset({"center"}),
    "trust": frozenset({"center"}),
    "catalog": frozenset({"center"}),
    "checkpoint": frozenset({"center", "provider", "province"}),
}
"""The role × typ table: which roles may sign which type. A province also provides; `provider` is party 00."""


@dataclass(frozen=True, slots=True)
class SignedObject:
    """What `sign` made. `raw` is the COSE_Sign1; `digest` identifies it; times in ms, whole seconds."""

    raw: bytes
    digest: bytes
    cti: bytes
    issued_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed object that verified."""

    issuer: str
    audience: str
    issued_at: int
    expires_at: int
    cti: bytes
    payload: bytes
    digest: bytes


def uuid7(now: int, entropy: Entropy = os.urandom) -> bytes:
    """A UUIDv7 (RFC 9562 section 5.7) of the instant `now` (ms), 16 bytes."""
    random = entropy(10)
    return now.to_bytes(6, "big") + bytes((0x70 | random[0] & 15, random[1], 0x80 | random[2] & 63)) + random[3:]


def sign(
    typ: str,
    payload: bytes,
    signer: Signer,
    *,
    audience: str,
    now: int,
    lifetime: int = MAX_LIFETIME,
    cti: bytes | None = None,
) -> SignedObject:
    """Sign `payload` as `hedx/1/<typ>` for `audience` (a party, or `all`). `now`, `lifetime`: ms. `cti`: 16 bytes.

    iat and exp are whole seconds (RFC 8392), so `now` is cut to the second.
    """
    if typ not in SIGNERS or not 1000 <= lifetime <= MAX_LIFETIME:
        raise ValueError("no such type, or lifetime outside one second to 14 days")
    issued = now // 1000 * 1000
    claims = cose.Claims(signer.party, audience, issued, issued + lifetime // 1000 * 1000, cti or uuid7(now))
    protected = cose.protected_header(typ, signer.thumbprint, claims)
    signed_bytes = cose.sig_structure(typ, protected, payload)
    raw = cose.encode(protected, payload, signer.sign(signed_bytes))
    return SignedObject(raw, suite.H(signed_bytes), claims.cti, claims.issued_at, claims.expires_at)


def peek(raw: bytes) -> cose.Sign1:
    """Take a signed object apart without verifying it: for routing, logs and look-ups by digest, never for trust."""
    return cose.decode(raw)


def verify(
    raw: bytes, typ: str, trust: Trust, *, now: int, audience: str | None = None, issuer: str | None = None
) -> Signed:
    """The object, verified as a `hedx/1/<typ>` that was in force at `now` (ms).

    `now` is the time at which the object must be valid: the clock's for one that just came, the time of first receipt
    for one kept as evidence. `audience` and `issuer`, when given, must be the object's. Raises InvalidMessage: those of
    `authenticate` and `check_claims`.
    """
    sign1 = authenticate_current(raw, typ, trust, now, audience=audience, issuer=issuer)
    claims = sign1.claims
    return Signed(
        claims.issuer,
        claims.audience,
        claims.issued_at,
        claims.expires_at,
        claims.cti,
        sign1.payload,
        sign1.digest,
    )


def authenticate(raw: bytes, typ: str, trust: Trust, now: int) -> cose.Sign1:
    """Everything up to and with the signature; claims other than the issuer are not looked at.

    Raises InvalidMessage `size`, `cbor_invalid`, `cose_invalid`, `type_mismatch`, `suite_unknown`,
    `certificate_unknown`, `certificate_invalid`, `certificate_expired`, `role_not_allowed`, `issuer_mismatch`,
    `suite_below_minimum` or `signature_invalid`.
    """
    sign1, certificate = _recognise(raw, typ, trust, now)
    suite.verify(certificate.public_key, sign1.signature, sign1.signed_bytes)
    return sign1


def authenticate_current(
    raw: bytes, typ: str, trust: Trust, now: int, *, audience: str | None, issuer: str | None = None
) -> cose.Sign1:
    """`authenticate` with `check_claims` before the signature, which is dearer than all the rest together."""
    sign1, certificate = _recognise(raw, typ, trust, now)
    check_claims(sign1.claims, now=now, audience=audience, issuer=issuer)
    suite.verify(certificate.public_key, sign1.signature, sign1.signed_bytes)
    return sign1


def _recognise(raw: bytes, typ: str, trust: Trust, now: int) -> tuple[cose.Sign1, TrustedCertificate]:
    """What comes before the signature: the object taken apart, and the certificate that it must verify under."""
    # 1. Size, then CBOR and the profile of the headers.
    if len(raw) > MAX_SIZE:
        raise InvalidMessage("size", f"{len(raw)} bytes")
    sign1 = cose.decode(raw)
    if sign1.typ != typ:
        raise InvalidMessage("type_mismatch", f"not a {typ}")
    # 2. The certificate: chain, usage and name (in Trust), role, suite, validity at signing and now.
    certificate = trust.signer(sign1.thumbprint)
    if certificate.role not in SIGNERS[typ]:
        raise InvalidMessage("role_not_allowed", f"{certificate.role} may not sign a {typ}")
    if sign1.claims.issuer != certificate.party:
        raise InvalidMessage("issuer_mismatch", "iss is not the certificate's party")
    if sign1.suite < trust.minimum_suite(certificate.party):
        raise InvalidMessage("suite_below_minimum", f"suite {sign1.suite}")
    if not certificate.valid(sign1.claims.issued_at) or not certificate.valid(now):
        raise InvalidMessage("certificate_expired", f"certificate of {certificate.party}")
    return sign1, certificate


def check_claims(claims: cose.Claims, *, now: int, audience: str | None, issuer: str | None = None) -> None:
    """Audience, issuer and time.

    Raises InvalidMessage `audience_mismatch`, `issuer_mismatch`, `issued_in_future`, `lifetime_too_long` or `expired`.
    """
    if audience is not None and claims.audience != audience:
        raise InvalidMessage("audience_mismatch", f"for {claims.audience}")
    if issuer is not None and claims.issuer != issuer:
        raise InvalidMessage("issuer_mismatch", f"from {claims.issuer}")
    if claims.issued_at > now + CLOCK_SKEW:
        raise InvalidMessage("issued_in_future")
    if claims.expires_at > claims.issued_at + MAX_LIFETIME:
        raise InvalidMessage("lifetime_too_long")
    if claims.expires_at < now:
        raise InvalidMessage("expired")
