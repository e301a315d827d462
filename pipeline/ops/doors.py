"""An asyncio HTTP server whose clients cannot wear it out: bounds on connections, on those from one address, and on their time.

A connection counts from its acceptance on, so who never begins the handshake, or sends a byte now and then, keeps one of a few
places for a bounded time, and whoever comes while all are taken is closed at once. The files of this process never all become
connections: logs and databases can be opened whatever knocks.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from pipeline.domain.errors import ConfigError
from pipeline.ops.listening import Address, callable_at, security_of

BACKLOG = 64
KEPT_ALIVE = 75.0
"""Seconds that a connection without a request is kept, where there may be several."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """`most` connections at a time, `each` of them from one address; seconds: `handshake`, and `longest` from the acceptance on.

    `whole`: `longest` counts to the connection's end. Else to the head of its first request, and anew, with the time that a
    connection is kept alive, from each answer to the head of the next one: an answer may take as long as it takes.
    """

    most: int = 64
    each: int = 48
    handshake: float = 5.0
    longest: float = 15.0
    whole: bool = True


@asynccontextmanager
async def listening(
    app: web.Application, address: Address, folder: Path, limits: Limits | None = None
) -> AsyncIterator[Address]:
    """Serve `app` at `address`, over mutual TLS with the certificate in `folder`; the block gets the address to call.

    Without `limits` those of a server of figures, which answers one request a connection. Raises ConfigError when the address
    cannot be had, or the folder not be used.
    """
    limits = limits or Limits()
    context = security_of(address, folder)
    listener = _bound(address)
    doors = _Doors(context, limits)
    if not limits.whole:
        app.middlewares.insert(0, doors.heard)
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=1.0, keepalive_timeout=KEPT_ALIVE
    )
    await runner.setup()
    assert runner.server is not None
    accepting = asyncio.create_task(doors.accept(listener, runner.server))
    try:
        bound = Address(address.host, listener.getsockname()[1])
        yield bound if context is None else callable_at(bound, folder)
    finally:
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)
        listener.close()
        await runner.cleanup()
        await doors.close()


def places(most: int, files: int) -> int:
    """How many connections there may be when this process may have `files` open (negative: any number): half of them at most."""
    return most if files < 0 else min(most, files // 2)


def caller_of(host: str) -> str:
    """Whom an address counts for: a network of 64 bits in IPv6, where one machine has all of its addresses."""
    address = ip_address(host)
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network(f"{host.partition('%')[0]}/64", strict=False))


class _Doors:
    def __init__(self, context: ssl.SSLContext | None, limits: Limits) -> None:
        self._context = context
        self._limits = limits
        self._most = places(limits.most, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._open: set[asyncio.Task[None]] = set()
        self._callers: Counter[str] = Counter()
        self._clocks: dict[object, asyncio.Timeout] = {}

    async def accept(self, listener: socket.socket, handler: Callable[[], asyncio.Protocol]) -> None:
        """Let connections in for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, or it was gone again
                log.warning("a connection could not be accepted: %s", error.strerror)
                await asyncio.sleep(0.1)
                continue
            caller = caller_of(peer[0])
            if len(self._open) >= self._most or self._callers[caller] >= self._limits.each:
                connection.close()
                continue
            self._callers[caller] += 1
            task = asyncio.create_task(self._serve(connection, _Guest(handler())))
            self._open.add(task)
            task.add_done_callback(lambda task, caller=caller: self._leave(task, caller))  # type: ignore[misc]

    async def close(self) -> None:
        """End every connection."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @web.middleware
    async def heard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The head of a request is here, so its limit is over; with the answer that of the next one begins."""
        clock = self._clocks.get(request.protocol)
        _set(clock, None)
        try:
            return await handler(request)
        finally:
            _set(clock, asyncio.get_running_loop().time() + KEPT_ALIVE + self._limits.longest)

    def _leave(self, task: asyncio.Task[None], caller: str) -> None:
        self._open.discard(task)
        self._callers[caller] -= 1
        if not self._callers[caller]:
            del self._callers[caller]

    async def _serve(self, connection: socket.socket, guest: _Guest) -> None:
        transport: asyncio.BaseTransport | None = None
        try:
            async with asyncio.timeout(self._limits.longest) as clock:
                self._clocks[guest.inner] = clock
                try:
                    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                        lambda: guest,
                        connection,
                        ssl=self._context,
                        ssl_handshake_timeout=None if self._context is None else self._limits.handshake,
                    )
                except OSError as error:  # no certificate, another version, silence, or gone
                    log.debug("a handshake failed: %s", type(error).__name__)
                    return
                await guest.gone
        except TimeoutError:
            log.debug("a connection was ended")
        finally:
            self._clocks.pop(guest.inner, None)
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            else:
                connection.close()


def _set(clock: asyncio.Timeout | None, until: float | None) -> None:
    if clock is not None and not clock.expired():
        clock.reschedule(until)


class _Guest(asyncio.Protocol):
    """Hands everything on to the protocol that answers, and tells when the connection is gone."""

    def __init__(self, inner: asyncio.Protocol) -> None:
        self.inner = inner
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """After the handshake."""
        self.inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """However it ended."""
        self.inner.connection_lost(exc)
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client will send no more."""
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self.inner.resume_writing()


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
