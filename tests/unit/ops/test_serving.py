"""The server of figures: what it answers, to whom, and that who says nothing keeps nobody waiting."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from pipeline.center.installation import Installation, set_up
from pipeline.crypto.authority_files import load_authority
from pipeline.crypto.revocation import build_crl
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import ssl_context
from pipeline.ops.listening import Address, callable_at, parse_address
from pipeline.ops.serving import Serving, metrics_route

NOW, DAY = wall_clock(), 24 * 3600 * 1000
LOOPBACK = Address("127.0.0.1", 0)
ANY = "0.0.0.0"  # noqa: S104 - never bound here


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Everything of one machine."""
    made = Installation(tmp_path_factory.mktemp("home") / "hedx")
    set_up(made, ["37"], wall_clock())
    return made


@pytest.fixture(scope="module")
def registry() -> CollectorRegistry:
    """One counter that stands at 3."""
    made = CollectorRegistry()
    Counter("hedx_things", "Things.", registry=made).inc(3)
    return made


def broken() -> tuple[str, bytes]:
    raise ValueError("440101199001011234")


@pytest.fixture
def serving(installation: Installation, registry: CollectorRegistry) -> Iterator[Serving]:
    """A server with two places for connections."""
    routes = {"/metrics": metrics_route(registry), "/broken": broken}
    with Serving(LOOPBACK, routes, installation.transport("monitor"), most=2, silence=0.2) as server:
        yield server


@pytest.fixture
def ask(serving: Serving, installation: Installation) -> Callable[..., http.client.HTTPResponse]:
    """`ask("/metrics", "ops")`: the answer to that principal."""

    def request(path: str, principal: str = "ops", method: str = "GET") -> http.client.HTTPResponse:
        context = ssl_context(installation.transport(principal))
        port = serving.address.port
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        connection.request(method, path)
        return connection.getresponse()

    return request


Ask = Callable[..., http.client.HTTPResponse]


@pytest.mark.parametrize("principal", ["monitor", "ops", "admin", "center"])
def test_operators_read_figures(ask: Ask, principal: str) -> None:
    """In Prometheus' text format, which its own parser takes."""
    answer = ask("/metrics", principal)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {each.name: each for each in text_string_to_metric_families(answer.read().decode())}
    assert [sample.value for sample in families["hedx_things"].samples if sample.name == "hedx_things_total"] == [3.0]


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/nothing"])
def test_a_party_reads_none(ask: Ask, path: str) -> None:
    """Its certificate is of the exchange, and gets 403 whatever it asks for."""
    answer = ask(path, "P37")
    assert (answer.status, answer.read()) == (403, b"403 Forbidden\n")


def test_a_revoked_certificate_reads_none(installation: Installation) -> None:
    """As soon as the list is known: TLS itself reads none, and goes on shaking hands with it."""
    folder, context = installation.transport("ops"), ssl_context(installation.transport("ops"))
    serial = x509.load_pem_x509_certificate((folder / "tls.pem").read_bytes()).serial_number
    authority, lists = load_authority(installation.authority), list[bytes]()
    with Serving(
        LOOPBACK, {}, installation.transport("monitor"), newest_list=lambda: lists[-1] if lists else None
    ) as server:

        def status() -> int:
            connection = http.client.HTTPSConnection("127.0.0.1", server.address.port, timeout=10, context=context)
            connection.request("GET", "/healthz")
            return connection.getresponse().status

        assert status() == 200
        lists.append(build_crl(authority, [(serial + 1, NOW, None)], number=1, now=NOW, lifetime=DAY))
        assert status() == 200
        lists.append(build_crl(authority, [(serial, NOW, None)], number=2, now=NOW, lifetime=DAY))
        assert status() == 403


def test_without_a_certificate_the_handshake_is_refused(serving: Serving, installation: Installation) -> None:
    """Nothing is answered, not even that it is refused."""
    context = ssl.create_default_context(cafile=installation.transport("ops") / "authorities.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", serving.address.port, timeout=10, context=context)
    with pytest.raises(OSError):  # noqa: PT012 - in TLS 1.3 a refusal comes with the first read
        connection.request("GET", "/metrics")
        connection.getresponse()


def test_plain_http_is_no_way_in(serving: Serving) -> None:
    """Who speaks no TLS gets no HTTP either."""
    with socket.create_connection(("127.0.0.1", serving.address.port), timeout=10) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in plain.recv(1000)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("GET", "/metrics?x=1", 200), ("GET", "/", 404), ("GET", "/metrics/../etc", 404)]
    + [(method, "/metrics", 405) for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE")],
)
def test_fixed_paths_read_only(ask: Ask, method: str, path: str, status: int) -> None:
    """What is not a route is not found, and nothing can be written."""
    assert ask(path, method=method).status == status


