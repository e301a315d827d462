"""The format read by other hands: `cwt`, `cbor2` and plain hashes, from the specification alone.

Nothing here calls what it checks: a mistake made alike in writing and reading would show.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cwt import COSE, COSEKey

from pipeline.crypto.envelopes import build
from tests.unit.crypto.exchange import NOW, identity, receipt, sealed

PERSONS = [b"person %d" % i for i in range(5)]
HEADS = (b"warrant" * 60, b"head")


def envelope() -> bytes:
    bundles = [receipt(), sealed(PERSONS, heads=HEADS, bundle_id=b"b" * 16)[0], receipt(b"c" * 16)]
    return build(bundles, identity("37").signer, audience="center", now=NOW).value


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def tree(leaves: list[bytes], prefix: bytes) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"\x04")
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(prefix, tree(leaves[:k], prefix), tree(leaves[k:], prefix))


def signature_payload(sign1: bytes) -> Any:
    """The payload, verified by cwt with the key of 37's certificate."""
    certificate = x509.load_der_x509_certificate(identity("37").signer.certificate)
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = COSEKey.from_pem(pem, alg="ES256")
    tagged = cbor2.CBORTag(18, cbor2.loads(sign1))
    protected, unprotected, payload = COSE.new().decode_with_headers(tagged, key, external_aad=b"hedx/1/envelope")
    assert unprotected == {}
    assert protected[1] == -7
    assert protected[2] == [-65537]
    assert protected[-65537] == 1
    assert protected[16] == "hedx/1/envelope"
    assert protected[34] == [-16, sha(identity("37").signer.certificate)]
    claims = protected[15]
    assert (claims[1], claims[3], claims[6], claims[4] - claims[6]) == ("37", "center", NOW // 1000, 14 * 86400)
    assert claims[7][6] >> 4 == 7
    return cbor2.loads(payload)


def open_seal(seal: bytes) -> bytes:
    """S, opened by cwt with the center's key and the KDF context written out."""
    private = identity("center").sealing.private_key
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = COSEKey.from_pem(pem, alg="ECDH-ES+A256KW", kid=identity("center").sealing.kid)
    ctx = sha(cbor2.dumps(["hedx/1/seal", 1, "37"]))
    body = cbor2.loads(seal)
    nobody = [None, None, None]
    context = [-5, nobody, nobody, [256, body[3][0][0], ctx]]
    return bytes(COSE.new().decode(cbor2.CBORTag(96, body), key, context=context, external_aad=ctx))


def test_cwt_verifies_the_signature_over_the_tree_of_bundles() -> None:
    """Signature, header and both tree levels."""
    sign1, bundles = cbor2.loads(envelope())
    leaves = []
    for bundle in bundles:
        header, seal, records = cbor2.loads(bundle)
        record_root = tree([sha(b"\x00", u32(i), record) for i, record in enumerate(records)], b"\x01")
        leaves.append(sha(b"\x02", sha(header), sha(seal or b""), u32(len(records)), record_root))
    assert signature_payload(sign1) == {1: tree(leaves, b"\x03"), 2: 3}


def test_cwt_opens_the_seal_and_the_records_follow() -> None:
    """From the seal's secret to each plaintext, key by key."""
    header, seal, records = cbor2.loads(cbor2.loads(envelope())[1][1])
    bundle_key = hmac.new(open_seal(seal), b"bundle" + sha(header), "sha256").digest()
    plaintexts = []
    for i, record in enumerate(records):
        kc, ciphertext = cbor2.loads(record)
        key = hmac.new(bundle_key, b"record" + u32(i), "sha256").digest()
        assert kc == sha(b"\x06", key)
        padded = AESGCM(key).decrypt(bytes(12), ciphertext, sha(header) + u32(i))
        size = int.from_bytes(padded[:4], "big")
        assert len(padded) % 128 == 0
        assert not any(padded[4 + size :])
        plaintexts.append(padded[4 : 4 + size])
    assert plaintexts == [*HEADS, *PERSONS]


def test_what_we_write_is_deterministic_to_others() -> None:
    """Each CBOR item of an envelope is what cbor2's canonical writer makes of it (our keys sort alike in both orders)."""
    sign1, bundles = cbor2.loads(envelope())
    header, seal, records = cbor2.loads(bundles[1])
    for item in (envelope(), sign1, bundles[0], bundles[1], header, seal, *records):
        assert cbor2.dumps(cbor2.loads(item), canonical=True) == item
