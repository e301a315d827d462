"""A small collector: takes spans over HTTP as a real exporter sends them, and keeps what the protobuf says."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Received:
    """One span as it came: ids in bytes, times in ns; `instance` is the process that sent it."""

    instance: str
    name: str
    trace: bytes
    span: bytes
    parent: bytes | None
    kind: int
    start: int
    end: int
    attributes: dict[str, Any] = field(hash=False)
    links: tuple[tuple[bytes, bytes], ...] = ()


class Collector:
    """What has come so far, and where to send more."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.requests = 0
        self._spans: list[Received] = []
        self._lock = threading.Lock()

    @property
    def spans(self) -> list[Received]:
        """All spans so far."""
        with self._lock:
            return list(self._spans)

    def of(self, trace: bytes) -> list[Received]:
        """Those of one trace."""
        return [span for span in self.spans if span.trace == trace]

    def take(self, body: bytes) -> None:
        """Keep what a request says."""
        request = ExportTraceServiceRequest.FromString(body)
        found = []
        for group in request.resource_spans:
            about = _values(group.resource.attributes)
            for scope in group.scope_spans:
                found += [_received(about["service.instance.id"], span) for span in scope.spans]
        with self._lock:
            self.requests += 1
            self._spans += found


def assert_one_tree(spans: Sequence[Received]) -> Received:
    """Each parent is there, and one span, which is returned, has none."""
    ids = {span.span for span in spans}
    missing = [span for span in spans if span.parent is not None and span.parent not in ids]
    assert not missing, missing
    roots = {span.span for span in spans if span.parent is None}
    assert len(roots) == 1, [span for span in spans if span.parent is None]
    return next(span for span in spans if span.parent is None)


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on a port of its own while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            found.take(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _received(instance: str, span: Span) -> Received:
    return Received(
        instance,
        span.name,
        span.trace_id,
        span.span_id,
        span.parent_span_id or None,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _values(span.attributes),
        tuple((link.trace_id, link.span_id) for link in span.links),
    )


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
