"""What a signer signs: statements of the profile, in its own party's name and of a type its party may sign.

A worker that went wrong, or was taken over, can have no TLS handshake, no certificate request and no other party's
statement signed: none of them is a Sig_structure (RFC 9052 section 4.4) under external_aad `hedx/1/<typ>`.
"""

from __future__ import annotations

from pipeline.crypto import cbor, cose
from pipeline.crypto.certificates import role_of
from pipeline.crypto.signed import MAX_LIFETIME, MAX_SIZE, SIGNERS
from pipeline.domain.errors import InvalidMessage

SEAL_KEY = "seal-key"
"""Signed by the signer itself with its encrypt key, for keys it made; never at a worker's word."""


def check(structure: bytes, party: str, thumbprint: bytes) -> None:
    """Return if `party`'s signer may sign `structure` with the key of the certificate `thumbprint` (x5t).

    Raises InvalidMessage `size`, `cbor_invalid`, `cose_invalid`, `suite_unknown`, `type_mismatch`, `role_not_allowed`,
    `certificate_unknown`, `issuer_mismatch` or `lifetime_too_long`.
    """
    if len(structure) > MAX_SIZE:
        raise InvalidMessage("size", "Sig_structure")
    match cbor.loads(structure, 1):
        case ["Signature1", bytes() as protected, bytes() as external, bytes() as payload]:
            pass
        case _:
            raise InvalidMessage("cose_invalid", "not a Sig_structure")
    sign1 = cose.decode(cose.encode(protected, payload, b""))
    if sign1.signed_bytes != structure or external != (cose.TYPE_PREFIX + sign1.typ).encode():
        raise InvalidMessage("type_mismatch", "external_aad is not the header's typ")
    if sign1.typ not in SIGNERS or sign1.typ == SEAL_KEY or role_of(party) not in SIGNERS[sign1.typ]:
        raise InvalidMessage("role_not_allowed", "no such statement of this party")
    if sign1.thumbprint != thumbprint:
        raise InvalidMessage("certificate_unknown", "not the signer's")
    if sign1.claims.issuer != party:
        raise InvalidMessage("issuer_mismatch")
    if sign1.claims.expires_at > sign1.claims.issued_at + MAX_LIFETIME:
        raise InvalidMessage("lifetime_too_long")
