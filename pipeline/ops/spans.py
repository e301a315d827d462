"""Spans of applications for a collector of OpenTelemetry's (OTLP over HTTP), where the extra `tracing` is installed.

`OTEL_EXPORTER_OTLP_ENDPOINT` turns it on; the exporter takes what else there is of its variables. A span is a hop: its ids
are functions of what happened (`domain.tracing`), so that spans of all processes fit together without one asking another.
It gets the times of the work it was part of. The worker only puts it into a bounded queue; what does not
fit, or nobody takes, is dropped and counted, and the log tells how many once a minute.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from pipeline.crypto.envelopes import clear_headers
from pipeline.domain import tracing
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.tracing import TraceContext
from pipeline.kafka.hops import Hop
from pipeline.stages import topics
from pipeline.stages.effects import Headers, Message, Output

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

VARIABLES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
ROOM: Final = 8192
"""Spans that wait at most."""
BATCH: Final = 512
GATHER: Final = 1.0
"""How long (s) spans are gathered before they are sent."""
PATIENCE: Final = 5
"""Seconds that one request to the collector may take."""
TELL_EVERY: Final = 60.0
MOST_LINKS: Final = 32
SENDS: Final = frozenset(("sent", "dispatched", "dispatched_again", "answered", "sealed"))
TAKES: Final = frozenset(("section_received", "collected", "delivered", "result_received", "opened"))
INPUTS: Final = {
    "intake": inbox(CENTER, "requests"),
    "applications": topics.APPLICATIONS,
    "collect": inbox(CENTER, "responses"),
    "join": topics.JOIN,
}
"""What each of the center's stages reads."""

Queue = queue.Queue["ReadableSpan | None"]


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names a collector."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(environment.get(name) for name in VARIABLES)


def open_spans(process: str, environment: Mapping[str, str] = os.environ) -> Spans | None:
    """What exports this process's spans, or None where no collector is named. Raises ConfigError without the extra."""
    if not is_wanted(environment):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ConfigError(
            f"{VARIABLES[0]} asks for spans, and the extra is not installed: pip install 'hedx[tracing]'"
        ) from error
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would tell of every batch that nobody takes
    return Spans(process, OTLPSpanExporter(timeout=PATIENCE))


