"""A small HTTP server of figures for processes that are not asynchronous: fixed paths, read only, over mutual TLS.

One request a connection, each in a thread of its own, and there the handshake, too: who says nothing, or little by little,
keeps one of a bounded number of threads for a bounded time and nobody else waiting. It tells nothing about itself.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from time import monotonic
from types import TracebackType
from typing import Any, Self

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from pipeline.domain.errors import ConfigError
from pipeline.ops.listening import Address, callable_at, may_read, security_of

log = logging.getLogger(__name__)

Route = Callable[[], tuple[str, bytes]]
"""What a path answers: content type and body. It is called in the connection's thread."""

NewestList = Callable[[], bytes | None]
"""The newest revocation list that is known and was verified (DER)."""

MOST = 32
"""Connections at a time; one more is closed as soon as it comes."""
SILENCE = 5.0
"""Seconds without a byte after which a connection is given up."""
LONGEST = 15.0
"""Seconds after which a connection ends whatever it does: what drips a byte now and then is never silent."""
LOOK_EVERY = 0.25
"""Seconds between two looks for connections that last too long."""


def metrics_route(registry: CollectorRegistry) -> Route:
    """The route for `/metrics`: what is in `registry`, in Prometheus' text format."""
    return lambda: (CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry))


def healthz() -> tuple[str, bytes]:
    """The route for `/healthz`: this process answers."""
    return "text/plain; charset=utf-8", b"ok\n"


def no_list() -> bytes | None:
    """None is known."""
    return None


class Serving:
    """Serves `routes` (path → route, `/healthz` added) at `address` from its start until it is closed.

    `folder`: of the principal `monitor`. `newest_list`: gives the revocation list (DER) to hold readers against. Raises ConfigError when the address cannot be had or the folder not be used.
    """

    def __init__(
        self,
        address: Address,
        routes: Mapping[str, Route],
        folder: Path,
        *,
        newest_list: NewestList = no_list,
        most: int = MOST,
        silence: float = SILENCE,
        longest: float = LONGEST,
    ) -> None:
        self.context = security_of(address, folder)
        try:
            everything = {"/healthz": healthz, **routes}
            self._server = _Server(address, everything, self.context, newest_list, most, silence, longest)
        except OSError as error:
            raise ConfigError(f"{address} cannot be listened on: {error.strerror or error}") from error
        bound = Address(address.host, self._server.socket.getsockname()[1])
        self.address = bound if self.context is None else callable_at(bound, folder)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(LOOK_EVERY,), name="figures", daemon=True
        )
        self._thread.start()

    @property
    def scheme(self) -> str:
        """`https`; `http` without TLS."""
        return "http" if self.context is None else "https"

    def close(self) -> None:
        """Listen no more; a request that is being answered is cut off."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        address: Address,
        routes: Mapping[str, Route],
        context: ssl.SSLContext | None,
        newest_list: NewestList,
        most: int,
        silence: float,
        longest: float,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self.routes = routes
        self.context = context
        self.newest_list = newest_list
        self.silence = silence
        self._longest = longest
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        super().__init__((address.host, address.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In the thread that accepts: nothing here waits for the client."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then answer; the socket is looked after meanwhile."""
        request.settimeout(self.silence)
        if self.context is not None:
            request = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        try:
            with self._lock:
                self._open[request] = monotonic() + self._longest
            if isinstance(request, ssl.SSLSocket):
                request.do_handshake()
            _Handler(request, client_address, self)
        finally:
            with self._lock:
                del self._open[request]
            if self.context is not None:  # it took the plain socket's place, which the caller closes
                self.shutdown_request(request)

    def service_actions(self) -> None:
        """Now and then: end what lasts too long. The plain socket's shutdown wakes its thread, and TLS has no say in it."""
        now = monotonic()
        with self._lock:
            for request in [request for request, until in self._open.items() if now > until]:
                _cut_off(request)

    def server_close(self) -> None:
        """Close what listens, and end what is open."""
        super().server_close()
        with self._lock:
            for request in self._open:
                _cut_off(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What a connection's thread raised is that connection's end, and only a line where it is not the client's doing."""
        failure = sys.exc_info()[1]
        level = logging.DEBUG if isinstance(failure, OSError) else logging.ERROR
        log.log(level, "a connection ended: %s", type(failure).__name__)


def _cut_off(request: socket.socket) -> None:
    try:
        socket.socket.shutdown(request, socket.SHUT_RDWR)
    except OSError:
        log.debug("it ended by itself")


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer with the figures."""
        self._answer()

    def do_HEAD(self) -> None:
        """The same without the figures."""
        self._answer()

    def _answer(self) -> None:
        if isinstance(self.connection, ssl.SSLSocket):
            certificate = self.connection.getpeercert(binary_form=True)
            if not may_read(certificate, self.server.newest_list()):
                self.send_error(HTTPStatus.FORBIDDEN)
                return
        path = self.path.partition("?")[0]
        route = self.server.routes.get(path)
        if route is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            kind, body = route()
        except Exception as failure:  # noqa: BLE001 - whatever the figures' source raises, the process goes on; it is told
            place = traceback.extract_tb(failure.__traceback__)[-1]
            log.error("%s: %s in %s, line %s", path, type(failure).__name__, place.name, place.lineno)  # noqa: TRY400
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self._send(HTTPStatus.OK, kind, body)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The status and no more; a method that is not known is one that is not allowed."""
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self.close_connection = True
        self._send(status, "text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: a scrape every few seconds is no news."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name for it
        """Nothing that a stranger wrote."""
