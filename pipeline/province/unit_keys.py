"""Reply keys that an entrusting unit (委托单位) holds itself: a public file for the province, a private one it keeps.

A reply key stands for one mandate: providers refuse it under another (`reply_key_reused`). So a unit makes one an
application.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from pipeline.crypto import suite
from pipeline.crypto.keys import PublicSealingKey, SealingKey, public_sealing_key
from pipeline.crypto.keystore import load_key, write_durably, write_key
from pipeline.domain.errors import ConfigError


def make_keys(directory: Path, count: int, passphrase: bytes) -> list[Path]:
    """Write `count` pairs `reply-<kid>.key` (PKCS#8 under the passphrase) and `.pub` (SPKI, PEM); returns the public files.

    Both have mode 0600. The name has the first 16 hex digits of the key's thumbprint (RFC 9679).
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [_make_key(directory, passphrase) for _ in range(count)]


def read_public(path: Path) -> PublicSealingKey:
    """A unit's public key. Raises ConfigError when it is none on P-256."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a public key ({type(error).__name__})") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path}: not a P-256 key")
    return public_sealing_key(suite.point(key))


def find_key(place: Path, kid: bytes, passphrase: bytes) -> SealingKey:
    """The private key with this thumbprint: the file `place`, or the one of that name in the folder `place`.

    Raises ConfigError when it is not there or not under this passphrase.
    """
    path = place / f"{_name(kid)}.key" if place.is_dir() else place
    if not path.exists():
        raise ConfigError(f"{path} is not there: the pack is sealed to another key")
    key = SealingKey(load_key(path, passphrase))
    if key.kid != kid:
        raise ConfigError(f"{path}: the pack is sealed to another key")
    return key


def _make_key(directory: Path, passphrase: bytes) -> Path:
    key = SealingKey.generate()
    name = _name(key.kid)
    write_key(directory / f"{name}.key", key.private_key, passphrase)
    public = key.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_durably(directory / f"{name}.pub", public)
    return directory / f"{name}.pub"


def _name(kid: bytes) -> str:
    return f"reply-{kid.hex()[:16]}"
