"""Signed objects: envelopes, mandates, acceptances, receipts, certificates; one form, one verification."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.crypto import cose, suite
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, TrustedCertificate
from pipeline.crypto.keys import Signer
from pipeline.crypto.stopwatch import timed
from pipeline.crypto.suite import Entropy
from pipeline.domain.errors import InvalidMessage

if TYPE_CHECKING:  # who signs need not know whom to trust
    from pipeline.crypto.trust import Trust

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
    "seal-key": frozenset({"center", "provider", "province"}),
    "withdrawal": frozenset({"province"}),
    "withdrawal-ack": frozenset({"provider", "province"}),
    "delay": frozenset({"center", "provider", "province"}),
    "delay-reply": frozenset({"province"}),
    "extension": frozenset({"center"}),
    "review": frozenset({"center"}),
    "evidence-request": frozenset({"center"}),
    "evidence-reply": frozenset({"province"}),
    "evidence-judged": frozenset({"center"}),
    "catalog-report": frozenset({"provider", "province"}),
    "catalog-decision": frozenset({"center"}),
    "differences": frozenset({"province"}),
    "draw": frozenset({"center"}),
    "destruction": frozenset({"province"}),
}
"""The role × typ table: which roles may sign which type. A province also provides; `provider` is party 00."""

USAGES = {typ: ENCRYPT_USAGE if typ == "seal-key" else SIGN_USAGE for typ in SIGNERS}
"""Under which of a party's two certificates a type is signed: the one to encrypt vouches for seal keys, and nothing else."""


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


@timed("sign")
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
    raw: bytes,
    typ: str,
    trust: Trust,
    *,
    now: int,
    audience: str | None = None,
    issuer: str | None = None,
    published: bool = False,
) -> Signed:
    """The object, verified as a `hedx/1/<typ>` that was in force at `now` (ms).

    `now` is the time at which the object must be valid: the clock's for one that just came, the time of first receipt
    for one kept as evidence. `audience` and `issuer`, when given, must be the object's. `published`: it stays in force
    until another replaces it, so it is not held against the age of the revocation list. Raises InvalidMessage: those of
    `authenticate` and `check_claims`.
    """
    sign1 = authenticate_current(raw, typ, trust, now, audience=audience, issuer=issuer, published=published)
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


def verify_kept(
    raw: bytes, typ: str, trust: Trust, *, witness: int, audience: str | None = None, issuer: str | None = None
) -> Signed:
    """`verify` for an object kept as evidence, that was there at `witness` (ms) by a clock other than its signer's.

    An object seen after its end was first received before that: it is judged as of its end.
    """
    end = peek(raw).claims.expires_at
    return verify(raw, typ, trust, now=min(witness, end), audience=audience, issuer=issuer)


def authenticate(raw: bytes, typ: str, trust: Trust, now: int) -> cose.Sign1:
    """Everything up to and with the signature; claims other than the issuer are not looked at.

    Raises InvalidMessage `size`, `cbor_invalid`, `cose_invalid`, `type_mismatch`, `suite_unknown`,
    `certificate_unknown`, `certificate_invalid`, `usage_not_allowed`, `role_not_allowed`, `issuer_mismatch`,
    `suite_below_minimum`, `certificate_expired`, `certificate_revoked` or `signature_invalid`; NotReady `crl_stale`.
    """
    sign1, certificate = _recognise(raw, typ, trust, now)
    _check_signature(sign1, certificate)
    return sign1


def authenticate_current(
    raw: bytes,
    typ: str,
    trust: Trust,
    now: int,
    *,
    audience: str | None,
    issuer: str | None = None,
    published: bool = False,
) -> cose.Sign1:
    """`authenticate` with `check_claims` before the signature, which is dearer than all the rest together."""
    sign1, certificate = _recognise(raw, typ, trust, now, published)
    check_claims(sign1.claims, now=now, audience=audience, issuer=issuer)
    _check_signature(sign1, certificate)
    return sign1


def _recognise(
    raw: bytes, typ: str, trust: Trust, now: int, published: bool = False
) -> tuple[cose.Sign1, TrustedCertificate]:
    """What comes before the signature: the object taken apart, and the certificate that it must verify under."""
    # 1. Size, then CBOR and the profile of the headers.
    if len(raw) > MAX_SIZE:
        raise InvalidMessage("size", f"{len(raw)} bytes")
    sign1 = cose.decode(raw)
    if sign1.typ != typ:
        raise InvalidMessage("type_mismatch", f"not a {typ}")
    # 2. The certificate: chain, usage and name (in Trust), what it may sign, suite, validity at signing and now.
    certificate = trust.signer(sign1.thumbprint)
    if certificate.usage != USAGES[typ]:
        raise InvalidMessage("usage_not_allowed", f"not the certificate to sign a {typ} with")
    if certificate.role not in SIGNERS[typ]:
        raise InvalidMessage("role_not_allowed", f"{certificate.role} may not sign a {typ}")
    if sign1.claims.issuer != certificate.party:
        raise InvalidMessage("issuer_mismatch", "iss is not the certificate's party")
    if sign1.suite < trust.minimum_suite(certificate.party):
        raise InvalidMessage("suite_below_minimum", f"suite {sign1.suite}")
    if not certificate.valid(sign1.claims.issued_at) or not certificate.valid(now):
        raise InvalidMessage("certificate_expired", f"certificate of {certificate.party}")
    trust.check_revocation(certificate, now, published=published)
    return sign1, certificate


def _check_signature(sign1: cose.Sign1, certificate: TrustedCertificate) -> None:
    """The signature itself, at most once: what was seen to fail fails again, what was seen to hold holds.

    Whether it does is a function of certificate, signature and signed bytes, which the key of the cache names; so nobody
    makes us verify by sending the same again, be it junk or a mandate that stands in each section of an application.
    """
    identity = sign1.thumbprint + sign1.digest + sign1.signature[: suite.SIGNATURE_SIZE + 1]
    holds = _VERDICTS.get(identity)
    if holds is None:
        try:
            suite.verify(certificate.public_key, sign1.signature, sign1.signed_bytes)
        except InvalidMessage:
            _VERDICTS.put(identity, holds=False)
            raise
        _VERDICTS.put(identity, holds=True)
    elif not holds:
        raise InvalidMessage("signature_invalid", "seen before")


class _Verdicts:
    """What the newest signatures were found to be. `size` of them; shared by the threads of a process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._found: dict[bytes, bool] = {}
        self._lock = threading.Lock()

    def get(self, identity: bytes) -> bool | None:
        """Whether the signature holds; None when it is not among the newest."""
        return self._found.get(identity)

    def put(self, identity: bytes, *, holds: bool) -> None:
        """Remember, and forget the oldest for it."""
        with self._lock:
            if len(self._found) >= self._size:
                del self._found[next(iter(self._found))]
            self._found[identity] = holds


_VERDICTS = _Verdicts(10_000)


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
