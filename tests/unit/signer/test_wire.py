"""The wire protocol under noise: whatever comes, the signer answers or closes, and goes on serving."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.crypto import cbor
from pipeline.crypto.keystore import write_identity
from pipeline.domain.errors import InvalidMessage
from pipeline.signer.keyring import CASE_LIFE, Keyring
from pipeline.signer.protocol import MAX_ANSWER, MAX_REQUEST, SignerGone, SignerRefused, decode, frame, receive
from pipeline.signer.remote import Connection
from pipeline.signer.server import Server
from tests.unit.crypto.exchange import NOW, identity

OPERATIONS = ("identity", "sign", "holds", "agree", "create_case", "open_case", "published", "protection", "export")
ARGUMENTS = st.one_of(
    st.binary(max_size=200), st.integers(-(2**63), 2**63), st.text(max_size=20), st.none(), st.booleans(),
    st.just(identity("37").sealing.kid), st.just(identity("53").sealing.public_bytes), st.lists(st.binary(), max_size=3),
)  # fmt: skip
REQUESTS = st.builds(
    lambda name, arguments: [name, *arguments], st.sampled_from(OPERATIONS), st.lists(ARGUMENTS, max_size=3)
)


@cache
def server() -> Server:
    with TemporaryDirectory() as folder:
        write_identity(Path(folder) / "identity", identity("37"))
        return Server(Keyring(Path(folder) / "identity", lambda: NOW), locked=False)


@contextmanager
def connected() -> Iterator[socket.socket]:
    """A connection that a thread of the server serves; the thread has ended when the block has."""
    ours, theirs = socket.socketpair()
    serving = threading.Thread(target=server().serve, args=(theirs,))
    serving.start()
    ours.settimeout(10)
    with ours:
        yield ours
    serving.join(10)
    assert not serving.is_alive()


def is_served(connection: socket.socket) -> bool:
    """Whether a sound request is answered."""
    connection.sendall(frame(["holds", identity("37").sealing.kid]))
    return receive(connection, MAX_ANSWER) == cbor.dumps([True, True])


@settings(deadline=None, max_examples=200)
@given(st.lists(REQUESTS, min_size=1, max_size=5))
def test_any_request_has_an_answer_of_the_agreed_form(requests: list[list[object]]) -> None:
    """Every well-formed frame is answered with results or a code, and the next one is served."""
    with connected() as connection:
        for request in requests:
            connection.sendall(frame(request))
            answer = decode(receive(connection, MAX_ANSWER) or b"")
            assert answer[0] is True or (answer[0] is False and answer[1].replace("_", "").isalpha())
        assert is_served(connection)


@settings(deadline=None, max_examples=200)
@given(st.binary(min_size=1, max_size=300))
def test_any_body_is_answered(body: bytes) -> None:
    """A frame of noise is refused with a code, and the next one is served."""
    with connected() as connection:
        connection.sendall(len(body).to_bytes(4, "big") + body)
        answer = decode(receive(connection, MAX_ANSWER) or b"")
        assert answer[0] in (True, False)
        assert is_served(connection)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_any_stream_ends(stream: bytes) -> None:
    """Noise without frames, then the end: the serving thread ends, and a new connection is served."""
    with connected() as connection:
        connection.sendall(stream)
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):  # closed before it was read to its end
            while connection.recv(4096):
                pass
    with connected() as connection:
        assert is_served(connection)


@pytest.mark.parametrize("size", [0, MAX_REQUEST + 1, 2**32 - 1])
def test_a_frame_of_a_wrong_size_ends_the_connection(size: int) -> None:
    """Nothing is set aside for it; the code comes, then the end."""
    with connected() as connection:
        connection.sendall(size.to_bytes(4, "big"))
        assert decode(receive(connection, MAX_ANSWER) or b"") == [False, "size"]
        assert connection.recv(1) == b""


def test_an_unknown_operation_is_refused() -> None:
    """There is no operation that hands a key out, and none takes other arguments than its own."""
    with connected() as connection:
        for request in (["export"], ["sign"], ["sign", "text"], ["identity", 1], [1], [["sign"]]):
            connection.sendall(frame(request))  # type: ignore[arg-type]
            assert decode(receive(connection, MAX_ANSWER) or b"") == [False, "request_unknown"]


def test_a_defect_inside_is_a_code_outside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What fails unexpectedly is answered with one code, and the log says its kind but not its words."""
    write_identity(tmp_path / "identity", identity("37"))
    keyring = Keyring(tmp_path / "identity", lambda: NOW)

    def broken(structure: bytes) -> bytes:
        raise RuntimeError(f"secret {structure.hex()}")

    keyring.sign = broken  # type: ignore[method-assign]
    answer = Server(keyring, locked=False).answer(cbor.dumps(["sign", b"\xab\xcd"]))
    assert answer == [False, "signer_failed"]
    assert "RuntimeError" in caplog.text
    assert "abcd" not in caplog.text


def test_half_a_frame_is_no_request() -> None:
    """A body that ends early is the end of the connection, not a request."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall((10).to_bytes(4, "big") + b"half")
        ours.close()
        assert receive(theirs, MAX_REQUEST) is None
    with pytest.raises(InvalidMessage, match="not an array"):
        decode(cbor.dumps({}))


def test_reply_keys_are_let_go_after_ten_minutes_without_use(tmp_path: Path) -> None:
    """Of an application that was shredded nothing stays in the signer; one in use stays at hand."""
    write_identity(tmp_path / "identity", identity("37"))
    now = [NOW]
    keyring = Keyring(tmp_path / "identity", lambda: now[0])
    kept, dropped = (keyring.create_case()[0].reply_key.kid for _ in range(2))
    now[0] += CASE_LIFE - 1
    keyring.let_go()
    assert keyring.holds(kept)
    now[0] += 1
    keyring.let_go()
    assert keyring.holds(kept)
    assert not keyring.holds(dropped)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(min_size=1, max_size=100), st.lists(ARGUMENTS, max_size=4).map(cbor.dumps)))
def test_whatever_answers_a_client_it_gets_results_or_an_error(body: bytes) -> None:
    """Something else at the socket's other end is no signer: the worker ends, with an error that says so."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(len(body).to_bytes(4, "big") + body)
        theirs.shutdown(socket.SHUT_WR)
        try:
            results = Connection(ours).ask("holds", b"kid")
        except (SignerGone, SignerRefused):
            return
        assert cbor.dumps([True, *results]) == body
        assert len(results) == 1
