"""TLS of Kafka's clients: from a principal's folder to what librdkafka, asyncio and Java's tools want to be told.

A folder holds what `crypto.keystore.write_transport` wrote: `passphrase`, `tls.key`, `tls.pem`, `authorities.pem`. The
passphrase is read into memory and handed to the library; it is never an argument, an environment variable or a log line.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from pipeline.crypto.keystore import check_closed, load_key, read_passphrase
from pipeline.crypto.requests import is_principal
from pipeline.crypto.requests import subject as subject_of
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.kafka.clients import Extra

FILES = ("passphrase", "tls.key", "tls.pem", "authorities.pem")
STORE = "tls.p12"
STORE_ROUNDS = 10_000
"""Of PBKDF2. The passphrase is 256 random bits, which more rounds would not help; each costs every start of a JVM time."""


def is_plaintext() -> bool:
    """Whether `HEDX_SECURITY=plaintext` says that the cluster has neither TLS nor rights. Raises ConfigError."""
    word = os.environ.get("HEDX_SECURITY") or "tls"
    if word not in ("tls", "plaintext"):
        raise ConfigError(f"HEDX_SECURITY={word}: must be `tls` or `plaintext`")
    return word == "plaintext"


def client_security(directory: Path) -> Extra:
    """What librdkafka needs to connect as the principal of `directory`; nothing where plaintext was asked for.

    Raises ConfigError when a file is missing, or a secret one open to others: never falls back to plaintext by itself.
    """
    if is_plaintext():
        return {}
    return {
        "security.protocol": "ssl",
        "ssl.ca.location": str(_file(directory, "authorities.pem")),
        "ssl.certificate.location": str(_file(directory, "tls.pem")),
        "ssl.key.location": str(_key(directory)),
        "ssl.key.password": _passphrase(directory).decode(),
        "ssl.endpoint.identification.algorithm": "https",
    }


def ssl_context(directory: Path) -> ssl.SSLContext | None:
    """The same for asyncio, so for aiokafka and Faust: TLS 1.3, the broker's name checked; None for plaintext.

    Raises ConfigError when a file is missing.
    """
    if is_plaintext():
        return None
    context = ssl.create_default_context(cafile=_file(directory, "authorities.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    certificate, key = _file(directory, "tls.pem"), _key(directory)
    context.load_cert_chain(certificate, key, password=lambda: _passphrase(directory))
    return context


def server_context(directory: Path) -> ssl.SSLContext:
    """For a server of figures or pages: TLS 1.3, and nobody gets in without a certificate of the exchange's authority.

    `directory`: the principal `monitor`'s, whose certificate names this machine. Who it is that got in, and what they may do,
    is the server's to ask (`peer_principal`). Raises ConfigError when a file is missing.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=_file(directory, "authorities.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = _file(directory, "tls.pem"), _key(directory)
    context.load_cert_chain(certificate, key, password=lambda: _passphrase(directory))
    return context


def peer_principal(certificate: bytes) -> str:
    """The principal behind a client's certificate (DER) that TLS has verified, as the brokers name it.

    Raises InvalidMessage `principal_unknown` for a subject that no principal of the exchange has.
    """
    subject = x509.load_der_x509_certificate(certificate).subject
    names = [attribute.value for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    principal = str(names[0]) if len(names) == 1 else ""
    if not is_principal(principal) or subject != subject_of(principal):
        raise InvalidMessage("principal_unknown", "")
    return principal


def java_security(directory: Path) -> dict[str, str]:
    """The `ssl.*` properties for a JVM, broker or client. They name files; the passphrase stays in its own.

    `directory` is the folder as the JVM sees it, with `tls.p12` in it (`write_java_store`).
    """
    passphrase = f"${{directory:{directory}:passphrase}}"
    return {
        "config.providers": "directory",
        "config.providers.directory.class": "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
        "config.providers.directory.param.allowed.paths": str(directory),
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(directory / STORE),
        "ssl.keystore.password": passphrase,
        "ssl.key.password": passphrase,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(directory / "authorities.pem"),
        "ssl.enabled.protocols": "TLSv1.3",
        "ssl.endpoint.identification.algorithm": "https",
    }


def write_client_properties(directory: Path) -> Path:
    """Write `tls.p12` and `client.properties`, what Kafka's own tools take as `--command-config`; no secret is in it."""
    write_java_store(directory)
    path = directory / "client.properties"
    settings = {"security.protocol": "SSL", **java_security(directory)}
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


def write_java_store(directory: Path) -> None:
    """Write the folder's key and chain again as `tls.p12`, mode 0600, under the same passphrase.

    Java before 19 cannot read encrypted keys in PEM (it knows no PBES2 there), PKCS#12 it can. Raises ConfigError.
    """
    passphrase = _passphrase(directory)
    key = load_key(_file(directory, "tls.key"), passphrase)
    own, *issuers = x509.load_pem_x509_certificates(_file(directory, "tls.pem").read_bytes())
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(STORE_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase)
    )
    store = pkcs12.serialize_key_and_certificates(b"tls", key, own, issuers, encryption)
    draft = directory / f"{STORE}.new"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(store)
    draft.replace(directory / STORE)


def _passphrase(directory: Path) -> bytes:
    return read_passphrase(_file(directory, "passphrase").parent)


def _key(directory: Path) -> Path:
    path = _file(directory, "tls.key")
    check_closed(path)
    return path


def _file(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.is_file():
        raise ConfigError(
            f"{path} is missing: this machine cannot connect to Kafka as {directory.name} "
            "(HEDX_SECURITY=plaintext is for a cluster without TLS)"
        )
    return path
