"""Servers of figures and pages: who gets in at the handshake, and whom they then see."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.center.installation import Installation, set_up
from pipeline.crypto.authority import create_issuing, create_root, issue_transport
from pipeline.crypto.keystore import write_transport
from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import peer_principal, server_context, ssl_context


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Everything of one machine."""
    made = Installation(tmp_path_factory.mktemp("home") / "hedx")
    set_up(made, ["37"], wall_clock())
    return made


def greet(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """The principal that a server sees when a client with that context connects. Raises ssl.SSLError, OSError."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            try:
                with server.wrap_socket(connection, server_side=True) as secured:
                    seen.append(secured.getpeercert(binary_form=True) or b"")
                    secured.sendall(b"hello")
            except ssl.SSLError:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(listening.getsockname()) as plain,
                client.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
            ):
                assert secured.recv(5) == b"hello"  # in TLS 1.3 a refusal comes with the first read
        finally:
            thread.join()
    return peer_principal(seen[0])


@pytest.mark.parametrize("principal", ["ops", "monitor", "center", "P37"])
def test_a_principal_of_the_exchange_is_named(installation: Installation, principal: str) -> None:
    """Whoever has a certificate to connect with gets in; what they may do is asked next."""
    context = ssl_context(installation.transport(principal))
    assert context is not None
    assert greet(server_context(installation.transport("monitor")), context) == principal


def test_without_a_certificate_nobody_gets_in(installation: Installation) -> None:
    """The handshake ends there."""
    authorities = installation.transport("ops") / "authorities.pem"
    with pytest.raises((ssl.SSLError, OSError)):
        greet(server_context(installation.transport("monitor")), ssl.create_default_context(cafile=authorities))


def test_another_authoritys_certificate_is_refused(installation: Installation, tmp_path: Path) -> None:
    """Even when it bears a principal's name."""
    other = create_issuing(create_root(wall_clock()), wall_clock())
    write_transport(tmp_path / "ops", issue_transport(other, "ops", wall_clock()), other.certificates)
    stranger = ssl_context(tmp_path / "ops")
    assert stranger is not None
    stranger.load_verify_locations(installation.transport("ops") / "authorities.pem")
    with pytest.raises((ssl.SSLError, OSError)):
        greet(server_context(installation.transport("monitor")), stranger)


def test_a_client_insists_on_the_servers_name(installation: Installation) -> None:
    """A certificate without this machine's name, such as a province's, serves nothing."""
    context = ssl_context(installation.transport("ops"))
    assert context is not None
    with pytest.raises(ssl.SSLError):
        greet(server_context(installation.transport("P37")), context)


def test_a_subject_of_another_form_is_nobody() -> None:
    """As with the brokers, the name alone does not do."""
    root = create_root(wall_clock()).certificate.public_bytes(Encoding.DER)
    with pytest.raises(InvalidMessage, match="principal_unknown"):
        peer_principal(root)
