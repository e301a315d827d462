"""A party's keys as files: encrypted PKCS#8, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.crypto.keys import LocalIdentity, LocalSigner, SealingKey
from pipeline.crypto.vault import LocalVault
from pipeline.domain.errors import ConfigError


def write_identity(directory: Path, identity: LocalIdentity) -> None:
    """Write an identity's files, mode 0600.

    They are `party`, `passphrase`, and for `sign` and `encrypt` a `.key` (encrypted PKCS#8, PEM) and a `.der`. The
    passphrase is random, so its file may be moved to where the keys' back-ups do not go, and linked from here.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(directory / "party", identity.party.encode())
    passphrase = write_passphrase(directory)
    _write(directory / "sign.key", _encrypted(identity.signer.key, passphrase))
    _write(directory / "sign.der", identity.signer.certificate)
    _write(directory / "encrypt.key", _encrypted(identity.sealing.private_key, passphrase))
    _write(directory / "encrypt.der", identity.sealing_certificate)


def load_identity(directory: Path) -> LocalIdentity:
    """Read what `write_identity` wrote. Raises ConfigError when a file is missing or does not fit."""
    try:
        party = (directory / "party").read_text()
        passphrase = read_passphrase(directory)
        signer = LocalSigner(party, load_key(directory / "sign.key", passphrase), (directory / "sign.der").read_bytes())
        sealing = SealingKey(load_key(directory / "encrypt.key", passphrase))
        certificate = (directory / "encrypt.der").read_bytes()
        earlier = [key for key, _ in load_earlier(directory)]
    except OSError as error:
        raise ConfigError(f"identity in {directory}: {error}") from error
    for usage, key, der in (("sign", signer.key, signer.certificate), ("encrypt", sealing.private_key, certificate)):
        if x509.load_der_x509_certificate(der).public_key() != key.public_key():
            raise ConfigError(f"identity in {directory}: {usage}.key and {usage}.der do not belong together")
    return LocalIdentity(party, signer, sealing, LocalVault(sealing, earlier=earlier), certificate)


def load_earlier(directory: Path) -> list[tuple[SealingKey, bytes]]:
    """The encrypt keys of an identity that were replaced, with their certificates.

    What was sealed to them may still come.
    """
    passphrase = read_passphrase(directory)
    return [
        (SealingKey(load_key(path, passphrase)), path.with_suffix(".der").read_bytes())
        for path in sorted((directory / "earlier").glob("*.key"))
        if path.with_suffix(".der").exists()
    ]


@dataclass(frozen=True, slots=True)
class Transport:
    """What a Kafka principal connects with: its TLS key and certificate (DER)."""

    principal: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: bytes


def write_transport(directory: Path, transport: Transport, authorities: Sequence[bytes]) -> None:
    """Write a principal's TLS files, mode 0600, for Kafka's clients and brokers alike.

    They are `passphrase`, `tls.key` (encrypted PKCS#8, PEM), `tls.pem` (its certificate, then the issuing CA's) and
    `authorities.pem` (root and issuing CA). `authorities`: DER, as `Authority.certificates` has them.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    passphrase = write_passphrase(directory)
    _write(directory / "tls.key", _encrypted(transport.key, passphrase))
    issuing = next((der for der in authorities if _issued(transport.certificate, der)), None)
    _write(directory / "tls.pem", _pem([transport.certificate, *([] if issuing is None else [issuing])]))
    _write(directory / "authorities.pem", _pem(authorities))


def _issued(certificate: bytes, authority: bytes) -> bool:
    """Whether `authority` signed it: an issuing CA that was renewed has several certificates of one name."""
    try:
        x509.load_der_x509_certificate(certificate).verify_directly_issued_by(x509.load_der_x509_certificate(authority))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _pem(certificates: Sequence[bytes]) -> bytes:
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in certificates)


def load_key(path: Path, passphrase: bytes) -> ec.EllipticCurvePrivateKey:
    """An EC private key from an encrypted PKCS#8 PEM file. Raises ConfigError, for a file that others may read too."""
    check_closed(path)
    try:
        key = load_pem_private_key(path.read_bytes(), passphrase)
    except ValueError as error:
        raise ConfigError(f"{path}: not a private key, or not under this passphrase") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path}: not an elliptic-curve key")
    return key


def read_passphrase(directory: Path) -> bytes:
    """What the keys in `directory` are encrypted under: its file `passphrase`, a link perhaps to a systemd credential.

    Raises ConfigError when others may read it.
    """
    path = directory / "passphrase"
    check_closed(path, ours=0o740)
    return path.read_bytes()


def check_closed(path: Path, ours: int = 0o700) -> None:
    """Raise ConfigError for a file that others may read or change. `ours`: the bits of its mode that may be set.

    A credential that systemd hands to a service's user by an access list shows the list's mask as the group's bits: 0440.
    """
    mode = path.stat().st_mode & 0o777
    if mode & ~ours:
        raise ConfigError(f"{path}: others may read or change it (mode {mode:03o}); its owner alone should: chmod 600")


def write_passphrase(directory: Path) -> bytes:
    """Draw a passphrase and write it to `passphrase` in `directory`, mode 0600."""
    passphrase = secrets.token_hex(32).encode()
    _write(directory / "passphrase", passphrase)
    return passphrase


def write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> None:
    """Write an EC private key as encrypted PKCS#8 PEM, mode 0600: whole, or not at all."""
    write_durably(path, _encrypted(key, passphrase))


def write_durably(path: Path, data: bytes) -> None:
    """Put `data` at `path`, mode 0600: on the disk when this returns, and a crash leaves the old content or the new.

    The draft is a file of our own under a name that nobody can foresee: in a folder that others may write to, none of
    theirs, and no link, is written into.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            new.replace(path)
        except OSError:  # a full disk, a folder in the way
            new.unlink(missing_ok=True)
            raise
    _sync(path.parent)


def destroy(path: Path) -> None:
    """Overwrite a file with random bytes, remove it, and make both last. It loses its name first: half a key is none.

    A file system or disk that writes elsewhere than it read keeps the old blocks for a while: what they hold is
    encrypted under the passphrase, which is why that belongs on another device.
    """
    gone = path.with_name(f".{path.name.lstrip('.')}.gone")
    path.replace(gone)
    with gone.open("r+b") as file:
        file.write(secrets.token_bytes(gone.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    gone.unlink()
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encrypted(key: ec.EllipticCurvePrivateKey, passphrase: bytes) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
