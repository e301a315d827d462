"""A worker's side: finds its signer or starts one, for an `Identity` whose private keys stay there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.domain.errors import ConfigError
from pipeline.signer.protocol import SignerGone
from pipeline.signer.remote import Connection, RemoteIdentity, RemoteSigner, RemoteUnsealer, RemoteVault

SOCKET = "signer.sock"
"""Beside the identity folder, where a signer of its own runs (`hedx signer run`)."""
ENDING = 5.0
"""Seconds a private signer gets to end after its socket was closed."""


@contextmanager
def open_identity(directory: Path) -> Iterator[RemoteIdentity]:
    """The identity in `directory` while the block runs, its keys in a signer process.

    That is the one listening on `signer.sock` beside the folder, else a private child of this thread. Raises
    ConfigError when there is none or it does not start, SignerGone when it ends.
    """
    path = directory.parent / SOCKET
    with _daemon(path) if path.exists() else _child(directory) as connection:
        try:
            party, signing, sealing = connection.ask("identity")
        except SignerGone as error:
            raise ConfigError(f"the signer of {directory} did not start; it says why in the log") from error
        yield RemoteIdentity(
            party,
            RemoteSigner(party, signing, connection),
            RemoteUnsealer(connection),
            RemoteVault(connection),
            sealing,
            connection,
        )


@contextmanager
def _daemon(path: Path) -> Iterator[Connection]:
    with socket.socket(socket.AF_UNIX) as client:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            client.connect(f"/proc/self/fd/{parent}/{path.name}")  # a socket's path has 108 bytes at most
        except OSError as error:
            raise ConfigError(f"{path}: nobody signs there ({error.strerror})") from error
        finally:
            os.close(parent)
        yield Connection(client)


@contextmanager
def _child(directory: Path) -> Iterator[Connection]:
    if not directory.is_dir():
        raise ConfigError(f"no identity in {directory}")
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", "pipeline.signer", str(directory.resolve()), "--fd", str(number)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
                pass_fds=(number,),
            )
        try:
            yield Connection(ours)
        finally:
            ours.close()
            _await_end(process)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
