"""DER enough to put a signature that holds under a body of the attacker's choice: certificates, requests, revocation lists."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")


def wrap(tag: int, content: bytes) -> bytes:
    """One element: tag, shortest length, content."""
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(length))) + length + content


def parts(content: bytes) -> list[bytes]:
    """The elements one after the other, heads included. Raises ValueError when they are none."""
    found = []
    at = 0
    while at < len(content):
        start = at
        _, at = element(content, at)
        found.append(content[start:at])
    return found


def element(data: bytes, at: int = 0) -> tuple[bytes, int]:
    """The content of the element at `at`, and where it ends. Raises ValueError."""
    if at + 2 > len(data):
        raise ValueError("cut off")
    size, start = data[at + 1], at + 2
    if size & 128:
        width = size & 127
        size, start = int.from_bytes(data[start : start + width], "big"), start + width
    if start + size > len(data):
        raise ValueError("cut off")
    return data[start : start + size], start + size


def body(signed: bytes) -> bytes:
    """What is signed of a certificate, request or list. Raises ValueError."""
    return parts(element(signed)[0])[0]


def sign(content: bytes, key: ec.EllipticCurvePrivateKey, algorithm: bytes = ECDSA_SHA256) -> bytes:
    """`content`, whatever it is, under a signature that holds."""
    digest: hashes.HashAlgorithm = hashes.SHA256() if algorithm == ECDSA_SHA256 else hashes.SHA384()
    signature = key.sign(content, ec.ECDSA(digest, deterministic_signing=True))
    return wrap(0x30, content + algorithm + wrap(0x03, b"\0" + signature))
