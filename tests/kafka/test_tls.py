"""Who may not even begin to talk to the broker, on the clients' listener and on the controller's."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.crypto.authority import create_authority, issue_transport
from pipeline.crypto.authority_files import load_authority
from pipeline.crypto.keystore import Transport, load_identity, write_transport
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clients import Config
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.security import FILES, client_security, ssl_context, write_java_store
from tests.secured import Secured, secured

YEAR = 365 * 24 * 3600 * 1000
API_VERSIONS = bytes.fromhex("0000000a 0012 0000 00000001 ffff")
"""The smallest request: key 18, version 0, correlation 1, no client id."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The cluster as the demo runs it."""
    with secured(tmp_path_factory.mktemp("tls")) as cluster:
        yield cluster


@pytest.fixture(params=["clients", "controller"])
def listener(kafka: Secured, request: pytest.FixtureRequest) -> str:
    """`host:port` of each listener."""
    return kafka.bootstrap if request.param == "clients" else kafka.controller


def bad(kafka: Secured, folder: Path, kind: str) -> Path:
    """The TLS files of a client whose certificate is worth nothing here."""
    ours, now = load_authority(kafka.installation.authority), time.time_ns() // 1_000_000
    if kind == "unknown_authority":
        transport = issue_transport(create_authority(now), "P37", now)
    elif kind == "expired":
        transport = issue_transport(ours, "P37", now - 2 * YEAR)
    elif kind == "not_yet_valid":
        transport = issue_transport(ours, "P37", now + YEAR)
    else:  # to sign messages with, issued by the same authority under the same name
        signer = load_identity(kafka.installation.identity_folder("37")).signer
        transport = Transport("P37", signer.key, signer.certificate)
    write_transport(folder, transport, ours.certificates)
    return folder


def greet(address: str, context: ssl.SSLContext) -> bytes:
    """The first bytes of the broker's answer to the smallest request. Raises the TLS alert that came instead."""
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname=host) as sealed,
    ):
        sealed.sendall(API_VERSIONS)
        return sealed.recv(8)[4:]


def context_of(folder: Path) -> ssl.SSLContext:
    """The folder's TLS settings for a socket."""
    context = ssl_context(folder)
    assert context is not None
    return context


def alert(address: str, context: ssl.SSLContext) -> str:
    """The alert with which the broker ends the handshake."""
    with pytest.raises(ssl.SSLError) as refused:
        greet(address, context)
    return str(refused.value.reason)


def test_certificate_of_a_principal_is_let_in(kafka: Secured, listener: str) -> None:
    """Both listeners answer to 37's certificate, so what the next tests see refused is the certificate's fault."""
    assert greet(listener, context_of(kafka.installation.transport("P37"))) == bytes.fromhex("00000001")


def test_no_certificate_no_handshake(kafka: Secured, listener: str) -> None:
    """A client without a certificate is refused by TLS itself, before Kafka reads a byte of it."""
    context = ssl.create_default_context(cafile=kafka.installation.transport("P37") / "authorities.pem")
    assert alert(listener, context) in {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_BAD_CERTIFICATE",  # the same, in the words of Java 17
    }


@pytest.mark.parametrize("kind", ["unknown_authority", "expired", "not_yet_valid", "for_signing"])
def test_worthless_certificate_no_handshake(kafka: Secured, listener: str, tmp_path: Path, kind: str) -> None:
    """An unknown issuer, a certificate out of its time, and one that may sign messages but make no connections."""
    assert alert(listener, context_of(bad(kafka, tmp_path, kind))) == "SSLV3_ALERT_CERTIFICATE_UNKNOWN"


def test_older_tls_is_refused(kafka: Secured, listener: str) -> None:
    """TLS 1.3 or nothing."""
    context = context_of(kafka.installation.transport("P37"))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert alert(listener, context) == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_plaintext_is_not_answered(kafka: Secured, listener: str) -> None:
    """A request without TLS ends the connection; what comes back is a TLS alert, not Kafka's answer."""
    host, _, port = listener.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as plain:
        plain.sendall(API_VERSIONS)
        assert plain.recv(8)[4:] != bytes.fromhex("00000001")


@dataclass
class Listening:
    """What a librdkafka client was told of its connections."""

    codes: set[int]

    def __call__(self, error: KafkaError) -> None:
        """The library's callback for errors of connections."""
        self.codes.add(error.code())


def list_topics(settings: Config) -> tuple[int, set[int]]:
    """The codes with which a stock librdkafka client fails to list topics, and fails to connect."""
    heard = Listening(set())
    client = AdminClient({**settings, "error_cb": heard})  # type: ignore[dict-item]
    with pytest.raises(KafkaException) as failed:
        client.list_topics(timeout=2)
    client.poll(0.1)
    return failed.value.args[0].code(), heard.codes


