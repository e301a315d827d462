"""An asyncio HTTP server whose clients cannot wear it out: one request a connection, and a bound on connections and their time.

A connection counts from its acceptance on, so who never begins the handshake, or sends a byte now and then, keeps one of `MOST`
places for a bounded time, and whoever comes while all are taken is closed at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from pipeline.domain.errors import ConfigError
from pipeline.ops.listening import Address, callable_at, security_of

MOST = 64
"""Connections at a time."""
HANDSHAKE = 5.0
"""Seconds that a handshake may take."""
LONGEST = 15.0
"""Seconds after which a connection ends whatever it does, its handshake included."""
BACKLOG = 64

log = logging.getLogger(__name__)


@asynccontextmanager
async def listening(
    app: web.Application, address: Address, folder: Path, *, handshake: float = HANDSHAKE, longest: float = LONGEST
) -> AsyncIterator[Address]:
    """Serve `app` at `address`, over mutual TLS with the certificate in `folder`; the block gets the address to call.

    Raises ConfigError when the address cannot be had, or the folder not be used.
    """
    context = security_of(address, folder)
    listener = _bound(address)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    assert runner.server is not None
    doors = _Doors(runner.server, context, handshake, longest)
    accepting = asyncio.create_task(doors.accept(listener))
    try:
        bound = Address(address.host, listener.getsockname()[1])
        yield bound if context is None else callable_at(bound, folder)
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        listener.close()
        await doors.close()
        await runner.cleanup()


class _Doors:
    def __init__(
        self, handler: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None, handshake: float, longest: float
    ) -> None:
        self._handler = handler
        self._context = context
        self._handshake = handshake
        self._longest = longest
        self._open: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket) -> None:
        """Let connections in for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, or it was gone again
                log.warning("a connection could not be accepted: %s", error.strerror)
                await asyncio.sleep(0.1)
                continue
            if len(self._open) >= MOST:
                connection.close()
                continue
            task = asyncio.create_task(self._serve(connection))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def close(self) -> None:
        """End every connection."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, connection: socket.socket) -> None:
        transport: asyncio.BaseTransport | None = None
        guest = _Guest(self._handler())
        try:
            async with asyncio.timeout(self._longest):
                try:
                    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                        lambda: guest,
                        connection,
                        ssl=self._context,
                        ssl_handshake_timeout=None if self._context is None else self._handshake,
                    )
                except OSError as error:  # no certificate, another version, silence, or gone
                    log.debug("a handshake failed: %s", type(error).__name__)
                    return
                await guest.gone
        except TimeoutError:
            log.debug("a connection was ended")
        finally:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            else:
                connection.close()


class _Guest(asyncio.Protocol):
    """Hands everything on to the protocol that answers, and tells when the connection is gone."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self._inner = inner
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """After the handshake."""
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """However it ended."""
        self._inner.connection_lost(exc)
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client will send no more."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._inner.resume_writing()


def _bound(address: Address) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"{address} cannot be listened on: {error.strerror or error}") from error
    listener.setblocking(False)
    return listener
