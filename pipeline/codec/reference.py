"""The reference of all records and fields, in Markdown, made from the schemas' own docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipeline.codec.schemas import NAMESPACE, Schema, SchemaSet

_HEAD = """# Records

Every record of the exchange, as `avro/<Name>.avsc` defines it. This page is made from those files: change them, then
run `hedx schemas doc > docs/records.md`.

A record on a topic is its schema id (the first 8 bytes of the fingerprint) followed by its Avro binary form. The
fingerprint is SHA-256 over the schema with every named type written out where it first occurs and by full name
afterwards, as JSON with sorted keys, no blanks, UTF-8. A reader knows the current and every released version
(`avro/released.json`) and reads older ones as current. `hedx schemas check` refuses a version that is not FULL
compatible with each of them. A new version must be known to its readers before anyone writes it: update readers first.

To change a record: edit `avro/<Name>.avsc` and its typed dictionary in `pipeline/domain/records.py`, run
`hedx schemas check`, then `hedx schemas release`. Before 1.0, and only then, `hedx schemas release --replace` forgets
earlier versions instead, and bytes written with them can no longer be read.

A type with `?` may be null; `[x]` is an array of x, `{x}` a map from strings to x.
"""


def markdown(schemas: SchemaSet) -> str:
    """The whole page: records in alphabetical order, then the enums they use."""
    enums: dict[str, Schema] = {}
    parts = [_HEAD, *("\n".join(_record(schemas, name, enums)) for name in schemas.records)]
    parts += [f"## {name} (enum)\n\n{_cell(enum['doc'])}\n\n{_symbols(enum)}\n" for name, enum in sorted(enums.items())]
    return "\n".join(parts)


def _record(schemas: SchemaSet, name: str, enums: dict[str, Schema]) -> Iterator[str]:
    source = schemas.sources[name]
    yield f"## {name}\n\n{source['doc']}\n\n| field | type | default | meaning |\n|---|---|---|---|"
    for field in source["fields"]:
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        kind = _kind(field["type"], schemas, enums)
        yield f"| `{field['name']}` | {kind} | {default} | {_cell(field['doc'])} |"
    yield f"\nSchema id `{schemas.fingerprint(name)[:8].hex()}`.\n"


def _kind(schema: Any, schemas: SchemaSet, enums: dict[str, Schema]) -> str:
    match schema:
        case ["null", other]:
            return f"{_kind(other, schemas, enums)}?"
        case list():
            return " or ".join(_kind(branch, schemas, enums) for branch in schema)
        case {"type": "array", "items": items}:
            return f"[{_kind(items, schemas, enums)}]"
        case {"type": "map", "values": values}:
            return f"{{{_kind(values, schemas, enums)}}}"
        case {"type": "enum", "name": name}:
            enums[name] = schema
            return _link(f"{name} (enum)", name)
    short = str(schema).removeprefix(f"{NAMESPACE}.")
    if short == schema:
        return short
    shared = schemas.sources[short]
    return _kind(shared, schemas, enums) if shared["type"] == "enum" else _link(short, short)


def _link(title: str, text: str) -> str:
    anchor = title.lower().replace(" ", "-").replace("(", "").replace(")", "")
    return f"[{text}](#{anchor})"


def _symbols(enum: Schema) -> str:
    default = f"; unknown symbols are read as `{enum['default']}`" if "default" in enum else ""
    return f"Symbols: {', '.join(f'`{symbol}`' for symbol in enum['symbols'])}{default}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
