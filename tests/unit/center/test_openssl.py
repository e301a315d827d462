"""What OpenSSL says of our certificates, requests and lists: another implementation of the same standards."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.center import ceremony
from pipeline.center.installation import Installation
from pipeline.center.registry import Registry
from pipeline.center.registry_rows import Certificate
from pipeline.crypto import suite
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, common_name
from pipeline.crypto.requests import USAGES, Usage, certificate_request, read_request
from pipeline.kafka.clock import wall_clock

DAY = 24 * 3600 * 1000


def openssl(*arguments: str | Path) -> tuple[int, str]:
    """Exit code, and everything it said."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class Exchange:
    """An authority in a folder, with the tools to issue and to ask OpenSSL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = wall_clock()
        self.installation = Installation(folder / "hedx")
        ceremony.found(self.installation, folder / "root", self.now)

    def registry(self) -> Registry:
        return self.installation.registry()

    def issue(self, principal: str, usage: Usage, hosts: tuple[str, ...] = (), *, renewal: bool = False) -> Certificate:
        with self.registry() as registry:
            if principal.startswith("P"):
                registry.register(principal[1:], self.now)
            asked = read_request(certificate_request(principal, suite.generate_key(), usage, hosts))
            act = registry.renew if renewal else registry.issue
            return act(self.installation.issuing(), asked, self.now)

    def pem(self, certificate: Certificate) -> Path:
        path = self.folder / f"{certificate.serial}.pem"
        path.write_bytes(x509.load_der_x509_certificate(certificate.der).public_bytes(Encoding.PEM))
        return path

    def text(self, certificate: Certificate) -> str:
        return openssl("x509", "-noout", "-text", "-in", self.pem(certificate))[1]

    def crl(self) -> Path:
        path = self.folder / "list.pem"
        with self.registry() as registry:
            der = registry.crl(self.installation.issuing(), self.now)["crl"]
        path.write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
        return path

    def verify(self, certificate: Certificate, *more: str | Path) -> tuple[int, str]:
        authority = self.installation.authority
        chain = "-CAfile", authority / "root.pem", "-untrusted", authority / "issuing.pem"
        lists = "-crl_check", "-CRLfile", self.crl()
        return openssl("verify", *chain, *lists, *more, self.pem(certificate))


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


@pytest.mark.parametrize("usage", USAGES)
def test_the_chain_of_a_good_certificate_holds(exchange: Exchange, usage: Usage) -> None:
    """Up to the offline root, with the revocation list consulted."""
    code, said = exchange.verify(exchange.issue("P37", usage))
    assert (code, said.rsplit(": ", 1)[-1]) == (0, "OK\n"), said


def test_a_revoked_certificate_is_refused_and_others_are_not(exchange: Exchange) -> None:
    """By the list alone."""
    lost, good = exchange.issue("P37", "sign"), exchange.issue("P53", "sign")
    with exchange.registry() as registry:
        registry.revoke(lost.serial, "key_compromise", exchange.now)
    code, said = exchange.verify(lost)
    assert code != 0
    assert "certificate revoked" in said
    assert exchange.verify(good)[0] == 0
    listed = openssl("crl", "-noout", "-text", "-in", exchange.folder / "list.pem")[1]
    assert "Key Compromise" in listed
    assert lost.serial.upper().lstrip("0") in listed


def test_after_a_new_issuing_ca_old_and_new_certificates_hold(exchange: Exchange) -> None:
    """The list is signed by the new key, and speaks for what the earlier one issued too (-extended_crl)."""
    old = exchange.issue("P37", "sign")
    ceremony.renew_issuing(exchange.installation, exchange.folder / "root", exchange.now)
    new = exchange.issue("P37", "sign", renewal=True)
    assert exchange.verify(new)[0] == 0
    assert exchange.verify(old, "-extended_crl")[0] == 0, exchange.verify(old, "-extended_crl")
    with exchange.registry() as registry:
        registry.revoke(old.serial, "superseded", exchange.now)
    assert "certificate revoked" in exchange.verify(old, "-extended_crl")[1]


@pytest.mark.parametrize(
    ("usage", "allows", "extended"),
    [
        ("sign", "Digital Signature", SIGN_USAGE.dotted_string),
        ("encrypt", "Key Agreement", ENCRYPT_USAGE.dotted_string),
        ("tls", "Digital Signature", "TLS Web Client Authentication"),
    ],
)
def test_a_partys_certificate_is_of_the_profile(exchange: Exchange, usage: Usage, allows: str, extended: str) -> None:
    """Subject in Kafka's order, critical key usage, one extended usage, one URI, no CA, P-256 and SHA-256."""
    text = exchange.text(exchange.issue("P37", usage))
    lines = [line.strip() for line in text.splitlines()]

    def after(heading: str) -> str:
        return lines[next(i for i, line in enumerate(lines) if line.startswith(heading)) + 1]

    assert "Subject: O = HEDX, OU = province, CN = P37" in lines
    assert "Issuer: O = HEDX, OU = authority, CN = HEDX issuing" in lines
    assert after("X509v3 Key Usage: critical") == allows
    assert after("X509v3 Extended Key Usage:") == extended
    assert after("X509v3 Subject Alternative Name:") == "URI:urn:hedx:province:37"
    assert after("X509v3 Basic Constraints: critical") == "CA:FALSE"
    assert "NIST CURVE: P-256" in lines
    assert "Signature Algorithm: ecdsa-with-SHA256" in lines


