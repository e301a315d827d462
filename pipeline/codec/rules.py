"""What every schema must keep, apart from any other version of it.

Some rules serve readers (a doc everywhere), some serve evolution (null first, null by default), most keep a reader
safe: no type may let a few bytes become much work or memory, and no type may mean different things to different
Avro libraries.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pipeline.codec.findings import Finding
from pipeline.codec.schemas import NAMESPACE, Schema, SchemaSet, full_name, inner_types, parse
from pipeline.domain import records
from pipeline.domain.errors import ConfigError

_UNUSED = {
    "int": "use long: the bytes are the same, and this library does not hold an int to 32 bits while others do",
    "float": "binary fractions are not used; a decimal travels as a string",
    "double": "binary fractions are not used; a decimal travels as a string",
}


def broken(schemas: SchemaSet) -> list[Finding]:
    """Every rule broken by any schema of the set."""
    found = set[Finding]()
    for name, source in schemas.sources.items():
        found.update(_type_faults(source, name))
        found.update(_size_faults(schemas.whole(name), {}))
        found.update(_library_faults(schemas, name))
    return sorted(found)


def disagreements(schemas: SchemaSet, typed: Mapping[str, type] | None = None) -> list[Finding]:
    """Where the schemas and the typed dictionaries of `pipeline.domain.records` differ: record, field, order or type."""
    typed = typed_records() if typed is None else typed
    found = [Finding(name, "is a typed dictionary without a schema") for name in typed.keys() - set(schemas.records)]
    found += [Finding(name, "has a schema but no typed dictionary") for name in set(schemas.records) - typed.keys()]
    for name in sorted(typed.keys() & set(schemas.records)):
        found += _field_disagreements(schemas, name, typing.get_type_hints(typed[name]))
    return sorted(found)


def typed_records() -> dict[str, type]:
    """The typed dictionaries of `pipeline.domain.records`, by name."""
    return {name: item for name, item in vars(records).items() if typing.is_typeddict(item) and name != "TypedDict"}


# ---- one type ---------------------------------------------------------------------------------------------------------


def _type_faults(schema: Any, place: str) -> Iterator[Finding]:
    if isinstance(schema, str):
        if schema in _UNUSED:
            yield Finding(place, f"type {schema}: {_UNUSED[schema]}")
        return
    if isinstance(schema, dict):
        yield from _named_type_faults(schema, place)
        names = [field["name"] for field in schema.get("fields", ())]
        yield from (Finding(f"{schema['name']}.{name}", "is there twice") for name in names if names.count(name) > 1)
        for field in schema.get("fields", ()):
            yield from _field_faults(field, f"{schema['name']}.{field['name']}")
    for step, inner in inner_types(schema):
        is_field = isinstance(schema, dict) and schema.get("type") == "record"
        yield from _type_faults(inner, f"{schema['name']}.{step}" if is_field else f"{place}{step}")


def _named_type_faults(schema: Schema, place: str) -> Iterator[Finding]:
    if schema.get("type") in ("record", "enum", "fixed") and not _is_text(schema.get("doc")):
        yield Finding(place, f"{schema['type']} {schema['name']} has no doc")
    if schema.get("namespace", NAMESPACE) != NAMESPACE:
        yield Finding(place, f"namespace {schema['namespace']}: all types live in {NAMESPACE}")
    if "logicalType" in schema:
        yield Finding(
            place, f"logical type {schema['logicalType']}: libraries differ in what they make of it; say it in the doc"
        )
    if schema.get("aliases"):
        yield Finding(place, "aliases: a rename is never FULL compatible; add a field and keep the old one")
    if schema.get("type") == "enum" and schema.get("default", schema["symbols"][0]) not in schema["symbols"]:
        yield Finding(place, f"enum default {schema['default']} is none of its symbols")


def _field_faults(field: Schema, place: str) -> Iterator[Finding]:
    kind, default = field["type"], field.get("default")
    if not _is_text(field.get("doc")):
        yield Finding(place, "has no doc")
    if field.get("aliases"):
        yield Finding(place, "aliases: a rename is never FULL compatible; add a field and keep the old one")
    if isinstance(kind, list) and "null" in kind and not (kind[0] == "null" and "default" in field and default is None):
        yield Finding(place, "an optional field has null first in its union and null as its default")
    if kind == "bytes" and "default" in field:
        yield Finding(place, "a default for bytes is read differently by libraries; make the field optional instead")


def _is_text(doc: object) -> bool:
    return isinstance(doc, str) and bool(doc.strip())


# ---- sizes ------------------------------------------------------------------------------------------------------------


def _size_faults(schema: Any, named: dict[str, Any], place: str = "") -> Iterator[Finding]:
    """Array items that take no bytes: a six-byte array of them can claim a billion items."""
    if isinstance(schema, dict) and "name" in schema:
        named[full_name(schema)] = schema
        place = place or schema["name"]
    for step, inner in inner_types(schema):
        inside = isinstance(schema, dict) and schema.get("type") == "record"
        yield from _size_faults(inner, named, f"{schema['name']}.{step}" if inside else f"{place}{step}")
    if isinstance(schema, dict) and schema.get("type") == "array" and _takes_nothing(schema["items"], named):
        yield Finding(place, "array items may take zero bytes, so a short message could claim any number of them")


def _takes_nothing(schema: Any, named: Mapping[str, Any]) -> bool:
    match schema:
        case str():
            return schema == "null" or (schema in named and _takes_nothing(named[schema], named))
        case {"type": "record", "fields": fields}:
            return all(_takes_nothing(field["type"], named) for field in fields)
        case {"type": "fixed", "size": size}:
            return bool(size == 0)
        case {"type": inner} if inner not in ("array", "map", "enum", "record", "fixed"):
            return _takes_nothing(inner, named)
    return False


def _library_faults(schemas: SchemaSet, name: str) -> Iterator[Finding]:
    """What Avro itself refuses, e.g. a default that is not of its field's type."""
    try:
        parse(schemas.whole(name))
    except ConfigError as error:
        yield Finding(name, str(error).removeprefix(f"{NAMESPACE}.").removeprefix(f"{name}: "))


