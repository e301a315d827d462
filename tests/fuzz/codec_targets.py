"""Targets of `pipeline.codec` and of what is read out of text: Avro, dates, document numbers."""

from __future__ import annotations

from typing import Any, cast

from pipeline.codec import framing, schemas
from pipeline.domain import identity, members, periods
from pipeline.domain.records import Person
from tests.fuzz.harness import Target, must, refused
from tests.fuzz.world import TODAY

RECORDS = schemas.current().records
_PERIOD_FAULTS = {"period_format", "period_impossible", "period_reversed", "period_future"}
_TYPES = ("resident_id", "residence_permit", "birth_certificate", "none")


def read_framed(data: bytes) -> None:
    """Framed Avro of any record: read, written, read again, it is the same record."""
    decoded = refused(lambda: framing.decode(data))
    if decoded is not None:
        name, record = decoded
        must(framing.decode_as(name, framing.encode(name, record)) == record, f"{name} changes when written again")
        other = RECORDS[(RECORDS.index(name) + 1) % len(RECORDS)]
        must(refused(lambda: framing.decode_as(other, data)) is None, f"{name} read as {other}")


def read_bare(data: bytes) -> None:
    """Bare Avro: the first byte names the record, the rest is its body. Memory follows the size of the body."""
    if data:
        name = RECORDS[data[0] % len(RECORDS)]
        record = refused(lambda: framing.read(name, data[1:]))
        if record is not None:
            must(_items(record) <= 64 + 16 * len(data), f"{name}: more values than bytes account for")
            must(framing.read(name, framing.write(name, record)) == record, f"{name} changes when written again")


def read_period(data: bytes) -> None:
    """A cell of the period column: a period that can be written and read again, or one of four fault codes."""
    text = data.decode("utf-8", "replace")
    try:
        period = periods.parse_period(text, TODAY)
    except ValueError as error:
        must(str(error) in _PERIOD_FAULTS, f"not a fault code: {error}")
    else:
        must(periods.parse_period(periods.format_period(period), TODAY) == period, "a period changes when written")
    written = periods.written_date(text)
    must(periods.written_date(written) == written, "a date changes when written again")
    periods.iso_date(text)


def read_number(data: bytes) -> None:
    """A document number of any type: sound, or a fault code; what is sound stays sound when it is made normal."""
    text = data.decode("utf-8", "replace")
    normal = identity.normal_number(text)
    must(identity.normal_number(normal) == normal, "a number changes when made normal again")
    for kind in _TYPES:
        code = identity.check_document(kind, text)
        must(code is None or code.startswith("document_"), f"not a fault code: {code}")
        if code is None and kind != "none":
            must(text.isascii() and identity.check_document(kind, normal) is None, "sound only before it is normal")
        person: dict[str, Any] = dict.fromkeys(Person.__annotations__, "")
        person |= {"document_type": kind, "document_number": text, "name": text, "number": 1}
        person |= {"birth_date": None, "guardian_document_number": None}
        must(identity.person_key(cast("Person", person)), "a person without a key")
    identity.birth_date_of(text)


def read_members(data: bytes) -> None:
    """A bit set of persons: the same when written, but for zero bytes at its end."""
    mask = members.from_bytes(data)
    must(members.to_bytes(mask) == data.rstrip(b"\0"), "a set changes when written again")
    must(members.of(members.indexes(mask)) == mask, "a set of other members")


def _items(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_items, value.values()))
    return 1 + sum(map(_items, value)) if isinstance(value, list) else 1


TARGETS = [
    Target("avro-framed", "codec.framing.decode, decode_as", read_framed, 3),
    Target("avro-bare", "codec.framing.read of every record", read_bare, 3, structured=False),
    Target("period", "domain.periods", read_period, 1, 64, structured=False),
    Target("document-number", "domain.identity", read_number, 1, 64, structured=False),
    Target("members", "domain.members", read_members, 1, 1024, structured=False),
]
