"""Records to bytes and back."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec import framing, schemas
from pipeline.codec.framing import Codec
from pipeline.domain.errors import InvalidMessage
from tests.unit.codec.generation import changed, records

NAMES = schemas.current().records
MANY = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"  # 2^55: a count no message can hold

PERSON: dict[str, Any] = {
    "number": 1,
    "household": "370102-000017",
    "name": "张㐱",
    "document_type": "resident_id",
    "document_number": "11010519491231002X",
    "relation": "户主",
    "birth_date": None,
    "guardian_name": None,
    "guardian_document_number": None,
    "consent_reference": "授-2026-0017",
    "consent_by": "self",
    "consent_scope": "nationwide",
    "consent_date": "2026-11-02",
}


@given(st.data())
@pytest.mark.parametrize("name", NAMES)
def test_every_record_comes_back_as_it_was_written(name: str, data: st.DataObject) -> None:
    """Whatever fits the schema survives both framings unchanged."""
    record = data.draw(records(name))
    framed = framing.encode(name, record)
    assert framing.decode(framed) == (name, record)
    assert framing.decode_as(name, framed) == record
    assert framing.read(name, framing.write(name, record)) == record
    assert framed == schemas.schema_id(name) + framing.write(name, record)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_record_or_an_invalid_message(data: bytes) -> None:
    """No body makes reading raise anything but InvalidMessage."""
    for name in NAMES:
        for attempt in (
            lambda n=name: framing.read(n, data),
            lambda n=name: framing.decode(schemas.schema_id(n) + data),
        ):
            try:
                attempt()
            except InvalidMessage as error:
                assert error.code == "avro_invalid"  # noqa: PT017  # the point is that nothing else is raised


@given(st.data())
def test_a_damaged_record_is_a_record_or_an_invalid_message(data: st.DataObject) -> None:
    """Bytes that are nearly right reach deeper than random ones; still only InvalidMessage comes out."""
    name = data.draw(st.sampled_from(NAMES))
    sound = bytearray(framing.write(name, data.draw(records(name))) or b"\0")
    at = data.draw(st.integers(0, len(sound) - 1))
    sound[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        framing.read(name, bytes(sound))
    except InvalidMessage as error:
        assert error.code == "avro_invalid"  # noqa: PT017  # the point is that nothing else is raised


@given(st.binary(max_size=20))
def test_an_unknown_schema_id_is_refused(data: bytes) -> None:
    """Bytes whose first eight are no schema id, or that are shorter than one, are not decoded at all."""
    if data[:8] not in {schemas.schema_id(name) for name in NAMES}:
        with pytest.raises(InvalidMessage) as refusal:
            framing.decode(data)
        assert refusal.value.code == "schema_unknown"


def test_bytes_left_over_are_refused() -> None:
    """A record followed by anything is not that record."""
    for read in (lambda b: framing.read("Person", b[8:]), framing.decode):
        with pytest.raises(InvalidMessage, match="1 bytes left over") as refusal:
            read(framing.encode("Person", PERSON) + b"\0")
        assert refusal.value.code == "avro_invalid"


def test_every_shorter_body_is_refused() -> None:
    """A record cut off anywhere is refused."""
    body = framing.write("Person", PERSON)
    for end in range(len(body)):
        with pytest.raises(InvalidMessage):
            framing.read("Person", body[:end])


def test_another_record_is_refused_where_one_is_expected() -> None:
    """Framing binds the record's name: a receipt does not pass for a rejection."""
    framed = framing.encode("Watermark", {"source": 0, "sources": 1, "time": 2})
    with pytest.raises(InvalidMessage, match="Watermark, expected Rejection") as refusal:
        framing.decode_as("Rejection", framed)
    assert refusal.value.code == "schema_unexpected"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Answer", b"\x00" + MANY),  # results: 2^55 of them
        ("Entry", MANY),  # items
        ("Acceptance", b"\x02a\x02b" + MANY),  # a digest 2^55 bytes long
        ("Entry", b"\x01" + MANY),  # a block of -1 items and 2^55 bytes
        ("Person", b"\x02" + MANY),  # a text 2^55 bytes long
        ("Person", b"\xff" * 4096),  # a number that never ends
    ],
)
def test_claimed_sizes_cost_nothing(name: str, body: bytes) -> None:
    """A count or length beyond the message is refused at once, without the memory it claims."""
    started = time.perf_counter()
    with pytest.raises(InvalidMessage):
        framing.read(name, body)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": 5}, "field name has a value of another type"),
        ({"number": 2**63}, "field number has a value of another type or out of range"),
        ({"document_type": "passport"}, "field document_type has a value of another type"),
        ({"birth_date": 19491231}, "field birth_date has a value of another type"),
        ({"nickname": "x"}, "field nickname is unknown"),
    ],
)
def test_a_record_that_does_not_fit_is_not_written(change: dict[str, Any], says: str) -> None:
    """The error names record and field, and never quotes a value: it may be personal."""
    with pytest.raises(ValueError, match="Person does not fit its schema") as error:
        framing.encode("Person", {**PERSON, **change})
    assert says in str(error.value)
    assert "张" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_missing_field_is_not_filled_in() -> None:
    """Defaults are for reading older data; who writes says everything."""
    partial = {field: value for field, value in PERSON.items() if field != "birth_date"}
    with pytest.raises(ValueError, match="field birth_date is missing"):
        framing.encode("Person", partial)


