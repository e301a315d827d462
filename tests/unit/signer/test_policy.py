"""What a signer signs, and a row for each kind of thing that it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.crypto import cbor, cose, signed
from pipeline.crypto.requests import certificate_request
from pipeline.signer.policy import check
from tests.unit.crypto.exchange import DAY, NOW, identity, refusal

CLAIMS = cose.Claims("37", "center", NOW, NOW + DAY, bytes(16))
X5T = identity("37").signer.thumbprint


def structure(
    typ: str = "envelope",
    *,
    x5t: bytes = X5T,
    claims: cose.Claims = CLAIMS,
    context: str = "Signature1",
    external: bytes | None = None,
    header: Callable[[dict[object, object]], object] = lambda header: header,
) -> bytes:
    """A Sig_structure with one thing changed."""
    protected = cbor.dumps(header(cbor.loads(cose.protected_header(typ, x5t, claims))))
    return cbor.dumps([context, protected, f"hedx/1/{typ}".encode() if external is None else external, b"payload"])


ECDSA_OF_TLS = b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + bytes(32)
REQUEST = certificate_request("P37", identity("37").signer.key, "sign")

FOREIGN = {
    "a TLS 1.3 handshake": (ECDSA_OF_TLS, "cbor_invalid"),
    "a certificate request": (REQUEST, "cbor_invalid"),
    "nothing": (b"", "cbor_invalid"),
    "a digest": (cbor.dumps(bytes(32)), "cose_invalid"),
    "bytes after the end": (structure() + b"\0", "cbor_invalid"),
    "a countersignature": (structure(context="CounterSignature"), "cose_invalid"),
    "a COSE_Sign signature": (structure(context="Signature"), "cose_invalid"),
    "five parts": (cbor.dumps([*cbor.loads(structure()), b""]), "cose_invalid"),
    "an empty header": (structure(header=lambda _: {}), "cose_invalid"),
    "a header of one label more": (structure(header=lambda h: {**h, 99: 1}), "cose_invalid"),
    "another algorithm": (structure(header=lambda h: {**h, cose.ALG: -8}), "cose_invalid"),
    "another suite": (structure(header=lambda h: {**h, cose.SUITE_LABEL: 2}), "suite_unknown"),
    "a typ of another application": (structure(header=lambda h: {**h, cose.TYP: "at+jwt"}), "cose_invalid"),
    "another typ outside than inside": (structure(external=b"hedx/1/mandate"), "type_mismatch"),
    "no external_aad": (structure(external=b""), "type_mismatch"),
    "an unknown typ": (structure("passport"), "role_not_allowed"),
    "a seal key, which it makes itself": (structure("seal-key"), "role_not_allowed"),
    "the center's acceptance": (structure("acceptance"), "role_not_allowed"),
    "the center's trust entry": (structure("trust"), "role_not_allowed"),
    "another party's name": (structure(claims=replace(CLAIMS, issuer="53")), "issuer_mismatch"),
    "the center's name": (structure(claims=replace(CLAIMS, issuer="center")), "issuer_mismatch"),
    "another party's certificate": (structure(x5t=identity("53").signer.thumbprint), "certificate_unknown"),
    "a lifetime of a year": (structure(claims=replace(CLAIMS, expires_at=NOW + 365 * DAY)), "lifetime_too_long"),
    "a payload of a megabyte": (cbor.dumps([*cbor.loads(structure())[:3], bytes(1024 * 1024)]), "size"),
}


@pytest.mark.parametrize(("data", "code"), FOREIGN.values(), ids=FOREIGN.keys())
def test_refuses_what_is_not_the_partys_to_sign(data: bytes, code: str) -> None:
    """Each kind has its code."""
    assert refusal(lambda: check(data, "37", X5T)) == code


@pytest.mark.parametrize("typ", [typ for typ, roles in signed.SIGNERS.items() if "province" in roles - {"seal-key"}])
def test_signs_every_statement_of_its_role(typ: str) -> None:
    """All that the role × typ table gives a province, but for seal keys, is let pass."""
    if typ != "seal-key":
        check(structure(typ), "37", X5T)


def test_the_center_signs_its_own() -> None:
    """The same structures, refused to a province, are the center's to sign."""
    x5t, claims = identity("center").signer.thumbprint, replace(CLAIMS, issuer="center")
    for typ in ("acceptance", "trust", "section-certificate", "catalog"):
        check(structure(typ, x5t=x5t, claims=claims), "center", x5t)
    data = structure("mandate", x5t=x5t, claims=claims)
    assert refusal(lambda: check(data, "center", x5t)) == "role_not_allowed"
