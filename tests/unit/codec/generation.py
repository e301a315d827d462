"""Records made from their schemas, and schemas changed for the worse."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from pipeline.codec import schemas
from pipeline.codec.schemas import Schema, SchemaSet

LONGS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=12)  # surrogates excluded: they are no Unicode text and Avro strings are UTF-8
PLAIN = {
    "null": st.none(),
    "boolean": st.booleans(),
    "long": LONGS,
    "string": TEXTS,
    "bytes": st.binary(max_size=12),
}


def records(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any record that fits the current schema of `name`."""
    found: st.SearchStrategy[dict[str, Any]] = values(schemas.current().sources[name])
    return found


def values(schema: Any) -> st.SearchStrategy[Any]:
    """Any value that fits a type of the current schemas."""
    match schema:
        case list():
            return st.one_of([values(branch) for branch in schema])
        case {"type": "record", "fields": fields}:
            return st.fixed_dictionaries({field["name"]: values(field["type"]) for field in fields})
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"type": "array", "items": items}:
            return st.lists(values(items), max_size=3)
        case {"type": "map", "values": inner}:
            return st.dictionaries(TEXTS, values(inner), max_size=3)
    if schema in PLAIN:
        return PLAIN[schema]
    return st.deferred(lambda: values(schemas.current().sources[schema.removeprefix("hedx.")]))


def changed(name: str, /, **by_field: Any) -> SchemaSet:
    """The current schemas, with fields of `name` updated; None removes a field, a new name adds one at the end."""
    sources = deepcopy(schemas.current().sources)
    fields = {field["name"]: field for field in sources[name]["fields"]}
    for field, update in by_field.items():
        if update is None:
            del fields[field]
        else:
            fields[field] = {**fields.get(field, {"name": field, "doc": "New."}), **update}
    sources[name]["fields"] = list(fields.values())
    return SchemaSet(sources)


def field_of(name: str, field: str) -> Schema:
    """One field of the current schema of `name`."""
    return next(deepcopy(found) for found in schemas.current().sources[name]["fields"] if found["name"] == field)
