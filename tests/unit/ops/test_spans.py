"""Spans go to a collector where one is named, and cost nothing but a count where it is not there."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from pipeline.crypto.envelopes import build
from pipeline.domain import tracing
from pipeline.domain.errors import ConfigError
from pipeline.kafka.hops import Hop
from pipeline.ops import spans
from pipeline.ops.spans import Spans, attributes_of, is_wanted, open_spans, shared
from pipeline.stages.effects import Message, Output
from tests.span_receiver import Collector, assert_one_tree, collector
from tests.unit.crypto.exchange import NOW, identity, receipt, sealed

ID = "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d"
OTHER = "4d7d2d4c-7d5b-4f6e-9f0e-2b6f1c1f9a01"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def at() -> Iterator[Collector]:
    """A collector that runs."""
    with collector() as running:
        yield running


def hop(stage: str = "answer", kind: str = "answered") -> Hop:
    """A hop of 37's."""
    about = (ID, 3, "53", "37")
    return Hop(NOW, stage, kind, ID, tracing.answered(*about), tracing.asked(*about), 3, "53", "37", 500, "none_such")


class Exporter(SpanExporter):
    """Takes spans, and may be told to wait, refuse or fail."""

    def __init__(self, result: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.go = threading.Event()
        self.entered = threading.Event()
        self.go.set()
        self.taken: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As told."""
        self.entered.set()
        self.go.wait()
        if isinstance(self.result, Exception):
            raise self.result
        self.taken += spans
        return self.result

    def shutdown(self) -> None:
        """Nothing to let go of."""


def test_a_hop_is_a_span_with_its_ids_times_and_attributes(at: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the real exporter sends, read from the protobuf."""
    monkeypatch.setenv(ENDPOINT, at.endpoint)
    opened = open_spans("party.37")
    assert opened is not None
    opened.hopped([hop()], NOW, 0.25)
    opened.close()
    [span] = at.spans
    assert (span.instance, span.name) == ("party.37", "answer answered")
    assert (span.trace, span.span) == (uuid.UUID(ID).bytes, tracing.answered(ID, 3, "53", "37").span_id)
    assert span.parent == tracing.asked(ID, 3, "53", "37").span_id
    assert (span.start, span.end) == (NOW * 1_000_000, NOW * 1_000_000 + 250_000_000)
    assert span.attributes == {
        "hedx.stage": "answer",
        "hedx.kind": "answered",
        "hedx.application_id": ID,
        "hedx.section": 3,
        "hedx.requester": "53",
        "hedx.provider": "37",
        "hedx.count": 500,
        "hedx.code": "none_such",
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
    }
    assert (opened.sent, opened.dropped) == (1, 0)


def test_a_stages_span_names_what_it_read() -> None:
    """By OpenTelemetry's names for messaging; an id that is no UUID is nobody's to read."""
    said = attributes_of(hop("collect", "collected"))
    assert said["messaging.destination.name"] == "hedx.center.responses"
    assert said["messaging.consumer.group.name"] == "hedx.center.collect"
    assert said["messaging.operation.type"] == "process"
    odd = Hop(NOW, "join", "x", "11010119900307751X", hop().span, None)
    assert "hedx.application_id" not in attributes_of(odd)


def test_a_shared_envelope_has_a_trace_with_links_to_those_in_it(at: Collector) -> None:
    """Who sealed it is the root, who opened it follows; both link to the spans of the applications inside."""
    bundles = [sealed([b"a"], application_id=name, bundle_id=name[:16].encode())[0] for name in (ID, OTHER)]
    envelope = build(bundles, identity("37").signer, audience="center", now=NOW)
    opened = Spans("both", OTLPSpanExporter(f"{at.endpoint}/v1/traces"))
    output = Output("hedx.center.requests", envelope.id, envelope.value, envelope.headers)
    message = Message(output.topic, 2, 71, NOW, envelope.id, envelope.value, envelope.headers)
    opened.carried("outbox", (), [output], NOW, 0.1)
    opened.carried("intake", [message], (), NOW, 0.1)
    opened.close()
    root = assert_one_tree(at.of(envelope.id))
    assert root.name == "outbox sealed"
    [taken] = [span for span in at.spans if span is not root]
    wanted = {(uuid.UUID(name).bytes, tracing.sent(name, "37").span_id) for name in (ID, OTHER)}
    assert set(root.links) == set(taken.links) == wanted
    assert taken.attributes["messaging.kafka.offset"] == 71
    assert taken.attributes["messaging.destination.partition.id"] == "2"
    assert taken.attributes["messaging.message.id"] == envelope.id.hex()


def test_an_envelope_of_one_application_has_no_span_of_its_own() -> None:
    """Nor has anything with a header that only pretends: another's trace, another's span, none at all."""
    one = build([receipt()], identity("37").signer, audience="center", now=NOW)
    assert shared(one.id, one.headers) is None
    own = tracing.sealed(one.id)
    assert shared(one.id, own.headers()) == own
    assert shared(b"x" * 16, own.headers()) is None
    assert shared(None, own.headers()) is None
    assert shared(one.id, tracing.TraceContext(one.id, b"y" * 8).headers()) is None
    exporter = Exporter()
    opened = Spans("x", exporter)
    opened.carried("intake", [Message("t", 0, 0, NOW, one.id, b"junk", own.headers())], (), NOW, 0.0)
    opened.close()
    assert [span.links for span in exporter.taken] == [()]


def test_a_collector_that_is_away_costs_a_count(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody listens there: the real exporter fails, the spans are dropped and counted, and the log says so once."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and not listening
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{held.getsockname()[1]}")
        monkeypatch.setattr(spans, "PATIENCE", 0.2)
        opened = open_spans("x")
        assert opened is not None
        with caplog.at_level(logging.WARNING):
            opened.hopped([hop()] * 3, NOW, 0.0)
            opened.close(20)
    assert (opened.sent, opened.dropped) == (0, 3)
    assert [record.getMessage() for record in caplog.records] == [
        "3 spans were dropped: the collector does not take them"
    ]


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, RuntimeError("odd")])
def test_whatever_an_exporter_does_it_costs_only_spans(result: SpanExportResult | Exception) -> None:
    """It refuses, or raises what nobody expects."""
    exporter = Exporter(result)
    opened = Spans("x", exporter)
    opened.hopped([hop()] * 2, NOW, 0.0)
    opened.close()
    assert (opened.sent, opened.dropped) == (0, 2)


def test_a_collector_that_hangs_blocks_nobody() -> None:
    """While one request hangs the queue takes what it has room for; the rest is dropped at once, and so is all at the end."""
    exporter = Exporter()
    exporter.go.clear()
    opened = Spans("x", exporter, room=5)
    opened.hopped([hop()], NOW, 0.0)
    assert exporter.entered.wait(10)
    opened.hopped([hop()] * 8, NOW, 0.0)
    assert opened.dropped == 3
    opened.close(0.0)
    assert opened.dropped == 8
    exporter.go.set()


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({ENDPOINT: "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_environment_asks_for_spans(environment: dict[str, str], wanted: bool) -> None:
    """By OpenTelemetry's own variables."""
    assert is_wanted(environment) is wanted


def test_asked_for_without_the_extra_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the extra."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"the extra is not installed: pip install 'hedx\[tracing\]'"):
        open_spans("x", {ENDPOINT: "http://collector:4318"})
    assert open_spans("x", {}) is None


def test_nothing_of_opentelemetry_is_imported_unasked() -> None:
    """Neither by this module nor by what runs processes."""
    program = "import sys; import pipeline.app; from pipeline.ops.spans import open_spans; open_spans('x', {})\n"
    program += "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
