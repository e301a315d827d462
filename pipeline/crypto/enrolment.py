"""How a party gets its certificates: keys and requests made in its own folder, certificates put beside the keys.

`pending/` holds the new keys until their certificates come; `requests/` keeps every request ever made, so that the party
can tell a certificate that it asked for from one that somebody had made out in its name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.crypto import suite
from pipeline.crypto.certificates import (
    ENCRYPT_USAGE,
    SIGN_USAGE,
    UNREADABLE,
    CertificateVerifier,
    party_of_principal,
    role_of,
)
from pipeline.crypto.keystore import (
    Transport,
    load_key,
    read_passphrase,
    write_durably,
    write_key,
    write_passphrase,
    write_transport,
)
from pipeline.crypto.requests import USAGES, Usage, certificate_request, extended_usage, subject
from pipeline.crypto.suite import H
from pipeline.domain.errors import ConfigError, InvalidMessage

_OIDS = {"sign": SIGN_USAGE, "encrypt": ENCRYPT_USAGE}


@dataclass(frozen=True, slots=True)
class Installed:
    """A certificate that was put in its place."""

    usage: Usage
    certificate: bytes  # DER
    replaced: bytes | None  # DER of the one before


def prepare(
    folder: Path, principal: str, usages: Sequence[Usage] = USAGES, hosts: Sequence[str] = ()
) -> dict[Usage, Path]:
    """Make a key for each usage in `folder/pending` with its request `<usage>.csr` (PEM); the paths of the requests.

    A key that waits for its certificate already keeps its request, so asking twice asks for the same. `hosts`: a
    broker's.
    """
    pending = folder / "pending"
    pending.mkdir(parents=True, exist_ok=True, mode=0o700)
    has_passphrase = (pending / "passphrase").exists()
    passphrase = read_passphrase(pending) if has_passphrase else write_passphrase(pending)
    paths: dict[Usage, Path] = {}
    for usage in usages:
        paths[usage] = pending / f"{usage}.csr"
        if not paths[usage].exists():
            key = suite.generate_key()
            request = certificate_request(principal, key, usage, hosts)
            write_key(pending / f"{usage}.key", key, passphrase)
            note_requests(folder, [request])
            pem = x509.load_der_x509_csr(request).public_bytes(Encoding.PEM)
            write_durably(paths[usage], pem)
    return paths


def note_requests(folder: Path, requests: Iterable[bytes]) -> None:
    """Keep requests (DER) under their digests in `folder/requests`."""
    kept = folder / "requests"
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    for request in requests:
        write_durably(kept / f"{H(request).hex()}.csr", request)


def known_requests(folder: Path) -> dict[bytes, bytes]:
    """All requests ever made in `folder`: the digest of each, and its public key as SubjectPublicKeyInfo (DER).

    Raises ConfigError for a file that is no request: whatever it was, it cannot be told any more that it was one's own.
    """
    found = {}
    for path in (folder / "requests").glob("*.csr"):
        der = path.read_bytes()
        try:
            key = x509.load_der_x509_csr(der).public_key()
        except UNREADABLE as error:
            raise ConfigError(f"{path} is no certificate request ({type(error).__name__})") from None
        found[H(der)] = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found


def install(
    folder: Path, transport: Path, principal: str, certificates: Sequence[bytes], authorities: Sequence[bytes]
) -> list[Installed]:
    """Put certificates (DER) beside the pending keys they are for: into `folder/identity`, or `transport` for TLS.

    All are checked before the first is put anywhere: chain to `authorities`, name, usage, key. A key to unseal with that
    is replaced stays in `identity/earlier`, since what was sealed to it is still on its way. Raises ConfigError.
    """
    found = [_check(folder / "pending", principal, der, authorities) for der in certificates]
    done = []
    for usage, key, der in found:
        if usage == "tls":
            replaced = _first_certificate(transport / "tls.pem")
            write_transport(transport, Transport(principal, key, der), authorities)
        else:
            replaced = _place(folder / "identity", party_of_principal(principal) or "", usage, key, der)
        done.append(Installed(usage, der, replaced))
        for suffix in ("csr", "key"):
            (folder / "pending" / f"{usage}.{suffix}").unlink()
    if not list((folder / "pending").glob("*.key")):
        shutil.rmtree(folder / "pending")
    return done


def certificates_in(data: bytes) -> list[bytes]:
    """The certificates in a file, PEM (one or more) or DER, as DER. Raises ConfigError."""
    try:
        if b"-----BEGIN" in data:
            return [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(data)]
        return [x509.load_der_x509_certificate(data).public_bytes(Encoding.DER)]
    except ValueError:
        raise ConfigError("not a certificate") from None


def _check(
    pending: Path, principal: str, der: bytes, authorities: Sequence[bytes]
) -> tuple[Usage, ec.EllipticCurvePrivateKey, bytes]:
    certificate = x509.load_der_x509_certificate(der)
    usage = next((usage for usage in USAGES if _is_for(pending / f"{usage}.csr", certificate)), None)
    if usage is None:
        raise ConfigError(f"certificate {certificate.serial_number:040x} is for no key that waits in {pending}")
    if certificate.subject != subject(principal):
        raise ConfigError(f"certificate {certificate.serial_number:040x} is not made out to {principal}")
    party = party_of_principal(principal)
    if usage == "tls" or party is None:
        _check_transport(certificate, authorities)
    else:
        try:
            CertificateVerifier(list(authorities)).verify(der, party, role_of(party), _OIDS[usage])
        except InvalidMessage as error:
            raise ConfigError(f"certificate for {usage}: {error.detail}") from error
    return usage, load_key(pending / f"{usage}.key", read_passphrase(pending)), der


def _is_for(request: Path, certificate: x509.Certificate) -> bool:
    if not request.exists():
        return False
    return x509.load_pem_x509_csr(request.read_bytes()).public_key() == certificate.public_key()


def _check_transport(certificate: x509.Certificate, authorities: Sequence[bytes]) -> None:
    """Signed by one of the issuing CAs, for TLS."""
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if usages not in (extended_usage("tls"), extended_usage("tls", server=True)):
        raise ConfigError("certificate for tls: its extended key usage is another")
    for authority in map(x509.load_der_x509_certificate, authorities):
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise ConfigError("certificate for tls: not issued by this exchange's authority")


def _place(identity: Path, party: str, usage: Usage, key: ec.EllipticCurvePrivateKey, der: bytes) -> bytes | None:
    identity.mkdir(parents=True, exist_ok=True, mode=0o700)
    has_passphrase = (identity / "passphrase").exists()
    passphrase = read_passphrase(identity) if has_passphrase else write_passphrase(identity)
    write_durably(identity / "party", party.encode())
    replaced = _read(identity / f"{usage}.der")
    if replaced is not None and replaced != der and usage == "encrypt":
        earlier = identity / "earlier"
        earlier.mkdir(exist_ok=True, mode=0o700)
        name = H(replaced).hex()[:16]
        write_durably(earlier / f"{name}.key", (identity / "encrypt.key").read_bytes())
        write_durably(earlier / f"{name}.der", replaced)
    write_key(identity / f"{usage}.key", key, passphrase)
    write_durably(identity / f"{usage}.der", der)
    return replaced


def _first_certificate(path: Path) -> bytes | None:
    data = _read(path)
    return None if data is None else certificates_in(data)[0]


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