def test_errors_never_quote_the_body() -> None:
    """What could not be decoded may hold a name: the message says only which record and what kind of defect."""
    body = framing.write("Person", PERSON).replace("张".encode(), b"\xff\xfe\xfd")
    with pytest.raises(InvalidMessage) as refusal:
        framing.read("Person", body)
    assert refusal.value.detail == "Person: UnicodeDecodeError"
    assert refusal.value.__suppress_context__


def test_a_released_version_reads_as_the_current_one() -> None:
    """Bytes of an older version, known by its id, come out with the new field's default."""
    older = changed("Fault", row=None)
    bytes_then = Codec(older, {}).encode("Fault", {"code": "c", "field": "f", "number": 7, "args": {"n": "1"}})
    now = Codec(schemas.current(), {"Fault": [older.whole("Fault")]})
    expected = {"code": "c", "field": "f", "number": 7, "row": None, "args": {"n": "1"}}
    assert now.decode(bytes_then) == ("Fault", expected)
    assert now.decode_as("Fault", bytes_then) == expected
    with pytest.raises(InvalidMessage, match="schema_unknown"):
        Codec(schemas.current(), {}).decode(bytes_then)


def test_a_withdrawn_field_of_a_released_version_is_dropped() -> None:
    """A field that had a default may go: bytes that still hold it are read without it."""
    older = changed("Fault", hint={"type": ["null", "string"], "default": None})
    record: dict[str, Any] = {"code": "c", "field": "f", "number": None, "row": 2, "args": {}}
    bytes_then = Codec(older, {}).encode("Fault", {**record, "hint": "gone"})
    assert Codec(schemas.current(), {"Fault": [older.whole("Fault")]}).decode(bytes_then) == ("Fault", record)


def test_damaged_bytes_of_a_released_version_are_invalid_messages() -> None:
    """Resolution to the current version raises InvalidMessage too, an enum symbol of old included."""
    older = changed("Receipt", kind={"type": {**_receipt_kind(), "symbols": ["received", "delivered", "lost"]}})
    record: dict[str, Any] = {
        **dict.fromkeys(("application_id", "provider", "envelope_id", "envelope_digest")),
        "bundles": [],
        "at": 0,
    }
    framed = Codec(older, {}).encode("Receipt", {"kind": "lost", **record})
    now = Codec(schemas.current(), {"Receipt": [older.whole("Receipt")]})
    for body in (framed, framed[:-1], framed + b"\0", framed[:8]):
        with pytest.raises(InvalidMessage, match="avro_invalid"):
            now.decode(body)


def test_defaults_are_not_shared_between_records() -> None:
    """Filling the defaulted list of one record leaves the next one empty."""
    older = changed("SectionReceived", faults=None)
    record: dict[str, Any] = {
        "application_id": "a",
        "requester": "37",
        "section": 1,
        "sections": 1,
        "mandate": b"",
        "bundle": None,
        "bundle_digest": b"",
        "person_count": 0,
        "stated_count": 0,
        "lead_present": False,
        "person_tags": b"",
        "numbers": [],
        "guarded_count": 0,
        "undocumented_count": 0,
        "form_tag": b"",
        "received_at": 0,
    }
    current = schemas.current().sources["SectionReceived"]["fields"]
    framed = Codec(older, {}).encode(
        "SectionReceived", {f["name"]: record[f["name"]] for f in current if f["name"] != "faults"}
    )
    now = Codec(schemas.current(), {"SectionReceived": [older.whole("SectionReceived")]})
    now.decode(framed)[1]["faults"].append("mine")
    assert now.decode(framed)[1]["faults"] == []


def _receipt_kind() -> dict[str, Any]:
    fields = schemas.current().sources["Receipt"]["fields"]
    kind: dict[str, Any] = next(field["type"] for field in fields if field["name"] == "kind")
    return kind