def test_head_tells_the_length_alone(ask: Ask) -> None:
    """As GET, without a body."""
    answer = ask("/metrics", method="HEAD")
    assert int(answer.headers["Content-Length"]) > 50
    assert answer.read() == b""


@pytest.mark.parametrize("path", ["/metrics", "/nothing"])
def test_it_says_nothing_about_itself(ask: Ask, path: str) -> None:
    """No banner, no version; and no cache keeps what was true a moment ago."""
    answer = ask(path)
    assert "Server" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Python" not in f"{answer.headers}{answer.read().decode()}".replace("python_info", "")


def test_a_failing_source_is_told_without_its_words(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """500, and in the log the class and place of the failure: its text may quote anything. The next request is answered."""
    assert ask("/broken").status == 500
    assert "/broken: ValueError in broken" in caplog.text
    assert "44010119900101" not in caplog.text
    assert ask("/healthz").status == 200


def test_silent_clients_keep_nobody_waiting(serving: Serving, ask: Ask) -> None:
    """They fill all places, are given up after the silence, and then others are answered; one too many is closed at once."""
    silent = [socket.create_connection(("127.0.0.1", serving.address.port), timeout=10) for _ in range(3)]
    assert silent[2].recv(1) == b""
    for each in silent[:2]:
        with pytest.raises((ConnectionResetError, AssertionError)):
            assert each.recv(1)
        each.close()
    assert ask("/healthz").status == 200
    silent[2].close()


def test_what_drips_is_cut_off(installation: Installation) -> None:
    """A client that sends a byte whenever it is about to be called silent has its time, too."""
    with (
        Serving(LOOPBACK, {}, installation.transport("monitor"), silence=30, longest=0.05) as server,
        socket.create_connection(("127.0.0.1", server.address.port), timeout=10) as slow,
    ):
        slow.sendall(b"\x16")
        assert slow.recv(1) == b""


def test_a_port_that_is_taken_is_one_sentence(serving: Serving, installation: Installation) -> None:
    """Of a ConfigError, which the command line shows as it is."""
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:\d+ cannot be listened on: Address already in use"):
        Serving(serving.address, {}, installation.transport("monitor"))


def test_a_missing_certificate_is_one_sentence(tmp_path: Path) -> None:
    """It names the folder and whose it is."""
    with pytest.raises(ConfigError, match=r"nowhere/monitor is missing.*`monitor`"):
        Serving(LOOPBACK, {}, tmp_path / "nowhere" / "monitor")


@pytest.mark.usefixtures("plaintext")
def test_without_tls_on_the_loopback_address_only(tmp_path: Path, registry: CollectorRegistry) -> None:
    """`HEDX_SECURITY=plaintext` is for throw-away brokers: plain HTTP then, and for nobody outside of the machine."""
    with Serving(LOOPBACK, {"/metrics": metrics_route(registry)}, tmp_path) as server:
        assert server.scheme == "http"
        connection = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=10)
        connection.request("GET", "/metrics")
        assert b"hedx_things_total 3.0" in connection.getresponse().read()
    for host in (ANY, "10.1.2.3", "::", "figures.example"):
        with pytest.raises(ConfigError, match="loopback"):
            Serving(Address(host, 0), {}, tmp_path)


def test_once_closed_it_listens_no_more(installation: Installation) -> None:
    """The port is free again."""
    with Serving(LOOPBACK, {}, installation.transport("monitor")) as server:
        port = server.address.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9400", Address("127.0.0.1", 9400)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:9400", Address("::1", 9400)),
        (f"{ANY}:65535", Address(ANY, 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Address) -> None:
    """And is written as it was read."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "9400", ":9400", "host:", "host:-1", "host:65536", "host:x", "::1:9400", "[::1]"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(ConfigError, match=r"HOST:PORT, for instance 127\.0\.0\.1:9400"):
        parse_address(text)


def test_all_addresses_are_called_by_the_certificates_name(installation: Installation) -> None:
    """A client that checks names can call what the certificate says, and not 0.0.0.0."""
    folder = installation.transport("monitor")
    assert callable_at(Address(ANY, 9400), folder).host in ("127.0.0.1", "localhost")
    assert callable_at(Address("10.1.2.3", 9400), folder) == Address("10.1.2.3", 9400)
