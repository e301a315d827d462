"""FULL compatibility of two versions of a record: each can read what the other wrote.

The rules here are stricter than Avro's where Avro lets a change pass that means something else (a logical type, a
namespace, a promotion), and they name the field. Apache Avro's own checker runs after them, in both directions, as a
second opinion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.codec.findings import Finding
from pipeline.codec.schemas import PRIMITIVES, Schema, full_name, inner_types
from pipeline.domain.errors import ConfigError

_ATTRIBUTES = ("logicalType", "precision", "scale", "size")


def incompatibilities(old: Schema, new: Schema) -> list[Finding]:
    """Why `old` and `new` (self-contained) are not FULL compatible; empty when they are. Raises ConfigError."""
    walk = _Comparison(_named_types(old), _named_types(new))
    found = list(dict.fromkeys(walk.compare(old, new, new["name"])))
    return found or second_opinion(old, new)


def _named_types(schema: Any) -> dict[str, Schema]:
    named = {full_name(schema): schema} if isinstance(schema, dict) and "name" in schema else {}
    for _, inner in inner_types(schema):
        named |= _named_types(inner)
    return named


class _Comparison:
    """Two versions walked side by side. A named type is compared where it first occurs."""

    def __init__(self, old_types: dict[str, Schema], new_types: dict[str, Schema]) -> None:
        self._old_types = old_types
        self._new_types = new_types
        self._compared: set[tuple[str, str]] = set()

    def compare(self, old: Any, new: Any, place: str) -> Iterator[Finding]:
        """Findings of one pair of types."""
        old, new = _spelled_out(old, self._old_types), _spelled_out(new, self._new_types)
        if (was := _kind(old)) != (now := _kind(new)):
            yield Finding(place, f"type changed from {was} to {now}")
        elif isinstance(old, list):
            yield from self._unions(old, new, place)
        else:
            yield from _attribute_changes(old, new, place)
            yield from self._insides(was, old, new, place)

    def _insides(self, kind: str, old: Schema, new: Schema, place: str) -> Iterator[Finding]:
        if kind == "array":
            yield from self.compare(old["items"], new["items"], f"{place}[]")
        elif kind == "map":
            yield from self.compare(old["values"], new["values"], f"{place}{{}}")
        elif kind in ("record", "enum", "fixed"):
            yield from self._named(kind, old, new, place)

    def _named(self, kind: str, old: Schema, new: Schema, place: str) -> Iterator[Finding]:
        was, now = full_name(old), full_name(new)
        if (was, now) in self._compared:
            return
        self._compared.add((was, now))
        if was != now:
            yield Finding(place, f"{kind} renamed from {was} to {now}")
        elif kind == "record":
            yield from self._fields(old, new)
        elif kind == "enum":
            yield from _symbols(old, new, place)

    def _unions(self, old: list[Any], new: list[Any], place: str) -> Iterator[Finding]:
        was = {_branch(branch, self._old_types): branch for branch in old}
        now = {_branch(branch, self._new_types): branch for branch in new}
        for name in was.keys() - now.keys():
            yield Finding(place, f"union lost {name}: what was written with it cannot be read any more")
        for name in now.keys() - was.keys():
            yield Finding(place, f"union gained {name}: readers of the released version do not know it")
        for name in was.keys() & now.keys():
            yield from self.compare(was[name], now[name], place)

    def _fields(self, old: Schema, new: Schema) -> Iterator[Finding]:
        was = {field["name"]: field for field in old["fields"]}
        now = {field["name"]: field for field in new["fields"]}
        for name in was.keys() - now.keys():
            if "default" not in was[name]:
                yield Finding(f"{new['name']}.{name}", "removed, but it had no default: released readers need it")
        for name in now.keys() - was.keys():
            if "default" not in now[name]:
                yield Finding(f"{new['name']}.{name}", "added without a default: released data do not hold it")
        for name in (name for name in was if name in now):
            yield from self.compare(was[name]["type"], now[name]["type"], f"{new['name']}.{name}")


def _symbols(old: Schema, new: Schema, place: str) -> Iterator[Finding]:
    """A symbol a reader does not know is read as that reader's enum default, if it has one."""
    if (lost := sorted(set(old["symbols"]) - set(new["symbols"]))) and "default" not in new:
        yield Finding(place, f"enum {new['name']} lost {', '.join(lost)} and has no default to read it as")
    if (gained := sorted(set(new["symbols"]) - set(old["symbols"]))) and "default" not in old:
        yield Finding(
            place, f"enum {new['name']} gained {', '.join(gained)}; the released version has no default to read it as"
        )


def _spelled_out(schema: Any, named: dict[str, Schema]) -> Any:
    if isinstance(schema, str):
        return {"type": schema} if schema in PRIMITIVES else named[schema]
    if isinstance(schema, dict) and isinstance(schema["type"], dict):
        return schema["type"]
    return schema


def _kind(schema: Any) -> str:
    return "union" if isinstance(schema, list) else str(schema["type"])


def _branch(schema: Any, named: dict[str, Schema]) -> str:
    spelled = _spelled_out(schema, named)
    return full_name(spelled) if "name" in spelled else _kind(spelled)


def _attribute_changes(old: Schema, new: Schema, place: str) -> Iterator[Finding]:
    for attribute in _ATTRIBUTES:
        if (was := old.get(attribute)) != (now := new.get(attribute)):
            words = "logical type" if attribute == "logicalType" else attribute
            yield Finding(place, f"{words} changed from {was or 'none'} to {now or 'none'}")


def second_opinion(old: Schema, new: Schema) -> list[Finding]:
    """What Apache Avro's checker says, both ways. Raises ConfigError where that package is missing."""
    try:
        from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
        from avro.errors import AvroException
        from avro.schema import parse
    except ImportError as error:
        raise ConfigError("checking schemas needs the package avro: install hedx[dev]") from error
    try:
        released, current = parse(json.dumps(old)), parse(json.dumps(new))
    except AvroException as error:
        return [Finding(new["name"], f"Avro refuses the schema: {error}")]
    found = []
    for words, reader, writer in (("older data", current, released), ("newer data", released, current)):
        checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
        result = checker.get_compatibility(reader, writer)
        if result.compatibility is not SchemaCompatibilityType.compatible:
            reasons = "; ".join(sorted(f"{place} {why}" for place in result.locations for why in result.messages))
            found.append(Finding(new["name"], f"Avro says that {words} could not be read: {reasons}"))
    return found
