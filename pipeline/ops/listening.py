"""Where a server of figures or pages listens, under which TLS, and who may read figures there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.kafka.security import is_plaintext, peer_principal, server_context

READERS = frozenset({"monitor", "ops", "admin", "center"})
"""The principals that may read figures. A party's is none: figures tell of the others, too."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4 or IPv6, without brackets) and a port; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_any(self) -> bool:
        """Whether it stands for all of a machine's addresses, and so for none that a client could call."""
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - told apart, not bound


def parse_address(text: str) -> Address:
    """The address that `HOST:PORT` says; an IPv6 host stands in brackets. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else -1
    bare = host[1:-1] if bracketed else host
    if not colon or not bare or (":" in bare) != bracketed or not 0 <= number <= 65535:
        raise ConfigError(f"{text}: must be HOST:PORT, for instance 127.0.0.1:9400")
    return Address(bare, number)


def security_of(address: Address, folder: Path) -> ssl.SSLContext | None:
    """Mutual TLS with the certificate in `folder` (the principal `monitor`'s); None, plain HTTP, where that is allowed.

    It is under `HEDX_SECURITY=plaintext`, and on a loopback address only. Raises ConfigError for another address then, and
    for a file that is missing.
    """
    if not is_plaintext():
        if not folder.is_dir():
            raise ConfigError(f"{folder} is missing: a server of figures needs the certificate of `{folder.name}`")
        return server_context(folder)
    if not address.is_loopback:
        raise ConfigError(
            f"{address}: without TLS (HEDX_SECURITY=plaintext) figures are served on a loopback address only"
        )
    return None


def may_read(certificate: bytes | None, revocation_list: bytes | None = None) -> bool:
    """Whether the holder of this client certificate (DER, verified by TLS) may read figures.

    `revocation_list`: the newest that is known and was verified (DER). TLS itself reads none.
    """
    if certificate is None:
        return False
    try:
        return peer_principal(certificate) in READERS and not is_revoked(certificate, revocation_list)
    except InvalidMessage:
        return False


def is_revoked(certificate: bytes, revocation_list: bytes | None) -> bool:
    """Whether a verified list (DER) names this certificate (DER)."""
    if revocation_list is None:
        return False
    serial = x509.load_der_x509_certificate(certificate).serial_number
    return x509.load_der_x509_crl(revocation_list).get_revoked_certificate_by_serial_number(serial) is not None


def callable_at(address: Address, folder: Path) -> Address:
    """Where clients call a server that listens on `address`: for all addresses of a machine, the first its certificate names.

    An address that is not the machine itself only goes before a loopback one.
    """
    if not address.is_any:
        return address
    [certificate, *_] = x509.load_pem_x509_certificates((folder / "tls.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    found = [Address(host, address.port) for host in hosts]
    return next((each for each in found if not each.is_loopback), found[0])
