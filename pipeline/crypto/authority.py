"""The certificate authority of a set-up: a P-384 root, a P-256 issuing CA, and two certificates a party.

Pure functions that make keys and certificates; `write_authority` and `load_authority` keep them in a directory.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.crypto import suite
from pipeline.crypto.certificates import (
    ENCRYPT_USAGE,
    ORGANIZATION,
    SIGN_USAGE,
    common_name,
    role_of,
    unit_of_principal,
    uri_of,
    uri_of_principal,
)
from pipeline.crypto.keys import LocalIdentity, LocalSigner, SealingKey
from pipeline.crypto.keystore import Transport, load_key, write_key, write_passphrase
from pipeline.crypto.suite import Entropy
from pipeline.crypto.vault import LocalVault
from pipeline.domain.errors import ConfigError

ROOT_LIFE, ISSUING_LIFE, PARTY_LIFE = timedelta(days=7300), timedelta(days=3650), timedelta(days=730)
TRANSPORT_LIFE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Authority:
    """The root and the issuing CA, keys and certificates."""

    root_key: ec.EllipticCurvePrivateKey
    root: x509.Certificate
    issuing_key: ec.EllipticCurvePrivateKey
    issuing: x509.Certificate

    @property
    def certificates(self) -> list[bytes]:
        """DER of both certificates: what `Trust` takes as `roots`."""
        return [self.root.public_bytes(Encoding.DER), self.issuing.public_bytes(Encoding.DER)]


def create_authority(now: int) -> Authority:
    """A new root (P-384) and issuing CA (P-256, path length 0), valid from `now` (ms)."""
    start = datetime.fromtimestamp(now // 1000, UTC)
    root_key = ec.generate_private_key(ec.SECP384R1())
    root_name = _name("HEDX root", "authority")
    root_builder = _builder(root_name, root_name, root_key.public_key(), root_key.public_key(), start, ROOT_LIFE)
    root = _ca(root_builder, path_length=1).sign(root_key, hashes.SHA384())
    issuing_key = ec.generate_private_key(ec.SECP256R1())
    name = _name("HEDX issuing", "authority")
    builder = _builder(name, root_name, issuing_key.public_key(), root_key.public_key(), start, ISSUING_LIFE)
    return Authority(root_key, root, issuing_key, _ca(builder, path_length=0).sign(root_key, hashes.SHA384()))


def issue(authority: Authority, party: str, now: int, entropy: Entropy = os.urandom) -> LocalIdentity:
    """New keys for `party` with a certificate to sign and one to encrypt, valid from `now` (ms) for two years."""
    signing, sealing = suite.generate_key(entropy), SealingKey.generate(entropy)
    return LocalIdentity(
        party,
        LocalSigner(party, signing, certify(authority, party, signing.public_key(), SIGN_USAGE, now)),
        sealing,
        LocalVault(sealing),
        certify(authority, party, sealing.public.public_key, ENCRYPT_USAGE, now),
    )


def certify(
    authority: Authority,
    party: str,
    key: ec.EllipticCurvePublicKey,
    usage: x509.ObjectIdentifier,
    now: int,
    life: timedelta = PARTY_LIFE,
) -> bytes:
    """The DER of a certificate over `key` for `party` and one extended key usage."""
    start = datetime.fromtimestamp(now // 1000, UTC)
    name = _name(common_name(party), role_of(party))
    builder = _builder(name, authority.issuing.subject, key, authority.issuing_key.public_key(), start, life)
    signs = usage == SIGN_USAGE
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=signs, key_agreement=not signs), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri_of(party))]), critical=False)
        .sign(authority.issuing_key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def certify_transport(
    authority: Authority,
    principal: str,
    key: ec.EllipticCurvePublicKey,
    now: int,
    *,
    hosts: Sequence[str] = (),
    life: timedelta = TRANSPORT_LIFE,
) -> bytes:
    """The DER of a TLS certificate for a Kafka principal (`P37`, `center`, `broker`, `admin`, `ops`).

    With `hosts` (addresses and names) it is a broker's: serverAuth beside clientAuth, and the hosts as its names.
    """
    start = datetime.fromtimestamp(now // 1000, UTC)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])]
    names = [x509.UniformResourceIdentifier(uri_of_principal(principal)), *map(_host, hosts)]
    name = _name(principal, unit_of_principal(principal))
    builder = _builder(name, authority.issuing.subject, key, authority.issuing_key.public_key(), start, life)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority.issuing_key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def issue_transport(authority: Authority, principal: str, now: int, hosts: Sequence[str] = ()) -> Transport:
    """A new TLS key and certificate for a Kafka principal."""
    key = suite.generate_key()
    return Transport(principal, key, certify_transport(authority, principal, key.public_key(), now, hosts=hosts))


def write_authority(directory: Path, authority: Authority) -> None:
    """Write the authority's keys (encrypted, mode 0600), its passphrase and its certificates (PEM)."""
    directory.mkdir(parents=True, exist_ok=True)
    passphrase = write_passphrase(directory)
    write_key(directory / "root.key", authority.root_key, passphrase)
    write_key(directory / "issuing.key", authority.issuing_key, passphrase)
    (directory / "root.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
    (directory / "issuing.pem").write_bytes(authority.issuing.public_bytes(Encoding.PEM))


def load_authority(directory: Path) -> Authority:
    """Read what `write_authority` wrote. Raises ConfigError."""
    try:
        passphrase = (directory / "passphrase").read_bytes()
        return Authority(
            load_key(directory / "root.key", passphrase),
            x509.load_pem_x509_certificate((directory / "root.pem").read_bytes()),
            load_key(directory / "issuing.key", passphrase),
            x509.load_pem_x509_certificate((directory / "issuing.pem").read_bytes()),
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"authority in {directory}: {error}") from error


def load_roots(directory: Path) -> list[bytes]:
    """DER of the certificates in `directory` as `Trust` takes them; no key is read. Raises ConfigError."""
    try:
        files = [directory / "root.pem", directory / "issuing.pem"]
        return [x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER) for file in files]
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificates in {directory}: {error}") from error


def _name(common: str, unit: str) -> x509.Name:
    """O, OU, CN in this order, which RFC 4514, and so Kafka, prints as `CN=..,OU=..,O=HEDX`."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    start: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _ca(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        _key_usage(key_cert_sign=True, crl_sign=True), critical=True
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    key_agreement: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=key_agreement,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
