"""Trace context: what is written is read again, and of what strangers write only what the standard allows."""

from __future__ import annotations

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import tracing
from pipeline.domain.tracing import LONGEST, TraceContext, parse, read

ID = "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d"
GOOD = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # the standard's own example

ids = st.uuids().filter(lambda made: made.int != 0).map(str)
contexts = st.builds(
    TraceContext,
    st.binary(min_size=16, max_size=16).filter(any),
    st.binary(min_size=8, max_size=8).filter(any),
)


def test_the_standards_example_is_read() -> None:
    """Trace and span as https://www.w3.org/TR/trace-context/ has them."""
    context = TraceContext(bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), bytes.fromhex("b7ad6b7169203331"))
    assert parse(GOOD) == context
    assert context.header() == GOOD


@given(contexts)
def test_what_is_written_is_read(context: TraceContext) -> None:
    """Every context survives its header."""
    assert parse(context.header()) == context
    assert read((("ce_id", b"1"), *context.headers())) == context


@given(st.binary(max_size=80))
def test_anything_else_is_nothing(value: bytes) -> None:
    """Arbitrary bytes give a context or None, never an error; and what is read is what stands there."""
    context = parse(value)
    if context is not None:
        assert context.trace_id.hex().encode() == value[3:35]
        assert context.span_id.hex().encode() == value[36:52]


@given(contexts, st.integers(0, 54), st.integers(0, 255))
def test_a_changed_byte_changes_what_is_read_or_spoils_it(context: TraceContext, place: int, byte: int) -> None:
    """No header but the one written reads as its context, the flags and the version aside."""
    raw = bytearray(context.header())
    raw[place] = byte
    if bytes(raw) != context.header() and parse(bytes(raw)) == context:
        assert place in {0, 1, 53, 54}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        GOOD[:-1],
        GOOD + b"0",
        GOOD + b"-",
        GOOD + b"-tail",
        GOOD + b"\n",
        b"\n" + GOOD,
        GOOD.upper(),
        b"ff" + GOOD[2:],
        b"0" + GOOD,
        b"00-" + b"0" * 32 + GOOD[35:],
        GOOD[:36] + b"0" * 16 + b"-01",
        GOOD.replace(b"-", b"_"),
        b"01" + GOOD[2:] + b"tail",
        GOOD[:-2] + b"0g",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333١-01".encode(),
        b"01" + GOOD[2:] + b"-" + b"x" * LONGEST,
        GOOD * 100_000,
        b"\0" * 1_000_000,
    ],
)
def test_what_the_standard_forbids_is_nothing(value: bytes | None) -> None:
    """Wrong lengths, letters, versions, all-zero ids, and a megabyte: nothing, and no error."""
    assert parse(value) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """As the standard asks: its first four parts, whatever follows behind another dash."""
    for later in (b"01" + GOOD[2:], b"01" + GOOD[2:] + b"-what-comes"):
        assert parse(later) == parse(GOOD)


def test_a_header_that_comes_twice_is_none() -> None:
    """Nobody can say which of the two was meant, so neither is."""
    assert read((("traceparent", GOOD), ("traceparent", GOOD))) is None
    assert read((("Traceparent", GOOD),)) is None
    assert read(()) is None


@given(ids)
def test_an_applications_trace_is_its_id(application_id: str) -> None:
    """The one id that people have leads to the trace, and back."""
    assert uuid.UUID(bytes=tracing.trace_of(application_id)) == uuid.UUID(application_id)


@given(st.text())
def test_every_id_has_a_trace(application_id: str) -> None:
    """A party may choose ids that are no UUIDs: they have a trace all the same, and never the one that is none."""
    trace = tracing.trace_of(application_id)
    assert len(trace) == 16
    assert any(trace)
    assert trace == tracing.trace_of(application_id)


def test_ids_that_only_look_alike_have_traces_of_their_own() -> None:
    """Another spelling of a UUID is another application."""
    spellings = [
        ID,
        ID.upper(),
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        "00000000-0000-0000-0000-000000000000",
    ]
    assert len({tracing.trace_of(spelling) for spelling in spellings}) == len(spellings)


def test_a_span_is_the_hash_of_stage_and_matter() -> None:
    """Pinned: programs in other languages make the same."""
    words = f"applications\x00dispatched\x00{ID}\x003\x0053\x0037\x00\x00"
    span = hashlib.sha256(words.encode() + b"\0").digest()[:8]
    assert tracing.asked(ID, 3, "53", "37") == TraceContext(uuid.UUID(ID).bytes, span)


def test_spans_of_one_application_differ() -> None:
    """By stage, section, provider and requester."""
    spans = {
        tracing.sent(ID, "53").span_id,
        tracing.sent(ID, "37").span_id,
        tracing.asked(ID, 1, "53", "37").span_id,
        tracing.asked(ID, 2, "53", "37").span_id,
        tracing.asked(ID, 1, "53", "32").span_id,
        tracing.answered(ID, 1, "53", "37").span_id,
    }
    assert len(spans) == 6


@given(st.text())
def test_every_event_id_has_a_span(event: str) -> None:
    """Also one that somebody waits for by an id of his own."""
    span = tracing.span_of(event)
    assert len(span) == 8
    assert any(span)


@given(contexts, ids)
def test_only_a_span_of_the_same_trace_is_followed(context: TraceContext, application_id: str) -> None:
    """Whatever a header says, the trace is that of what the content is about."""
    followed = tracing.follow(context, application_id, "53")
    assert followed.trace_id == tracing.trace_of(application_id)
    assert followed == (
        context if context.trace_id == tracing.trace_of(application_id) else tracing.sent(application_id, "53")
    )
    own = TraceContext(tracing.trace_of(application_id), context.span_id)
    assert tracing.follow(own, application_id, "53") == own
    assert tracing.follow(None, application_id, "53") == tracing.sent(application_id, "53")


def test_a_shared_envelope_has_its_own_trace() -> None:
    """Its id, which is a UUID as well; an id that is none gets a hash."""
    made = uuid.uuid4().bytes
    assert tracing.sealed(made).trace_id == made
    assert len(tracing.sealed(b"").trace_id) == len(tracing.sealed(bytes(16)).trace_id) == 16
    assert any(tracing.sealed(bytes(16)).trace_id)


def test_a_bundles_span_is_told_by_its_clear_header() -> None:
    """Who asked, who answered; anything else hangs from the root."""
    assert tracing.of_bundle("application", ID, 2, "53", None) == tracing.sent(ID, "53")
    assert tracing.of_bundle("request", ID, 2, "53", "37") == tracing.asked(ID, 2, "53", "37")
    assert tracing.of_bundle("answer", ID, 2, "53", "37") == tracing.answered(ID, 2, "53", "37")
    assert tracing.of_bundle("receipt", ID, 0, "53", "37") == tracing.sent(ID, "53")
