"""Records to bytes and back: `schema id (8) ‖ Avro`, or bare Avro where the context names the record.

Reading is strict, because whoever can put bytes on a topic chooses them: an unknown schema id, an Avro body that does
not fit, and bytes left over are all `InvalidMessage`, and no other exception leaves a reading function. What a body
can make a reader allocate is bounded by its own length, since no schema has recursive types or zero-byte array items
(`rules.broken` sees to that). A decoded record is *well-formed*, no more: meaning is the domain's to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.validation import validate

from pipeline.codec import schemas
from pipeline.codec.schemas import ID_SIZE
from pipeline.domain.errors import InvalidMessage

Record = dict[str, Any]

_BAD_BYTES = (EOFError, ValueError, IndexError, OverflowError, TypeError, KeyError, SchemaResolutionError)
"""What the Avro library raises on bytes that do not fit the schema (UnicodeDecodeError is a ValueError)."""


class _Version(NamedTuple):
    """One readable version of a record. `reader` is None for the current one, which needs no resolution."""

    name: str
    writer: Any
    reader: Any


def encode(name: str, record: Mapping[str, Any]) -> bytes:
    """`record` as schema id ‖ Avro, under the current schema of `name`. Raises ValueError naming the misfit field."""
    return _written(name, record, BytesIO(schemas.schema_id(name)))


def write(name: str, record: Mapping[str, Any]) -> bytes:
    """`record` as bare Avro, for where the schema is known already. Raises ValueError naming the misfit field."""
    return _written(name, record, BytesIO())


def decode(data: bytes) -> tuple[str, Record]:
    """The record's name and the record, from framed bytes of the current or any released version.

    Raises InvalidMessage `schema_unknown` or `avro_invalid`.
    """
    version = _versions().get(data[:ID_SIZE])
    if version is None:
        raise InvalidMessage("schema_unknown", f"schema id {data[:ID_SIZE].hex()}")
    return version.name, _read(version, data, ID_SIZE)


def decode_as(name: str, data: bytes) -> Record:
    """Like `decode`, where only `name` will do. Raises InvalidMessage `schema_unexpected` for another record."""
    version = _versions().get(data[:ID_SIZE])
    if version is None:
        raise InvalidMessage("schema_unknown", f"schema id {data[:ID_SIZE].hex()}, expected {name}")
    if version.name != name:
        raise InvalidMessage("schema_unexpected", f"{version.name}, expected {name}")
    return _read(version, data, ID_SIZE)


def read(name: str, data: bytes) -> Record:
    """A record from bare Avro of the current schema of `name`. Raises InvalidMessage `avro_invalid`."""
    return _read(_current(name), data, 0)


def _written(name: str, record: Mapping[str, Any], buffer: BytesIO) -> bytes:
    buffer.seek(0, 2)
    try:
        schemaless_writer(buffer, schemas.parsed(name), record, strict=True, disable_tuple_notation=True)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        # The library's own words quote the value, which may be a name or an ID number.
        raise ValueError(f"{name} does not fit its schema: {_misfit(name, record)}") from None
    return buffer.getvalue()


def _misfit(name: str, record: Mapping[str, Any]) -> str:
    """The first field of `record` that is missing, too many or of the wrong type; never its value."""
    fields = {field["name"]: field["type"] for field in schemas.parsed(name)["fields"]}
    if differing := sorted(fields.keys() ^ record.keys()):
        return f"field {differing[0]} is {'missing' if differing[0] in fields else 'unknown'}"
    for field, kind in fields.items():
        probe = {"type": "record", "name": "Probe", "fields": [{"name": field, "type": kind}]}
        if not _fits(name, probe, {field: record[field]}):
            return f"field {field} has a value of another type or out of range"
    return "a field has a value out of range"


def _fits(name: str, probe: Any, value: Mapping[str, Any]) -> bool:
    """Whether `value` fits `probe`, a one-field record made of types of the schema `name`."""
    named = dict(schemas.parsed(name).get("__named_schemas", {}))
    probe = {**probe, "__fastavro_parsed__": True, "__named_schemas": named}
    fits = validate(value, probe, raise_errors=False, strict=True, disable_tuple_notation=True)  # type: ignore[call-arg]
    return bool(fits)


def _read(version: _Version, data: bytes, start: int) -> Record:
    stream = BytesIO(data)
    stream.seek(start)
    try:
        record: Record = schemaless_reader(stream, version.writer, version.reader)  # type: ignore[assignment]
    except _BAD_BYTES as error:
        raise InvalidMessage("avro_invalid", f"{version.name}: {type(error).__name__}") from None
    if stream.tell() != len(data):
        raise InvalidMessage("avro_invalid", f"{version.name}: {len(data) - stream.tell()} bytes left over")
    # Resolution hands out the schema's own default objects; a caller that fills such a list must not fill them all.
    return record if version.reader is None else deepcopy(record)


@cache
def _current(name: str) -> _Version:
    return _Version(name, schemas.parsed(name), None)


@cache
def _versions() -> dict[bytes, _Version]:
    """Every readable version by schema id: the current ones, and the released ones resolved to them."""
    known = schemas.current()
    versions = {schemas.schema_id(name): _current(name) for name in known.records}
    for name, older in schemas.released().items():
        if name in known.records:
            for schema in older:
                identity = schemas.fingerprint(schema)[:ID_SIZE]
                versions.setdefault(identity, _Version(name, schemas.parse(schema), schemas.parsed(name)))
    return versions
