"""A signer that listens on a Unix socket, for keys that belong to another Unix user than the workers."""

from __future__ import annotations

import logging
import os
import pwd
import socket
import struct
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.domain.errors import ConfigError
from pipeline.signer import hardening
from pipeline.signer.process import open_server
from pipeline.signer.server import Server

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
LOOK = 0.2
"""How often (s) the daemon looks whether it should stop."""


def run(directory: Path, path: Path, users: Collection[str], is_stopped: Callable[[], bool]) -> None:
    """Serve the keys in `directory` at `path` until `is_stopped`. Raises ConfigError.

    Takes connections of its own user and of `users`, by what the kernel says about them (SO_PEERCRED, unix(7)).
    Without `users` the socket has mode 0600; with them 0660, and the first one's group.
    """
    accounts = [_account(user) for user in users]
    allowed = {os.geteuid(), *(account.pw_uid for account in accounts)}
    locked = hardening.harden()
    with _listening(path, accounts[0].pw_gid if accounts else None) as listener:
        server = open_server(directory, locked=locked)
        log.info("listening")
        _accept(listener, server, allowed, is_stopped)


def _accept(listener: socket.socket, server: Server, allowed: Collection[int], is_stopped: Callable[[], bool]) -> None:
    free = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def serve(connection: socket.socket) -> None:
        try:
            server.serve(connection)
        finally:
            free.release()

    listener.settimeout(LOOK)
    while not is_stopped():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        connection.settimeout(None)
        user = peer(connection)
        if user not in allowed or not free.acquire(blocking=False):
            log.warning("connection of user %d refused", user)
            connection.close()
            continue
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def peer(connection: socket.socket) -> int:
    """The user at the other end."""
    size = struct.calcsize("3i")
    user: int = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1]
    return user


@contextmanager
def _listening(path: Path, group: int | None) -> Iterator[socket.socket]:
    """A socket at `path`, gone afterwards. What a killed signer left is replaced, a living one is not."""
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            _bind(listener, path, group)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        listener.listen(MAX_CONNECTIONS)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _bind(listener: socket.socket, path: Path, group: int | None) -> None:
    with _within(path.parent):
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as other:
                if other.connect_ex(path.name) == 0:
                    raise ConfigError(f"{path}: a signer listens there already")
            path.unlink()
        listener.bind(path.name)
    if group is not None:
        os.chown(path, -1, group)
    path.chmod(0o600 if group is None else 0o660)


@contextmanager
def _within(folder: Path) -> Iterator[None]:
    """Names relative to `folder` fit into the 108 bytes of a socket's address, wherever it is."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(f"no user {user}") from None
