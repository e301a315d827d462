"""A party's keys: to sign, to unseal, to lock an application's keys. Three small interfaces, wherever the keys are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crypto import cbor, suite
from pipeline.crypto.certificates import thumbprint
from pipeline.crypto.suite import Entropy, H
from pipeline.domain.errors import InvalidMessage


class Signer(Protocol):
    """Something that signs in a party's name."""

    @property
    def party(self) -> str:
        """Who signs: `center`, `00` or a province code."""

    @property
    def certificate(self) -> bytes:
        """The certificate (DER) that vouches for the key."""

    @property
    def thumbprint(self) -> bytes:
        """x5t of the certificate."""

    def sign(self, data: bytes) -> bytes:
        """ES256 signature over `data`, a Sig_structure: raw r || s."""


class Unsealer(Protocol):
    """Private keys that unseal, each known by its kid. The keys themselves may be in another process."""

    def holds(self, kid: bytes) -> bool:
        """Whether there is a key of this thumbprint (RFC 9679)."""

    def agree(self, kid: bytes, other: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH of the key `kid` with `other`: the shared x coordinate, 32 bytes.

        Raises InvalidMessage `not_a_recipient` for a kid not held (any more).
        """


class Vault(Protocol):
    """Makes and opens the keys of applications, locked under a party's encrypt key."""

    def create(self) -> tuple[CaseKeys, bytes]:
        """New keys for an application, and their locked form for its key file."""

    def open(self, locked: bytes) -> CaseKeys:
        """The inverse. Raises InvalidMessage `not_a_recipient`, `decrypt_failed`, `seal_invalid`."""


@dataclass(frozen=True, slots=True)
class CaseKeys:
    """What only an application's requester has: the private reply key, behind `unsealer`, and a key for its own rows.

    Once the locked form is destroyed nothing opens the application's answers and rows any more.
    """

    reply_key: PublicSealingKey
    unsealer: Unsealer
    data_key: bytes = field(repr=False)  # 32 bytes


@dataclass(frozen=True)
class LocalSigner:
    """A signing key in this process's memory, with its certificate (DER)."""

    party: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
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
    """A private P-256 key that unseals, in this process's memory. An `Unsealer` with one key."""

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

    def holds(self, kid: bytes) -> bool:
        """Whether `kid` is this key's."""
        return kid == self.kid

    def agree(self, kid: bytes, other: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH with `other`: the shared x coordinate. Raises InvalidMessage `not_a_recipient` for another's `kid`."""
        if kid != self.kid:
            raise InvalidMessage("not_a_recipient")
        return suite.agree(self.private_key, other)


class SealingKeys:
    """Several keys that unseal, in this process's memory: one `Unsealer`."""

    def __init__(self, keys: Iterable[SealingKey]) -> None:
        self._keys = {key.kid: key for key in keys}

    def holds(self, kid: bytes) -> bool:
        """Whether `kid` is one of theirs."""
        return kid in self._keys

    def agree(self, kid: bytes, other: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH of the key `kid` with `other`: the shared x coordinate. Raises InvalidMessage `not_a_recipient`."""
        if kid not in self._keys:
            raise InvalidMessage("not_a_recipient")
        return self._keys[kid].agree(kid, other)


def public_sealing_key(sec1: bytes) -> PublicSealingKey:
    """The sealing key at an uncompressed SEC1 point. Raises InvalidMessage `key_off_curve`."""
    key = suite.from_point(sec1)
    return PublicSealingKey(H(cbor.dumps(cose_key(sec1))), sec1, key)


def cose_key(sec1: bytes) -> dict[int, object]:
    """The COSE_Key (RFC 9053 section 7.1.1) of an uncompressed P-256 point: kty EC2, crv P-256, x, y."""
    return {1: 2, -1: 1, -2: sec1[1:33], -3: sec1[33:]}


@dataclass(frozen=True)
class Identity:
    """Who a process is, and what it can do in its party's name. Where the keys are is not said."""

    party: str
    signer: Signer
    sealing: Unsealer
    vault: Vault
    sealing_certificate: bytes  # DER


@dataclass(frozen=True)
class LocalIdentity(Identity):
    """An identity whose keys are in this process's memory: a signer process's, a test's."""

    signer: LocalSigner
    sealing: SealingKey
