"""The certificate authority in folders: the root in one of its own, which may be a removable medium; the issuing CA apart.

Keys are encrypted PKCS#8, mode 0600, under a random passphrase in a file of its own.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto.authority import Authority, Root
from pipeline.crypto.keystore import destroy, load_key, read_passphrase, write_durably, write_key, write_passphrase
from pipeline.domain.errors import ConfigError

_NEXT_KEY = "issuing.next.key"
"""The key of a new issuing CA that does not sign yet."""


def write_root(directory: Path, root: Root) -> None:
    """Write the root's key, passphrase and certificate. Raises ConfigError when a root is there already."""
    if (directory / "root.key").exists():
        raise ConfigError(f"{directory} holds a root already: it is never overwritten")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_key(directory / "root.key", root.key, write_passphrase(directory))
    (directory / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))


def load_root(directory: Path) -> Root:
    """Read what `write_root` wrote. Raises ConfigError."""
    try:
        key = load_key(directory / "root.key", read_passphrase(directory))
        return Root(key, _certificates(directory / "root.pem")[0])
    except (OSError, ValueError) as error:
        raise ConfigError(f"root in {directory}: {error}") from error


def write_authority(directory: Path, authority: Authority) -> None:
    """Write the issuing CA: its key, its passphrase, `root.pem`, and `issuing.pem` with the newest certificate first.

    The key comes last, so that an interrupted renewal leaves the CA that was there before.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    has_passphrase = (directory / "passphrase").exists()
    passphrase = read_passphrase(directory) if has_passphrase else write_passphrase(directory)
    issuing = b"".join(each.public_bytes(Encoding.PEM) for each in (authority.issuing, *authority.earlier))
    (directory / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    write_durably(directory / "issuing.pem", issuing)
    write_key(directory / "issuing.key", authority.issuing_key, passphrase)


def write_next(directory: Path, authority: Authority) -> None:
    """Put a new issuing CA beside the one in use: its certificate is in `issuing.pem` from now on, its key waits.

    Raises ConfigError while another one waits.
    """
    if (directory / _NEXT_KEY).exists():
        raise ConfigError(f"a new issuing CA waits in {directory} already: hedx ca switch-issuing first")
    write_key(directory / _NEXT_KEY, authority.issuing_key, read_passphrase(directory))
    issuing = b"".join(each.public_bytes(Encoding.PEM) for each in (authority.issuing, *authority.earlier))
    write_durably(directory / "issuing.pem", issuing)


def switch_to_next(directory: Path) -> None:
    """Put the waiting key into the earlier one's place, which is destroyed. Raises ConfigError when none waits."""
    waiting, key = directory / _NEXT_KEY, directory / "issuing.key"
    if not waiting.exists():
        raise ConfigError(f"no new issuing CA waits in {directory}: hedx ca renew-issuing makes one")
    found = load_key(waiting, read_passphrase(directory))
    if all(each.public_key() != found.public_key() for each in _certificates(directory / "issuing.pem")):
        raise ConfigError(f"no certificate in {directory / 'issuing.pem'} is that of the key that waits")
    write_durably(key, waiting.read_bytes())
    destroy(waiting)


def load_authority(directory: Path) -> Authority:
    """Read what `write_authority` wrote; no root key is needed. Raises ConfigError."""
    try:
        key = load_key(directory / "issuing.key", read_passphrase(directory))
        [root], certificates = _certificates(directory / "root.pem"), _certificates(directory / "issuing.pem")
    except (OSError, ValueError) as error:
        raise ConfigError(f"authority in {directory}: {error}") from error
    own = [each for each in certificates if each.public_key() == key.public_key()]
    if not own:
        raise ConfigError(f"authority in {directory}: no certificate of issuing.pem is that of issuing.key")
    return Authority(root, key, own[0], tuple(each for each in certificates if each != own[0]))


def load_roots(directory: Path) -> list[bytes]:
    """DER of the certificates in `directory` as `Trust` takes them; no key is read. Raises ConfigError."""
    try:
        files = [directory / "root.pem", directory / "issuing.pem"]
        return [each.public_bytes(Encoding.DER) for file in files for each in _certificates(file)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificates in {directory}: {error}") from error


def _certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())
