"""A party's keys: one to sign, one to unseal. Files here; an HSM would implement the same two small interfaces."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.crypto import cbor, suite
from pipeline.crypto.certificates import thumbprint
from pipeline.crypto.suite import Entropy, H
from pipeline.domain.errors import ConfigError


class Signer(Protocol):
    """Something that signs in a party's name."""

    @property
    def party(self) -> str:
        """Who signs: `center`, `00` or a province code."""

    @property
    def thumbprint(self) -> bytes:
        """x5t of the certificate that vouches for the key."""

    def sign(self, data: bytes) -> bytes:
        """ES256 signature over `data`, raw r || s."""


@dataclass(frozen=True)
class LocalSigner:
    """A signing key in this process's memory, with its certificate (DER)."""

    party: str
    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    @cached_property
    def thumbprint(self) -> bytes:
        """x5t of the certificate."""
        return thumbprint(self.certificate)

    def sign(self, data: bytes) -> bytes:
        """ES256 signature over `data`, raw r || s."""
        return suite.sign(self.key, data)


@dataclass(frozen=True, slots=True)
class PublicSealingKey:
    """A key that others seal to. `kid` is its COSE key thumbprint (RFC 9679), `point` its SEC1 form, 65 bytes."""

    kid: bytes
    point: bytes
    public_key: ec.EllipticCurvePublicKey


class SealingKey:
    """A private P-256 key that unseals."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.private_key = key
        self.public = public_sealing_key(suite.point(key.public_key()))

    @classmethod
    def generate(cls, entropy: Entropy = os.urandom) -> SealingKey:
        """A fresh key, e.g. the reply key of a mandate."""
        return cls(suite.generate_key(entropy))

    @property
    def kid(self) -> bytes:
        """COSE key thumbprint (RFC 9679), 32 bytes."""
        return self.public.kid

    @property
    def public_bytes(self) -> bytes:
        """The public key as an uncompressed SEC1 point, 65 bytes."""
        return self.public.point

    def agree(self, other: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH with `other`: the shared x coordinate."""
        return suite.agree(self.private_key, other)


def public_sealing_key(sec1: bytes) -> PublicSealingKey:
    """The sealing key at an uncompressed SEC1 point. Raises InvalidMessage `key_off_curve`."""
    key = suite.from_point(sec1)
    return PublicSealingKey(H(cbor.dumps(cose_key(sec1))), sec1, key)


def cose_key(sec1: bytes) -> dict[int, object]:
    """The COSE_Key (RFC 9053 section 7.1.1) of an uncompressed P-256 point: kty EC2, crv P-256, x, y."""
    return {1: 2, -1: 1, -2: sec1[1:33], -3: sec1[33:]}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is."""

    party: str
    signer: LocalSigner
    sealing: SealingKey
    sealing_certificate: bytes  # DER


def write_identity(directory: Path, identity: Identity) -> None:
    """Write an identity's files, mode 0600.

    They are `party`, `passphrase`, and for `sign` and `encrypt` a `.key` (encrypted PKCS#8, PEM) and a `.der`. The passphrase is random, so its file may be moved to where the keys' backups do not go, and linked from here.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory / "party", identity.party.encode())
    passphrase = write_passphrase(directory)
    _write(directory / "sign.key", _encrypted(identity.signer.key, passphrase))
    _write(directory / "sign.der", identity.signer.certificate)
    _write(directory / "encrypt.key", _encrypted(identity.sealing.private_key, passphrase))
    _write(directory / "encrypt.der", identity.sealing_certificate)


def load_identity(directory: Path) -> Identity:
    """Read what `write_identity` wrote. Raises ConfigError when a file is missing or does not fit."""
    try:
        party = (directory / "party").read_text()
        passphrase = (directory / "passphrase").read_bytes()
        signer = LocalSigner(party, load_key(directory / "sign.key", passphrase), (directory / "sign.der").read_bytes())
        sealing = SealingKey(load_key(directory / "encrypt.key", passphrase))
        return Identity(party, signer, sealing, (directory / "encrypt.der").read_bytes())
    except OSError as error:
        raise ConfigError(f"identity in {directory}: {error}") from error


def load_key(path: Path, passphrase: bytes) -> ec.EllipticCurvePrivateKey:
    """An EC private key from an encrypted PKCS#8 PEM file. Raises ConfigError."""
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase)
    except ValueError as error:
        raise ConfigError(f"{path}: not a private key, or not under this passphrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path}: not an elliptic-curve key")
    return key


def write_passphrase(directory: Path) -> bytes:
    """Draw a passphrase and write it to `passphrase` in `directory`, mode 0600."""
    passphrase = secrets.token_hex(32).encode()
    _write(directory / "passphrase", passphrase)
    return passphrase


def write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> None:
    """Write an EC private key as encrypted PKCS#8 PEM, mode 0600."""
    _write(path, _encrypted(key, passphrase))


def _encrypted(key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
