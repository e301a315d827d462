"""Records to bytes and back: `schema id (8) ‖ Avro`, or bare Avro where the context names the record.

Reading is strict, because whoever can put bytes on a topic chooses them: an unknown schema id, an Avro body that does
not fit, and bytes left over are all `InvalidMessage`, and no other exception leaves a reading function. What a body
can make a reader allocate is bounded by its own length, since no schema has recursive types or zero-byte array items
(`rules.broken` sees to that). A decoded record is *well-formed*, no more: meaning is the domain's to check. Avro
itself allows one record several encodings, so identity is a digest of bytes as received, never of a re-encoding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from fastavro import schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.validation import validate

from pipeline.codec import schemas
from pipeline.codec.schemas import ID_SIZE, Schema, SchemaSet
from pipeline.domain.errors import InvalidMessage

Record = dict[str, Any]

_BAD_BYTES = (EOFError, ValueError, IndexError, OverflowError, TypeError, KeyError, SchemaResolutionError)
"""What the Avro library raises on bytes that do not fit the schema (UnicodeDecodeError is a ValueError)."""
_BAD_RECORD = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What it raises on a record that does not."""


class _Version(NamedTuple):
    """One readable version of a record. `reader` is None for the current one, which needs no resolution."""

    name: str
    writer: Any
    reader: Any


class Codec:
    """Writes the current versions of all records, reads those and every released one."""

    def __init__(self, current: SchemaSet, released: Mapping[str, Sequence[Schema]]) -> None:
        self._ids = {name: current.fingerprint(name)[:ID_SIZE] for name in current.records}
        self._current = {name: _Version(name, schemas.parse(current.whole(name)), None) for name in current.records}
        self._versions = {self._ids[name]: version for name, version in self._current.items()}
        for name in released.keys() & self._current.keys():
            for schema in released[name]:
                older = _Version(name, schemas.parse(schema), self._current[name].writer)
                self._versions.setdefault(schemas.fingerprint(schema)[:ID_SIZE], older)

    def encode(self, name: str, record: Mapping[str, Any]) -> bytes:
        """See the function `encode`."""
        buffer = BytesIO()
        buffer.write(self._ids[name])
        return self._written(name, record, buffer)

    def write(self, name: str, record: Mapping[str, Any]) -> bytes:
        """See the function `write`."""
        return self._written(name, record, BytesIO())

    def decode(self, data: bytes) -> tuple[str, Record]:
        """See the function `decode`."""
        version = self._version_of(data)
        return version.name, _read(version, data, ID_SIZE)

    def decode_as(self, name: str, data: bytes) -> Record:
        """See the function `decode_as`."""
        version = self._version_of(data)
        if version.name != name:
            raise InvalidMessage("schema_unexpected", f"{version.name}, expected {name}")
        return _read(version, data, ID_SIZE)

    def read(self, name: str, data: bytes) -> Record:
        """See the function `read`."""
        return _read(self._current[name], data, 0)

    def _version_of(self, data: bytes) -> _Version:
        version = self._versions.get(data[:ID_SIZE])
        if version is None:
            raise InvalidMessage("schema_unknown", f"schema id {data[:ID_SIZE].hex()}")
        return version

    def _written(self, name: str, record: Mapping[str, Any], buffer: BytesIO) -> bytes:
        schema = self._current[name].writer
        try:
            schemaless_writer(buffer, schema, record, strict=True, disable_tuple_notation=True)
        except _BAD_RECORD:
            # The library's own words quote the value, which may be a name or an ID number.
            raise ValueError(f"{name} does not fit its schema: {_misfit(schema, record)}") from None
        return buffer.getvalue()


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


def _misfit(schema: Any, record: Mapping[str, Any]) -> str:
    """The first field of `record` that is missing, too many or of the wrong type; never its value."""
    fields = {field["name"]: field for field in schema["fields"]}
    if differing := sorted(fields.keys() ^ record.keys()):
        return f"field {differing[0]} is {'missing' if differing[0] in fields else 'unknown'}"
    for name, field in fields.items():
        probe = {**schema, "fields": [{"name": name, "type": field["type"]}]}
        if not validate({name: record[name]}, probe, raise_errors=False, strict=True, disable_tuple_notation=True):  # type: ignore[call-arg]
            return f"field {name} has a value of another type or out of range"
    return "a field has a value of another type or out of range"


@cache
def _codec() -> Codec:
    return Codec(schemas.current(), schemas.released())


def encode(name: str, record: Mapping[str, Any]) -> bytes:
    """`record` as schema id ‖ Avro, under the current schema of `name`. Raises ValueError naming the misfit field."""
    return _codec().encode(name, record)


def write(name: str, record: Mapping[str, Any]) -> bytes:
    """`record` as bare Avro, for where the schema is known already. Raises ValueError naming the misfit field."""
    return _codec().write(name, record)


def decode(data: bytes) -> tuple[str, Record]:
    """The record's name and the record, from framed bytes of the current or any released version.

    Raises InvalidMessage `schema_unknown` or `avro_invalid`.
    """
    return _codec().decode(data)


def decode_as(name: str, data: bytes) -> Record:
    """Like `decode`, where only `name` will do. Raises InvalidMessage `schema_unexpected` for another record too."""
    return _codec().decode_as(name, data)


def read(name: str, data: bytes) -> Record:
    """A record from bare Avro of the current schema of `name`. Raises InvalidMessage `avro_invalid`."""
    return _codec().read(name, data)