class Spans:
    """Makes spans of hops and sends them from a thread of its own. `clock`: s, monotonic."""

    def __init__(
        self, process: str, exporter: SpanExporter, *, room: int = ROOM, clock: Callable[[], float] = monotonic
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self.sent = 0
        self.dropped = 0
        """Spans for which there was no room, or that nobody took."""
        self._exporter = exporter
        self._clock = clock
        self._told, self._next_word = 0, 0.0
        self._queue: Queue = queue.Queue(room)
        self._resource = Resource({"service.name": "hedx", "service.instance.id": process})
        self._scope = InstrumentationScope("hedx")
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def hopped(self, hops: Sequence[Hop], began: int, seconds: float) -> None:
        """A span for each."""
        for hop in hops:
            self._put(f"{hop.stage} {hop.kind}", hop.kind, hop.span, hop.parent, attributes_of(hop), (), began, seconds)

    def carried(
        self, stage: str, messages: Sequence[Message], outputs: Sequence[Output], began: int, seconds: float
    ) -> None:
        """A span for each envelope that several applications share, in a trace of its own, linked to those in it."""
        for message in messages:
            span = shared(message.key, message.headers)
            if span is not None:
                event = tracing.event_id(stage, "opened", subject=message.key or b"")
                own = TraceContext(span.trace_id, tracing.span_of(event))
                links = tuple(_links(message.value or b""))
                about = {**_envelope(message.key), **_place(message)}
                self._put(f"{stage} opened", "opened", own, span, about, links, began, seconds)
        for output in outputs:
            span = shared(output.key, output.headers)
            if span is not None:
                about = {**_envelope(output.key), "messaging.destination.name": output.topic}
                links = tuple(_links(output.value or b""))
                self._put(f"{stage} sealed", "sealed", span, None, about, links, began, seconds)

    def close(self, seconds: float = 3.0) -> None:
        """Send what waits, for `seconds` at most; the rest is dropped."""
        deadline = self._clock() + seconds
        while self._thread.is_alive() and self._clock() < deadline:
            try:
                self._queue.put(None, timeout=0.05)
                break
            except queue.Full:
                continue
        self._thread.join(max(0.0, deadline - self._clock()))
        if self._thread.is_alive():
            self.dropped += self._queue.qsize()
        else:
            self._exporter.shutdown()

    def _put(
        self,
        name: str,
        kind: str,
        span: TraceContext,
        parent: TraceContext | None,
        attributes: Mapping[str, Any],
        links: Sequence[TraceContext],
        began: int,
        seconds: float,
    ) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Link, SpanKind

        which = SpanKind.PRODUCER if kind in SENDS else SpanKind.CONSUMER if kind in TAKES else SpanKind.INTERNAL
        made = ReadableSpan(
            name=name,
            context=_context(span, remote=False),
            parent=None if parent is None else _context(parent, remote=True),
            resource=self._resource,
            attributes=attributes,
            links=[Link(_context(link, remote=True)) for link in links],
            kind=which,
            start_time=began * 1_000_000,
            end_time=began * 1_000_000 + int(seconds * 1e9),
            instrumentation_scope=self._scope,
        )
        try:
            self._queue.put_nowait(made)
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._export(batch)
            self._tell()

    def _gather(self) -> tuple[list[ReadableSpan], bool]:
        """What came within `GATHER`, and whether more will."""
        batch: list[ReadableSpan] = []
        until = self._clock() + GATHER
        while len(batch) < BATCH:
            try:
                found = self._queue.get(timeout=max(0.0, until - self._clock()))
            except queue.Empty:
                break
            if found is None:
                return batch, False
            batch.append(found)
        return batch, True

    def _export(self, batch: Sequence[ReadableSpan]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001  # whatever a collector or the library does, it costs spans and nothing else
            taken = False
        if taken:
            self.sent += len(batch)
        else:
            self.dropped += len(batch)

    def _tell(self) -> None:
        if self.dropped > self._told and self._clock() >= self._next_word:
            log.warning("%d spans were dropped: the collector does not take them", self.dropped - self._told)
            self._told, self._next_word = self.dropped, self._clock() + TELL_EVERY


def attributes_of(hop: Hop) -> dict[str, Any]:
    """What a span says: the hop's allowed facts, and OpenTelemetry's words for messaging."""
    about = {
        "hedx.stage": hop.stage,
        "hedx.kind": hop.kind,
        "hedx.application_id": hop.application_id if _is_uuid(hop.application_id) else None,
        "hedx.section": hop.section,
        "hedx.requester": hop.party,
        "hedx.provider": hop.provider,
        "hedx.count": hop.count,
        "hedx.code": hop.code,
        "messaging.system": "kafka",
        "messaging.operation.type": "send" if hop.kind in SENDS else "process",
        "messaging.destination.name": INPUTS.get(hop.stage),
        "messaging.consumer.group.name": f"hedx.center.{hop.stage}" if hop.stage in INPUTS else None,
    }
    return {name: value for name, value in about.items() if value is not None}


def shared(key: bytes | None, headers: Headers) -> TraceContext | None:
    """The context of an envelope that has a trace of its own, by its key and headers; None of any other record."""
    context = tracing.read(headers)
    return context if context is not None and key is not None and context == tracing.sealed(key) else None


def _is_uuid(text: str) -> bool:
    return tracing.trace_of(text).hex() == text.replace("-", "")


def _links(value: bytes) -> Iterator[TraceContext]:
    try:
        found = clear_headers(value)
    except InvalidMessage:
        return
    about = {
        tracing.of_bundle(one.kind, one.application_id, one.section, one.requester, one.provider): None
        for one in found
        if one.application_id
    }
    yield from list(about)[:MOST_LINKS]


def _envelope(key: bytes | None) -> dict[str, Any]:
    return {"messaging.system": "kafka", "messaging.message.id": (key or b"").hex()}


def _place(message: Message) -> dict[str, Any]:
    return {
        "messaging.destination.name": message.topic,
        "messaging.destination.partition.id": str(message.partition),
        "messaging.kafka.offset": message.offset,
    }


def _context(context: TraceContext, *, remote: bool) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    trace, span = int.from_bytes(context.trace_id), int.from_bytes(context.span_id)
    return SpanContext(trace, span, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))