def test_a_brokers_certificate_also_serves(exchange: Exchange) -> None:
    """serverAuth beside clientAuth, its hosts behind its URI, and OpenSSL takes it for a server of that name."""
    broker = exchange.issue("broker", "tls", ("127.0.0.1", "kafka-1.hedx"))
    text = exchange.text(broker)
    assert "TLS Web Client Authentication, TLS Web Server Authentication" in text
    assert "URI:urn:hedx:broker, IP Address:127.0.0.1, DNS:kafka-1.hedx" in text
    assert exchange.verify(broker, "-purpose", "sslserver", "-verify_hostname", "kafka-1.hedx")[0] == 0
    assert exchange.verify(broker, "-purpose", "sslserver", "-verify_hostname", "kafka-2.hedx")[0] != 0
    assert exchange.verify(exchange.issue("P37", "tls"), "-purpose", "sslserver")[0] != 0


def test_the_authority_is_of_the_profile(exchange: Exchange) -> None:
    """P-384 root, path length 1; P-256 issuing CA, path length 0; neither may do anything but certify."""
    for name, curve, length in (("root", "P-384", 1), ("issuing", "P-256", 0)):
        text = openssl("x509", "-noout", "-text", "-in", exchange.installation.authority / f"{name}.pem")[1]
        assert f"NIST CURVE: {curve}" in text
        assert f"CA:TRUE, pathlen:{length}" in text
        assert "Certificate Sign, CRL Sign" in text


def test_keys_at_rest_are_pbes2(exchange: Exchange) -> None:
    """AES-256-CBC under PBKDF2 with HMAC-SHA-256; without the passphrase OpenSSL gets nothing out."""
    for folder, name in ((exchange.installation.authority, "issuing.key"), (exchange.folder / "root", "root.key")):
        form = openssl("asn1parse", "-in", folder / name)[1]
        assert all(word in form for word in ("PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc"))
        passphrase = f"file:{folder / 'passphrase'}"
        assert openssl("pkey", "-in", folder / name, "-noout", "-check", "-passin", passphrase)[0] == 0
        assert openssl("pkey", "-in", folder / name, "-noout", "-passin", "pass:wrong")[0] != 0


def test_common_names_are_kafkas_principals() -> None:
    """So that what OpenSSL prints above is what a broker sees."""
    assert [common_name(party) for party in ("center", "00", "37")] == ["center", "P00", "P37"]
