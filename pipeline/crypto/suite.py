"""Suite 1: ES256, P-256, AES-256-GCM, SHA-256. The only module that knows which algorithms these are."""

from __future__ import annotations

import hashlib
import hmac as _hmac
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.crypto.stopwatch import timed
from pipeline.domain.errors import InvalidMessage

SUITE = 1
DIGEST_SIZE = 32
KEY_SIZE = 32
TAG_SIZE = 16
POINT_SIZE = 65  # SEC1, uncompressed
SIGNATURE_SIZE = 64  # r || s

Entropy = Callable[[int], bytes]
"""Where random bytes come from: `os.urandom`, or a seeded stream where a test vector must be reproducible."""

_ZERO_NONCE = bytes(12)
_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ECDSA = ec.ECDSA(hashes.SHA256())
_INNER = bytes(x ^ 0x36 for x in range(256))
_OUTER = bytes(x ^ 0x5C for x in range(256))


def H(data: bytes) -> bytes:  # noqa: N802 - the name it has in docs/envelope.md
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def hmac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256, 32 bytes."""
    return _hmac.digest(key, data, "sha256")


def hmac_under(key: bytes) -> Callable[[bytes], bytes]:
    """`hmac` with the key fixed: half the time a call, for the many record keys of a bundle. Keys of up to 64 bytes."""
    if len(key) > 64:
        raise ValueError("key longer than a block")
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(block.translate(_INNER))
    outer = hashlib.sha256(block.translate(_OUTER))

    def digest(data: bytes) -> bytes:
        first = inner.copy()
        first.update(data)
        second = outer.copy()
        second.update(first.digest())
        return second.digest()

    return digest


def aead_encrypt(key: bytes, aad: bytes, data: bytes) -> bytes:
    """AES-256-GCM with the all-zero nonce, so `key` must never be used twice. Ciphertext || tag."""
    return AESGCM(key).encrypt(_ZERO_NONCE, data, aad)


def aead_decrypt(key: bytes, aad: bytes, data: bytes) -> bytes:
    """The inverse of `aead_encrypt`. Raises InvalidMessage `decrypt_failed`."""
    try:
        return AESGCM(key).decrypt(_ZERO_NONCE, data, aad)
    except (InvalidTag, ValueError):
        raise InvalidMessage("decrypt_failed") from None


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """ES256: raw r || s, 64 bytes (RFC 9053 section 2.1)."""
    r, s = decode_dss_signature(key.sign(data, _ECDSA))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@timed("verify")
def verify(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
    """Return if `signature` (r || s) is the key's over `data`; else raise InvalidMessage `signature_invalid`."""
    if len(signature) != SIGNATURE_SIZE:
        raise InvalidMessage("signature_invalid", "not 64 bytes")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), data, _ECDSA)
    except InvalidSignature:
        raise InvalidMessage("signature_invalid") from None


def generate_key(entropy: Entropy = os.urandom) -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key. 64 bits more than the order's are drawn, so the scalar is unbiased (FIPS 186-5, A.2.1)."""
    return ec.derive_private_key(int.from_bytes(entropy(40), "big") % (_ORDER - 1) + 1, _CURVE)


def scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private scalar, 32 bytes: only ever to be sealed at once."""
    return key.private_numbers().private_value.to_bytes(32, "big")


def from_scalar(data: bytes) -> ec.EllipticCurvePrivateKey:
    """The private key of a scalar that `scalar` wrote."""
    return ec.derive_private_key(int.from_bytes(data, "big"), _CURVE)


def agree(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
    """P-256 ECDH: the shared x coordinate, 32 bytes."""
    return private.exchange(ec.ECDH(), public)


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The public key as a SEC1 uncompressed point, 65 bytes."""
    numbers = key.public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def from_point(data: bytes) -> ec.EllipticCurvePublicKey:
    """The public key at a SEC1 uncompressed point. Raises InvalidMessage `key_off_curve`."""
    if len(data) != POINT_SIZE or data[0] != 4:
        raise InvalidMessage("key_off_curve", "not an uncompressed P-256 point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, data)
    except ValueError:
        raise InvalidMessage("key_off_curve") from None
