"""The certificate authority: a P-384 root kept apart, and a P-256 issuing CA that works alone.

Pure functions that make certificates; `crypto.authority_files` keeps what they make in folders.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import suite
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, common_name
from pipeline.crypto.keys import LocalIdentity, LocalSigner, SealingKey
from pipeline.crypto.keystore import Transport
from pipeline.crypto.requests import Request, Usage, alternative_names, extended_usage, name, subject
from pipeline.crypto.suite import Entropy
from pipeline.crypto.vault import LocalVault
from pipeline.domain.errors import ConfigError

ROOT_LIFE, ISSUING_LIFE, PARTY_LIFE = timedelta(days=7300), timedelta(days=3650), timedelta(days=730)
TRANSPORT_LIFE = timedelta(days=365)
ROOT_NAME, ISSUING_NAME = name("HEDX root", "authority"), name("HEDX issuing", "authority")


@dataclass(frozen=True, slots=True)
class Root:
    """The root: its key is needed to sign an issuing CA, and never else."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Authority:
    """The issuing CA: its key and certificate, the root's certificate, and issuing certificates that came before."""

    root: x509.Certificate
    issuing_key: ec.EllipticCurvePrivateKey
    issuing: x509.Certificate
    earlier: tuple[x509.Certificate, ...] = ()

    @property
    def certificates(self) -> list[bytes]:
        """DER of the root's and all issuing certificates, the newest first: what `Trust` takes as `roots`."""
        return [each.public_bytes(Encoding.DER) for each in (self.root, self.issuing, *self.earlier)]


def create_root(now: int) -> Root:
    """A new root (P-384), valid from `now` (ms)."""
    key = ec.generate_private_key(ec.SECP384R1())
    builder = _builder(ROOT_NAME, ROOT_NAME, key.public_key(), key.public_key(), _moment(now), ROOT_LIFE)
    return Root(key, _ca(builder, path_length=1).sign(key, hashes.SHA384()))


def create_issuing(root: Root, now: int, before: Authority | None = None) -> Authority:
    """A new issuing CA (P-256, path length 0) under `root`, from `now` (ms).

    Its name stays that of the one `before`, whose certificate goes on being valid: to X.509 it is one CA with a new key
    (RFC 5280, section 4.2.1.1), so one revocation list covers what both have issued.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    life = min(ISSUING_LIFE, root.certificate.not_valid_after_utc - _moment(now))
    builder = _builder(ISSUING_NAME, ROOT_NAME, key.public_key(), root.key.public_key(), _moment(now), life)
    certificate = _ca(builder, path_length=0).sign(root.key, hashes.SHA384())
    earlier = () if before is None else (before.issuing, *before.earlier)
    return Authority(root.certificate, key, certificate, earlier)


def create_authority(now: int) -> Authority:
    """A new root and the issuing CA under it; the root's key is let go of."""
    return create_issuing(create_root(now), now)


def certify_request(authority: Authority, request: Request, now: int) -> bytes:
    """The DER of the certificate that `request` asks for, valid from `now` (ms)."""
    return _certify(authority, request.principal, request.public_key, request.usage, now, hosts=request.hosts)


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
    """The DER of a certificate over `key` for `party`, to sign or to encrypt: `usage` is one of the two OIDs."""
    return _certify(authority, common_name(party), key, "sign" if usage == SIGN_USAGE else "encrypt", now, life)


def certify_transport(
    authority: Authority,
    principal: str,
    key: ec.EllipticCurvePublicKey,
    now: int,
    *,
    hosts: Sequence[str] = (),
    life: timedelta = TRANSPORT_LIFE,
) -> bytes:
    """The DER of a TLS certificate for a principal (`P37`, `center`, or a service such as `ops`).

    With `hosts` (addresses and names) it is a server's: serverAuth beside clientAuth, and the hosts as its names.
    """
    return _certify(authority, principal, key, "tls", now, life, hosts)


def issue_transport(authority: Authority, principal: str, now: int, hosts: Sequence[str] = ()) -> Transport:
    """A new TLS key and certificate for a Kafka principal."""
    key = suite.generate_key()
    return Transport(principal, key, certify_transport(authority, principal, key.public_key(), now, hosts=hosts))


def _certify(
    authority: Authority,
    principal: str,
    key: ec.EllipticCurvePublicKey,
    usage: Usage,
    now: int,
    life: timedelta | None = None,
    hosts: Sequence[str] = (),
) -> bytes:
    """By the profile: critical key usage, one extended key usage (two of a server), one URI and a server's hosts.

    It never outlives the issuing CA.
    """
    start = _moment(now)
    left = authority.issuing.not_valid_after_utc - start
    if left <= timedelta(0):
        raise ConfigError("the issuing CA has expired: renew it with the root first")
    life = min(life or (TRANSPORT_LIFE if usage == "tls" else PARTY_LIFE), left)
    builder = _builder(
        subject(principal), authority.issuing.subject, key, authority.issuing_key.public_key(), start, life
    )
    agrees = usage == "encrypt"
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=not agrees, key_agreement=agrees), critical=True)
        .add_extension(extended_usage(usage, server=bool(hosts)), critical=usage != "tls")
        .add_extension(alternative_names(principal, hosts), critical=False)
        .sign(authority.issuing_key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def _moment(now: int) -> datetime:
    return datetime.fromtimestamp(now // 1000, UTC)


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
