"""Certificate requests (PKCS#10, RFC 2986): how a key gets its certificate without ever leaving its party.

One request a key and usage. Whoever asks is told by the subject, what for by the extended key usage; a request is either
exactly of the profile of `crypto.certificates`, or refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.crypto.certificates import (
    ENCRYPT_USAGE,
    ORGANIZATION,
    SIGN_USAGE,
    UNREADABLE,
    common_name,
    party_of_principal,
    unit_of_principal,
    uri_of_principal,
)
from pipeline.crypto.suite import H
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import is_party

Usage = Literal["sign", "encrypt", "tls"]
"""What a certificate is for; each key has one."""

USAGES: tuple[Usage, ...] = ("sign", "encrypt", "tls")
BROKER = "broker"
MONITOR = "monitor"
SERVICES = (BROKER, "admin", "ops", MONITOR)
"""Principals that are no party: they have a TLS certificate only. `monitor` has no right on Kafka: it gives and takes figures."""
SERVERS = (BROKER, MONITOR)
"""Those that are called as well as calling: their certificates name the addresses they are reached under."""
MAX_SIZE = 8 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose holder has proved to hold the key, and that is of the profile."""

    principal: str  # `center`, `P37`, or one of SERVICES
    usage: Usage
    public_key: ec.EllipticCurvePublicKey
    hosts: tuple[str, ...]  # of a server: the addresses and names it is reached under
    der: bytes

    @property
    def party(self) -> str | None:
        """The party behind the principal; None for a service, such as `broker`."""
        return party_of_principal(self.principal)

    @property
    def digest(self) -> bytes:
        """SHA-256 over the request: what the trust log names it by, 32 bytes."""
        return H(self.der)


def certificate_request(
    principal: str, key: ec.EllipticCurvePrivateKey, usage: Usage, hosts: Sequence[str] = ()
) -> bytes:
    """The DER of a request for a certificate over `key`, signed by it. `hosts`: a server's addresses and names."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject(principal))
        .add_extension(alternative_names(principal, hosts), critical=False)
        .add_extension(extended_usage(usage, server=bool(hosts)), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def read_request(data: bytes) -> Request:
    """A request as DER or PEM, checked from possession to profile. Raises ConfigError with one sentence."""
    # 1. Size and form.
    if len(data) > MAX_SIZE:
        raise ConfigError(f"the request has {len(data)} bytes, more than {MAX_SIZE}")
    request = _parsed(data)
    try:
        return _checked(request)
    except UNREADABLE:  # the library reads a part when it is asked for
        raise ConfigError("a part of the request cannot be read") from None


def _checked(request: x509.CertificateSigningRequest) -> Request:
    # 2. The key, and that whoever asks holds it.
    key = _key_of(request)
    # 3. Who asks.
    principal = _principal_of(request.subject)
    # 4. What for: the two extensions of the profile, and no other wish.
    if len(request.attributes) > 1:
        raise ConfigError("the request has attributes beside its extensions")
    usage, server = _usage_of(request)
    if usage != "tls" and party_of_principal(principal) is None:
        raise ConfigError(f"{principal} is no party: it gets a TLS certificate only")
    if server != (principal in SERVERS):
        raise ConfigError(f"serverAuth is for {' and '.join(SERVERS)} only, and they need it: {principal}")
    # 5. Under which names.
    hosts = _hosts_of(request, principal)
    if bool(hosts) != server:
        raise ConfigError(
            f"addresses and host names are for {' and '.join(SERVERS)} only, and they need one: {principal}"
        )
    return Request(principal, usage, key, hosts, request.public_bytes(Encoding.DER))


def subject(principal: str) -> x509.Name:
    """O, OU, CN in this order, which RFC 4514, and so Kafka, prints as `CN=..,OU=..,O=HEDX`."""
    return name(principal, unit_of_principal(principal))


def name(common: str, unit: str) -> x509.Name:
    """A name of the profile."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def alternative_names(principal: str, hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    """The one URI of a principal, and a server's hosts behind it."""
    return x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(uri_of_principal(principal)), *map(_host, hosts)]
    )


def extended_usage(usage: Usage, *, server: bool = False) -> x509.ExtendedKeyUsage:
    """The extended key usages of a certificate; `server`: of one that is called as well as calling."""
    return x509.ExtendedKeyUsage(list(_SERVER if server else _EXTENDED[usage]))


_EXTENDED: dict[Usage, tuple[x509.ObjectIdentifier, ...]] = {
    "sign": (SIGN_USAGE,),
    "encrypt": (ENCRYPT_USAGE,),
    "tls": (ExtendedKeyUsageOID.CLIENT_AUTH,),
}
_SERVER = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)


def _parsed(data: bytes) -> x509.CertificateSigningRequest:
    try:
        if data.startswith(b"-----BEGIN"):
            return x509.load_pem_x509_csr(data)
        return x509.load_der_x509_csr(data)
    except UNREADABLE:
        raise ConfigError("not a certificate request (PKCS#10)") from None


def _key_of(request: x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    try:
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigError("the request's key is not on P-256")
        if not isinstance(request.signature_hash_algorithm, hashes.SHA256):
            raise ConfigError("the request is not signed with ECDSA and SHA-256")
        if not request.is_signature_valid:
            raise ConfigError("the request is not signed by its own key: whoever asks does not hold it")
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise ConfigError("the request's key or signature is of no known form") from None
    return key


def _principal_of(asked: x509.Name) -> str:
    common = [attribute.value for attribute in asked.get_attributes_for_oid(NameOID.COMMON_NAME)]
    principal = common[0] if len(common) == 1 else None
    if not isinstance(principal, str) or not is_principal(principal):
        raise ConfigError("the request's subject names no principal of the exchange")
    if asked != subject(principal):
        raise ConfigError(f"the request's subject is not {subject(principal).rfc4514_string()}")
    return principal


def is_principal(text: str) -> bool:
    """Whether `text` is the principal of a party, or one of SERVICES."""
    party = party_of_principal(text)
    return text in SERVICES if party is None else is_party(party) and common_name(party) == text


def _usage_of(request: x509.CertificateSigningRequest) -> tuple[Usage, bool]:
    extensions = _extensions(request)
    wanted = {x509.SubjectAlternativeName.oid, x509.ExtendedKeyUsage.oid}
    if {extension.oid for extension in extensions} != wanted:
        raise ConfigError("the request asks for other extensions than its name and its extended key usage")
    asked = tuple(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    for usage, identifiers in _EXTENDED.items():
        if asked == identifiers:
            return usage, False
    if asked == _SERVER:
        return "tls", True
    raise ConfigError("the request's extended key usage is none of sign, encrypt and tls, or several")


def _hosts_of(request: x509.CertificateSigningRequest, principal: str) -> tuple[str, ...]:
    names = _extensions(request).get_extension_for_class(x509.SubjectAlternativeName).value
    uri, *rest = names
    if uri != x509.UniformResourceIdentifier(uri_of_principal(principal)):
        raise ConfigError(f"the request's name is not {uri_of_principal(principal)}")
    hosts = [entry for entry in rest if isinstance(entry, x509.IPAddress | x509.DNSName)]
    if len(hosts) != len(rest):
        raise ConfigError("the request has a second name beside the principal's own")
    return tuple(str(host.value) for host in hosts)


def _extensions(request: x509.CertificateSigningRequest) -> x509.Extensions:
    try:
        return request.extensions
    except UNREADABLE:
        raise ConfigError("the request's extensions cannot be read, or one stands there twice") from None


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
