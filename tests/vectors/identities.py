"""Who appears in the vectors: an authority and four parties, their keys derived from their names.

Everything is a function of fixed text, signatures included (RFC 6979), so that the vectors can be made again byte for
byte. These keys are public: they protect nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pipeline.crypto import suite
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, common_name, role_of, thumbprint, uri_of
from pipeline.crypto.keys import SealingKey
from pipeline.domain.records import TrustEntry

NOW = 1_800_000_000_000
"""2027-01-15T08:00:00Z in ms: when everything in the vectors is signed, and when it is to be read."""
PARTIES = ("center", "00", "37", "53")
_START = datetime(2026, 12, 1, tzinfo=UTC)
_FOR_SIGNATURES = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
_FOR_AGREEMENT = x509.KeyUsage(False, False, False, False, True, False, False, False, False)
_FOR_AUTHORITIES = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


@dataclass
class Draws:
    """Entropy made of `seed`; keeps what it gave in `drawn`."""

    seed: str
    drawn: list[bytes] = field(default_factory=list)

    def __call__(self, n: int) -> bytes:
        """The next `n` bytes: SHAKE-256 over `<seed>/<number of the draw, from 1>`."""
        self.drawn.append(hashlib.shake_256(f"{self.seed}/{len(self.drawn) + 1}".encode()).digest(n))
        return self.drawn[-1]


@dataclass(frozen=True)
class DeterministicSigner:
    """Signs in a party's name as RFC 6979 has it: the same bytes for the same input."""

    party: str
    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    @property
    def thumbprint(self) -> bytes:
        """x5t of the certificate."""
        return thumbprint(self.certificate)

    def sign(self, data: bytes) -> bytes:
        """ES256, raw r || s."""
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@dataclass(frozen=True)
class Member:
    """A party of the vectors."""

    party: str
    signer: DeterministicSigner
    sealing: SealingKey
    sealing_certificate: bytes

    def entry(self, **changes: object) -> TrustEntry:
        """The party's trust entry, with `changes`."""
        entry = TrustEntry(
            party=self.party,
            name=self.party,
            role=role_of(self.party),
            signing_certificates=[self.signer.certificate],
            sealing_certificates=[self.sealing_certificate],
            transport_certificates=[],
            addresses=[],
            minimum_suite=1,
            suspended=False,
            number=1,
        )
        return entry | changes  # type: ignore[return-value]


@cache
def member(party: str) -> Member:
    """`party` with its keys and certificates."""
    signing = suite.generate_key(Draws(f"sign/{party}"))
    sealing = SealingKey.generate(Draws(f"seal/{party}"))
    return Member(
        party,
        DeterministicSigner(party, signing, certify(party, signing.public_key(), SIGN_USAGE)),
        sealing,
        certify(party, sealing.public.public_key, ENCRYPT_USAGE),
    )


@cache
def roots() -> list[bytes]:
    """The root's and the issuing authority's certificate, DER."""
    return [certificate.public_bytes(Encoding.DER) for certificate in _authority()[:2]]


def certify(party: str, key: ec.EllipticCurvePublicKey, usage: x509.ObjectIdentifier, days: int = 730) -> bytes:
    """A certificate of the profile over `key`, DER."""
    _, issuing, issuing_key = _authority()
    subject = _name(role_of(party), common_name(party))
    builder = _builder(subject, issuing.subject, key, issuing_key.public_key(), days, f"{party}/{usage.dotted_string}")
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_FOR_SIGNATURES if usage == SIGN_USAGE else _FOR_AGREEMENT, True),
        (x509.ExtendedKeyUsage([usage]), True),
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri_of(party))]), False),
    ]
    return _signed(builder, extensions, issuing_key, hashes.SHA256()).public_bytes(Encoding.DER)


def revocation_list(revoked: dict[bytes, int], next_update: int) -> bytes:
    """Number 1 of the issuing authority's list, DER. `revoked`: certificate (DER) -> since when (ms)."""
    _, issuing, key = _authority()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing.subject)
        .last_update(_START)
        .next_update(datetime.fromtimestamp(next_update // 1000, UTC))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for der, at in revoked.items():
        line = x509.RevokedCertificateBuilder().serial_number(x509.load_der_x509_certificate(der).serial_number)
        moment = datetime.fromtimestamp(at // 1000, UTC)
        builder = builder.add_revoked_certificate(line.revocation_date(moment).build())
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


@cache
def _authority() -> tuple[x509.Certificate, x509.Certificate, ec.EllipticCurvePrivateKey]:
    root_key = ec.derive_private_key(int.from_bytes(Draws("root")(47), "big") + 1, ec.SECP384R1())
    issuing_key = suite.generate_key(Draws("issuing"))
    root_name, name = _name("authority", "HEDX root"), _name("authority", "HEDX issuing")
    root = _builder(root_name, root_name, root_key.public_key(), root_key.public_key(), 7300, "root")
    issuing = _builder(name, root_name, issuing_key.public_key(), root_key.public_key(), 3650, "issuing")
    return (
        _signed(root, _ca(path_length=1), root_key, hashes.SHA384()),
        _signed(issuing, _ca(path_length=0), root_key, hashes.SHA384()),
        issuing_key,
    )


def _ca(path_length: int) -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.BasicConstraints(ca=True, path_length=path_length), True), (_FOR_AUTHORITIES, True)]


def _name(unit: str, common: str) -> x509.Name:
    parts = {
        NameOID.ORGANIZATION_NAME: "HEDX",
        NameOID.ORGANIZATIONAL_UNIT_NAME: unit,
        NameOID.COMMON_NAME: common,
    }
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    days: int,
    serial: str,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(int.from_bytes(Draws(f"serial/{serial}/{days}")(15), "big") + 1)
        .not_valid_before(_START)
        .not_valid_after(_START + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _signed(
    builder: x509.CertificateBuilder,
    extensions: list[tuple[x509.ExtensionType, bool]],
    key: ec.EllipticCurvePrivateKey,
    digest: hashes.SHA256 | hashes.SHA384,
) -> x509.Certificate:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, digest, ecdsa_deterministic=True)
