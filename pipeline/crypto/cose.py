"""COSE_Sign1 in the HEDX profile (RFC 9052, 9360, 9596, 9597): layout and labels, no trust.

Untagged, unprotected header empty, protected header exactly
`{alg, crit: [SUITE], x5t, typ: "hedx/1/<type>", SUITE: 1, CWT claims: {iss, aud, exp, iat, cti}}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.crypto import cbor
from pipeline.crypto.suite import SUITE, H
from pipeline.domain.errors import InvalidMessage

ALG, CRIT, TYP, CWT_CLAIMS, X5T = 1, 2, 16, 15, 34
SUITE_LABEL = -65537
"""Label of the suite in protected headers: the first of COSE's private-use range. Listed in crit, so that a reader
that knows COSE but not HEDX's suites refuses instead of guessing."""

ES256, SHA_256 = -7, -16
ISS, AUD, EXP, IAT, CTI = 1, 3, 4, 6, 7

TYPE_PREFIX = "hedx/1/"
MAX_TEXT = 64


@dataclass(frozen=True, slots=True)
class Claims:
    """What the protected header says beyond the algorithm. `issued_at` and `expires_at` are in ms, whole seconds."""

    issuer: str
    audience: str
    issued_at: int
    expires_at: int
    cti: bytes


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 taken apart; nothing in it is verified. `signed_bytes` is the Sig_structure."""

    typ: str
    thumbprint: bytes
    suite: int
    claims: Claims
    payload: bytes
    signature: bytes
    signed_bytes: bytes

    @property
    def digest(self) -> bytes:
        """What identifies the object: H(Sig_structure). The signature is no identity, for ECDSA is malleable."""
        return H(self.signed_bytes)


def protected_header(typ: str, thumbprint: bytes, claims: Claims) -> bytes:
    """The encoded protected header. `typ` without prefix; `thumbprint` is SHA-256 over the certificate (DER)."""
    return cbor.dumps(
        {
            ALG: ES256,
            CRIT: [SUITE_LABEL],
            X5T: [SHA_256, thumbprint],
            TYP: TYPE_PREFIX + typ,
            SUITE_LABEL: SUITE,
            CWT_CLAIMS: {
                ISS: claims.issuer,
                AUD: claims.audience,
                EXP: claims.expires_at // 1000,
                IAT: claims.issued_at // 1000,
                CTI: claims.cti,
            },
        }
    )


def sig_structure(typ: str, protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 section 4.4, with the full typ as external_aad: a mandate can be nothing else."""
    return cbor.dumps(["Signature1", protected, (TYPE_PREFIX + typ).encode(), payload])


def encode(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The untagged COSE_Sign1."""
    return cbor.dumps([protected, {}, payload, signature])


def decode(raw: bytes) -> Sign1:
    """Take a COSE_Sign1 apart. Raises InvalidMessage `cbor_invalid`, `cose_invalid` or `suite_unknown`."""
    return _recent(raw) if len(raw) <= _SMALL else _decode(raw)


def _decode(raw: bytes) -> Sign1:
    match cbor.loads(raw, 2):
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature] if not unprotected:
            pass
        case _:
            raise InvalidMessage("cose_invalid", "not a COSE_Sign1 with an empty unprotected header")
    typ, thumbprint, suite, claims = _header(cbor.loads(protected, 2))
    return Sign1(typ, thumbprint, suite, claims, payload, signature, sig_structure(typ, protected, payload))


_SMALL = 1024  # an envelope's has some 320 bytes
_recent = lru_cache(maxsize=8192)(_decode)  # of a refused message the issuer is asked for several times


def _header(header: Any) -> tuple[str, bytes, int, Claims]:
    match header:
        case {
            1: alg,
            2: crit,
            34: [-16, bytes() as thumbprint],
            16: str() as typ,
            -65537: int() as suite,
            15: claims,
        } if len(header) == 6:
            pass
        case _:
            raise InvalidMessage("cose_invalid", "protected header is not the profile's")
    if suite != SUITE:
        raise InvalidMessage("suite_unknown", str(suite))
    if alg != ES256 or crit != [SUITE_LABEL] or len(thumbprint) != 32 or not typ.startswith(TYPE_PREFIX):
        raise InvalidMessage("cose_invalid", "protected header is not suite 1's")
    return typ.removeprefix(TYPE_PREFIX), thumbprint, suite, _claims(claims)


def _claims(claims: Any) -> Claims:
    match claims:
        case {1: str() as iss, 3: str() as aud, 4: int() as exp, 6: int() as iat, 7: bytes() as cti} if (
            len(claims) == 5
        ):
            pass
        case _:
            raise InvalidMessage("cose_invalid", "CWT claims are not the profile's")
    if len(cti) != 16 or not 0 < len(iss) <= MAX_TEXT or not 0 < len(aud) <= MAX_TEXT or not 0 <= iat < exp:
        raise InvalidMessage("cose_invalid", "CWT claims out of bounds")
    return Claims(iss, aud, iat * 1000, exp * 1000, cti)