def test_stock_client_without_certificate_gets_nowhere(kafka: Secured) -> None:
    """librdkafka with TLS but without a certificate, and without TLS: the transport fails, nothing is listed."""
    authorities = str(kafka.installation.transport("P37") / "authorities.pem")
    tls = {"bootstrap.servers": kafka.bootstrap, "security.protocol": "ssl", "ssl.ca.location": authorities}
    for settings in (tls, {"bootstrap.servers": kafka.bootstrap}):
        code, heard = list_topics({**settings, "log_level": 0})
        assert code == KafkaError._TRANSPORT
        assert KafkaError._ALL_BROKERS_DOWN in heard


@pytest.mark.parametrize("kind", ["P37", "unknown_authority"])
def test_client_refuses_a_broker_that_is_none(kafka: Secured, tmp_path: Path, kind: str) -> None:
    """Whoever takes the broker's address needs its certificate: 37's own does not do, nor does a stranger's."""
    folder = kafka.installation.transport("P37") if kind == "P37" else bad(kafka, tmp_path, kind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key", password=(folder / "passphrase").read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, context), daemon=True).start()
        port = server.getsockname()[1]
        with pytest.raises(ssl.SSLCertVerificationError):
            greet(f"127.0.0.1:{port}", context_of(kafka.installation.transport("P32")))
        settings = {**kafka.client("P32"), "bootstrap.servers": f"127.0.0.1:{port}"}
        code, heard = list_topics(settings)
        assert code == KafkaError._TRANSPORT
        assert KafkaError._SSL in heard


def _accept(server: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands with everyone until the server is closed."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # closed: the test is over
            return
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:  # the client went away, as it should
            connection.close()


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_an_error_never_plaintext(kafka: Secured, tmp_path: Path, name: str) -> None:
    """A principal's folder with a file missing is a configuration error that names it, for every kind of client."""
    folder = kafka.installation.transport("P37")
    for file in set(FILES) - {name}:
        (tmp_path / file).write_bytes((folder / file).read_bytes())
        (tmp_path / file).chmod(0o600)
    with pytest.raises(ConfigError, match=name):
        client_security(tmp_path)
    with pytest.raises(ConfigError, match=name):
        ssl_context(tmp_path)


def test_plaintext_is_said_not_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HEDX_SECURITY=plaintext` gives settings without TLS; a word that nobody knows is an error, not plaintext."""
    monkeypatch.setenv("HEDX_SECURITY", "plaintext")
    assert client_security(tmp_path) == {}
    assert ssl_context(tmp_path) is None
    monkeypatch.setenv("HEDX_SECURITY", "none")
    with pytest.raises(ConfigError, match="none"):
        client_security(tmp_path)


def test_broker_without_its_certificate_does_not_start(kafka: Secured, tmp_path: Path) -> None:
    """A broker that shall be secured and has no TLS files is an error; it does not come up open to everyone."""
    with pytest.raises(ConfigError, match="passphrase"):
        EmbeddedBroker(tmp_path / "broker", principals=tmp_path / "principals").start()


def test_no_secret_in_configuration_arguments_or_log(kafka: Secured) -> None:
    """The broker's passphrase is in its own file only: not in the properties, the command line, the log or the store."""
    home = kafka.installation.folder
    broker = kafka.installation.transport("broker")
    secret = (broker / "passphrase").read_bytes()
    write_java_store(broker)
    written = [path for path in (home / "broker").rglob("*") if path.is_file() and path.suffix != ".index"]
    assert written
    for path in [*written, broker / "tls.p12", broker / "tls.key"]:
        assert secret not in path.read_bytes(), path
    pid = EmbeddedBroker(home / "broker").pid
    assert secret not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert secret not in Path(f"/proc/{pid}/environ").read_bytes()
    assert {path.stat().st_mode & 0o077 for path in broker.iterdir()} == {0}


@pytest.mark.parametrize("name", ["passphrase", "tls.key"])
def test_a_secret_that_others_may_read_connects_nobody(kafka: Secured, tmp_path: Path, name: str) -> None:
    """The file is named, with its mode, for every kind of client."""
    for file in FILES:
        (tmp_path / file).write_bytes((kafka.installation.transport("P37") / file).read_bytes())
        (tmp_path / file).chmod(0o604 if file == name else 0o600)
    for connects in (client_security, ssl_context):
        with pytest.raises(ConfigError, match=rf"{name}: others may read or change it \(mode 604\)"):
            connects(tmp_path)
