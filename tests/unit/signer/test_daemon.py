"""A signer that listens on a socket: a real process, real connections."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.crypto import signed
from pipeline.crypto.keystore import write_identity
from pipeline.domain.errors import ConfigError
from pipeline.signer.client import open_identity
from pipeline.signer.daemon import _accept, peer
from pipeline.signer.keyring import Keyring
from pipeline.signer.server import Server
from tests.unit.crypto.exchange import NOW, identity, trust


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_identity(tmp_path / "parties" / "37" / "identity", identity("37"))
    return tmp_path


def start(home: Path) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "pipeline.cli.main", "signer", "run", "--party", "37"]
    with (home / "log").open("ab") as log:
        return subprocess.Popen(arguments, env={**os.environ, "HEDX_HOME": str(home)}, stdout=log, stderr=log)


def wait_for(home: Path, words: str) -> None:
    deadline = time.monotonic() + 20
    while words not in (home / "log").read_text():
        assert time.monotonic() < deadline, (home / "log").read_text()
        time.sleep(0.05)


@pytest.fixture
def daemon(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(home)
    try:
        wait_for(home, "listening")
        yield process
    finally:
        process.kill()
        process.wait()


def test_workers_find_it_beside_the_identity(home: Path, daemon: subprocess.Popen[bytes]) -> None:
    """With a socket there no child is started, and what it signs verifies; many workers may connect."""
    folder = home / "parties" / "37" / "identity"
    with open_identity(folder) as first, open_identity(folder) as second:
        for each in (first, second):
            made = signed.sign("envelope", b"root", each.signer, audience="center", now=NOW)
            assert signed.verify(made.raw, "envelope", trust(), now=NOW).payload == b"root"


def test_only_its_user_may_connect(home: Path, daemon: subprocess.Popen[bytes]) -> None:
    """The socket is its user's alone, and the daemon sees who connects."""
    path = home / "parties" / "37" / "signer.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ours, _theirs = socket.socketpair()
    assert peer(ours) == os.geteuid()


def test_another_user_is_refused(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A connection from a user who was not named is closed before it can ask anything."""
    server = Server(Keyring(home / "parties" / "37" / "identity", lambda: NOW), locked=False)
    stop = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(f"\0hedx-{os.getpid()}")
        listener.listen()
        accepting = threading.Thread(target=_accept, args=(listener, server, {os.geteuid() + 1}, stop.is_set))
        accepting.start()
        client.connect(listener.getsockname())
        client.settimeout(10)
        assert client.recv(1) == b""
        stop.set()
        accepting.join()
    assert f"connection of user {os.geteuid()} refused" in caplog.text


def test_it_stops_when_told_and_takes_its_socket_with_it(home: Path, daemon: subprocess.Popen[bytes]) -> None:
    """SIGTERM ends it in order."""
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    assert not (home / "parties" / "37" / "signer.sock").exists()


def test_a_dead_ones_socket_is_an_error_for_workers_and_replaced_by_the_next(
    home: Path, daemon: subprocess.Popen[bytes]
) -> None:
    """No worker falls back to keys of its own; the next signer takes the place over."""
    daemon.kill()
    daemon.wait()
    folder = home / "parties" / "37" / "identity"
    with pytest.raises(ConfigError, match="nobody signs there"), open_identity(folder):
        pass
    (home / "log").unlink()
    following = start(home)
    try:
        wait_for(home, "listening")
        with open_identity(folder) as opened:
            assert opened.party == "37"
    finally:
        following.kill()
        following.wait()


def test_there_is_one_at_a_time(home: Path, daemon: subprocess.Popen[bytes]) -> None:
    """A second signer for the same party ends with a word about the first."""
    second = start(home)
    assert second.wait(20) == 1
    assert "a signer listens there already" in (home / "log").read_text()
