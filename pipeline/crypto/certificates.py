"""The certificate profile: P-384 root, P-256 issuing CA, and per party one certificate to sign and one to encrypt.

A party's certificates carry the subject `CN=P37,OU=province,O=HEDX`, the SAN URI `urn:hedx:province:37`, and one
private extended key usage each, so that neither can do the other's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from pipeline.crypto.stopwatch import timed
from pipeline.crypto.suite import H
from pipeline.domain.errors import ConfigError, InvalidMessage

SIGN_USAGE = x509.ObjectIdentifier("2.25.51837860837203087124002029131814062175")
ENCRYPT_USAGE = x509.ObjectIdentifier("2.25.141488674202122267086694489876267111658")

ORGANIZATION = "HEDX"

UNREADABLE = (
    TypeError,
    ValueError,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises on a certificate, a request or a revocation list that it cannot read."""

Role = Literal["center", "provider", "province"]


def role_of(party: str) -> Role:
    """What a party is; `provider` is 00, the center's own resources."""
    return "center" if party == "center" else "provider" if party == "00" else "province"


def uri_of(party: str) -> str:
    """The party's name as a URI: `urn:hedx:center`, `urn:hedx:provider:00`, `urn:hedx:province:37`."""
    return "urn:hedx:center" if party == "center" else f"urn:hedx:{role_of(party)}:{party}"


def common_name(party: str) -> str:
    """CN of the party's certificates, which Kafka takes as the principal: `center`, `P37`."""
    return party if party == "center" else f"P{party}"


def party_of_principal(principal: str) -> str | None:
    """The party behind a Kafka principal: `37` of `P37`; None for `broker`, `admin` and `ops`."""
    if principal == "center":
        return principal
    return principal[1:] if principal.startswith("P") else None


def uri_of_principal(principal: str) -> str:
    """The URI in a principal's TLS certificate: its party's, or a service's, such as `urn:hedx:broker`."""
    party = party_of_principal(principal)
    return f"urn:hedx:{principal}" if party is None else uri_of(party)


def unit_of_principal(principal: str) -> str:
    """OU of a principal's TLS certificate: its party's role, or the principal's own name."""
    party = party_of_principal(principal)
    return principal if party is None else role_of(party)


@dataclass(frozen=True, slots=True)
class TrustedCertificate:
    """A certificate whose chain, usage and name hold. The bounds (ms) are those of the whole chain."""

    party: str
    role: str
    usage: x509.ObjectIdentifier
    serial: int
    public_key: ec.EllipticCurvePublicKey
    not_before: int
    not_after: int

    def valid(self, at: int) -> bool:
        """Whether the whole chain is valid `at` (ms)."""
        return self.not_before <= at <= self.not_after


class CertificateVerifier:
    """Verifies party certificates against root certificates and the issuing CAs beneath them."""

    def __init__(self, authorities: list[bytes]) -> None:
        """`authorities`: DER; those that signed themselves are trusted, the others only help to build the chain.

        Raises ConfigError when none signed itself.
        """
        certificates = [x509.load_der_x509_certificate(der) for der in authorities]
        anchors = [c for c in certificates if c.subject == c.issuer]
        if not anchors:
            raise ConfigError("no root certificate among the authorities'")
        self._store = Store(anchors)
        self._issuing = [c for c in certificates if c.subject != c.issuer]

    @property
    def issuing(self) -> list[x509.Certificate]:
        """The issuing CAs' certificates, whose keys also sign revocation lists."""
        return self._issuing

    @timed("chain")
    def verify(self, der: bytes, party: str, role: str, usage: x509.ObjectIdentifier) -> TrustedCertificate:
        """The certificate as `party`'s for `usage`. Raises InvalidMessage `certificate_invalid`.

        Validity in time is left to `TrustedCertificate.valid`, so that the costly rest is done once.
        """
        try:
            certificate = x509.load_der_x509_certificate(der)
            chain = self._verifier(usage, certificate.not_valid_before_utc).verify(certificate, self._issuing).chain
            name = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            key = certificate.public_key()
        except (VerificationError, *UNREADABLE) as error:
            raise InvalidMessage("certificate_invalid", f"certificate of {party}: {type(error).__name__}") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise InvalidMessage("certificate_invalid", f"certificate of {party}: not a P-256 key")
        names = [entry.value if isinstance(entry, x509.UniformResourceIdentifier) else None for entry in name]
        if names != [uri_of(party)] or role != role_of(party):
            raise InvalidMessage("certificate_invalid", f"certificate of {party}: made out to another")
        not_before = max(instant(c.not_valid_before_utc) for c in chain)
        not_after = min(instant(c.not_valid_after_utc) for c in chain)
        return TrustedCertificate(party, role, usage, certificate.serial_number, key, not_before, not_after)

    def _verifier(self, usage: x509.ObjectIdentifier, at: datetime) -> x509.verification.ClientVerifier:
        def only(policy: Policy, certificate: x509.Certificate, extension: x509.ExtendedKeyUsage) -> None:
            if list(extension) != [usage]:
                raise ValueError("extended key usage is not the one asked for")

        end_entity = ExtensionPolicy.webpki_defaults_ee().require_present(
            x509.ExtendedKeyUsage, Criticality.AGNOSTIC, only
        )
        return (
            PolicyBuilder()
            .store(self._store)
            .time(at)
            .max_chain_depth(1)
            .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=end_entity)
            .build_client_verifier()
        )


def certified_key(der: bytes) -> bytes | None:
    """The public key in a certificate, as SubjectPublicKeyInfo (DER); None where it cannot be read."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except UNREADABLE:
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def thumbprint(der: bytes) -> bytes:
    """x5t of a certificate: SHA-256 over its DER, 32 bytes."""
    return H(der)


def instant(moment: datetime) -> int:
    """A time of a certificate or a list, which has whole seconds, in ms since the epoch. `moment` knows its zone."""
    return int(moment.timestamp()) * 1000