# ---- typed dictionaries -----------------------------------------------------------------------------------------------


def _field_disagreements(schemas: SchemaSet, name: str, hints: Mapping[str, Any]) -> list[Finding]:
    fields = {field["name"]: field["type"] for field in schemas.sources[name]["fields"]}
    found = [Finding(f"{name}.{field}", "is in the typed dictionary only") for field in hints if field not in fields]
    found += [Finding(f"{name}.{field}", "is in the schema only") for field in fields if field not in hints]
    if not found and list(fields) != list(hints):
        found.append(Finding(name, "the schema and the typed dictionary order the fields differently"))
    for field in fields.keys() & hints.keys():
        says, means = _shape(fields[field], schemas), _shape_of_hint(hints[field])
        if says != means:
            found.append(Finding(f"{name}.{field}", f"is {says} in the schema but {means} in the typed dictionary"))
    return found


def _shape(schema: Any, schemas: SchemaSet) -> str:
    """A type in one notation for both sides: `[x]` an array, `{x}` a map, `a|b` a union, `(a,b)` an enum's symbols."""
    match schema:
        case list():
            return "|".join(_shape(branch, schemas) for branch in schema)
        case {"type": "array", "items": items}:
            return f"[{_shape(items, schemas)}]"
        case {"type": "map", "values": values}:
            return f"{{{_shape(values, schemas)}}}"
        case {"type": "enum", "symbols": symbols}:
            return f"({','.join(symbols)})"
        case {"type": "record"}:
            return full_name(schema)
        case {"type": inner}:
            return _shape(inner, schemas)
    shared = schemas.sources.get(str(schema).removeprefix(f"{NAMESPACE}."))
    return _shape(shared, schemas) if shared and shared["type"] == "enum" else str(schema)


_PLAIN = {str: "string", int: "long", bytes: "bytes", bool: "boolean", type(None): "null"}


def _shape_of_hint(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return "|".join(_shape_of_hint(arg) for arg in sorted(args, key=lambda arg: arg is not type(None)))
    if origin is Literal:
        return f"({','.join(args)})"
    if origin is list:
        return f"[{_shape_of_hint(args[0])}]"
    if origin is dict:
        return f"{{{_shape_of_hint(args[1])}}}"
    return f"{NAMESPACE}.{hint.__name__}"
