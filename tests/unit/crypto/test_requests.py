"""Certificate requests: what is of the profile is read, everything else refused with one sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

from pipeline.crypto import suite
from pipeline.crypto.certificates import SIGN_USAGE
from pipeline.crypto.requests import (
    MAX_SIZE,
    USAGES,
    Usage,
    alternative_names,
    certificate_request,
    extended_usage,
    name,
    read_request,
    subject,
)
from pipeline.domain.errors import ConfigError

KEY = suite.generate_key()
Builder = x509.CertificateSigningRequestBuilder


def build(
    named: x509.Name | None = None,
    names: x509.SubjectAlternativeName | None = None,
    usage: x509.ExtendedKeyUsage | None = None,
    more: Callable[[Builder], Builder] = lambda builder: builder,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = KEY,
    hash_: hashes.HashAlgorithm | None = hashes.SHA256(),  # noqa: B008 - has no state
) -> bytes:
    """A request to sign for P37, but for what is given."""
    builder = (
        Builder()
        .subject_name(named or subject("P37"))
        .add_extension(names or alternative_names("P37", ()), critical=False)
        .add_extension(usage or extended_usage("sign"), critical=False)
    )
    return more(builder).sign(key, hash_).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def test_the_builder_of_these_tests_makes_good_requests() -> None:
    """So that each defect below is the only one."""
    assert read_request(build()).principal == "P37"


@pytest.mark.parametrize("principal", ["center", "P00", "P37", "P66"])
@pytest.mark.parametrize("usage", USAGES)
def test_a_partys_requests_are_read_back(principal: str, usage: Usage) -> None:
    """As DER or PEM, for each of its three keys."""
    der = certificate_request(principal, KEY, usage)
    pem = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)
    for request in (read_request(der), read_request(pem)):
        assert (request.principal, request.usage, request.hosts) == (principal, usage, ())
        assert request.public_key == KEY.public_key()
        assert request.digest == suite.H(der)


def test_a_brokers_request_names_its_hosts() -> None:
    """Addresses and names, and serverAuth beside clientAuth."""
    request = read_request(certificate_request("broker", KEY, "tls", ("10.0.0.1", "::1", "kafka-1.hedx")))
    assert request.hosts == ("10.0.0.1", "::1", "kafka-1.hedx")
    assert request.party is None


@pytest.mark.parametrize("usage", USAGES)
def test_openssl_accepts_the_proof_of_possession(tmp_path: Path, usage: Usage) -> None:
    """`openssl req -verify` says that the request is signed by its own key."""
    path = tmp_path / "request.csr"
    path.write_bytes(certificate_request("P37", KEY, usage))
    command = ["openssl", "req", "-verify", "-noout", "-inform", "DER", "-in", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "verify OK" in done.stdout + done.stderr


def _flipped(der: bytes) -> bytes:
    """One bit of the signature changed."""
    return der[:-1] + bytes([der[-1] ^ 1])


def _other_key(der: bytes) -> bytes:
    """The same request over a key that whoever asks does not hold."""
    return der.replace(suite.point(KEY.public_key()), suite.point(suite.generate_key().public_key()))


def _named(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])


URI = x509.UniformResourceIdentifier
DEFECTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "not a request": (lambda: b"\x30\x03\x02\x01\x01", "not a certificate request"),
    "empty": (lambda: b"", "not a certificate request"),
    "a certificate's PEM": (lambda: b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "not a cert"),
    "bytes left over": (lambda: build() + b"\0", "not a certificate request"),
    "too large": (lambda: build() + bytes(MAX_SIZE), "bytes, more than"),
    "signature flipped": (lambda: _flipped(build()), "not signed by its own key"),
    "another's key": (lambda: _other_key(build()), "not signed by its own key"),
    "P-384": (lambda: build(key=ec.generate_private_key(ec.SECP384R1())), "not on P-256"),
    "RSA": (lambda: build(key=rsa.generate_private_key(65537, 2048)), "not on P-256"),
    "Ed25519": (lambda: build(key=ed25519.Ed25519PrivateKey.generate(), hash_=None), "not on P-256"),
    "SHA-512": (lambda: build(hash_=hashes.SHA512()), "not signed with ECDSA and SHA-256"),
    "unknown province": (lambda: build(name("P99", "province")), "names no principal"),
    "center as a province": (lambda: build(name("Pcenter", "center")), "names no principal"),
    "no common name": (lambda: build(_named((NameOID.ORGANIZATION_NAME, "HEDX"))), "names no principal"),
    "two common names": (
        lambda: build(_named((NameOID.COMMON_NAME, "P37"), (NameOID.COMMON_NAME, "P53"))),
        "names no principal",
    ),
    "province claims to be the center": (lambda: build(name("P37", "center")), "subject is not CN=P37"),
    "other organisation": (
        lambda: build(
            _named(
                (NameOID.ORGANIZATION_NAME, "HEDY"),
                (NameOID.ORGANIZATIONAL_UNIT_NAME, "province"),
                (NameOID.COMMON_NAME, "P37"),
            )
        ),
        "subject is not CN=P37",
    ),
    "another's URI": (lambda: build(names=alternative_names("P53", ())), "name is not urn:hedx:province:37"),
    "two URIs": (
        lambda: build(
            names=x509.SubjectAlternativeName([URI("urn:hedx:province:37"), URI("urn:hedx:province:53")])
        ),
        "second name",
    ),
    "a host beside the URI": (lambda: build(names=alternative_names("P37", ("10.0.0.1",))), "for broker and monitor only"),
    "two usages": (
        lambda: build(usage=x509.ExtendedKeyUsage([SIGN_USAGE, ExtendedKeyUsageOID.CLIENT_AUTH])),
        "none of sign, encrypt and tls",
    ),
    "code signing": (
        lambda: build(usage=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])),
        "none of sign, encrypt and tls",
    ),
    "province as a server": (lambda: build(usage=extended_usage("tls", server=True)), "serverAuth is for broker and monitor only"),
    "administrator who signs": (
        lambda: build(subject("admin"), alternative_names("admin", ())),
        "TLS certificate only",
    ),
    "broker without a host": (
        lambda: build(subject("broker"), alternative_names("broker", ()), extended_usage("tls")),
        "they need it: broker",
    ),
    "monitor without a host": (
        lambda: build(subject("monitor"), alternative_names("monitor", ()), extended_usage("tls")),
        "they need it: monitor",
    ),
    "wants to be a CA": (
        lambda: build(more=lambda b: b.add_extension(x509.BasicConstraints(True, None), critical=True)),
        "other extensions",
    ),
    "no extensions": (lambda: Builder().subject_name(subject("P37")).sign(KEY, hashes.SHA256())
                      .public_bytes(Encoding.DER), "other extensions"),
    "challenge password": (
        lambda: build(more=lambda b: b.add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"secret")),
        "attributes beside",
    ),
}  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_request_off_the_profile_is_refused(defect: str) -> None:
    """Each with a sentence that says what is wrong."""
    make, sentence = DEFECTS[defect]
    with pytest.raises(ConfigError, match=sentence):
        read_request(make())
