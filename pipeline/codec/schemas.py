"""The Avro schemas of the exchange: read from `avro/`, made self-contained, fingerprinted.

Each file `avro/<Name>.avsc` holds one record (or an enum that several records share) and refers to others by full
name. What is fingerprinted, released and given to the Avro library is the *self-contained* form: every named type
written out where it first occurs, by name afterwards. The fingerprint is SHA-256 over that form's JSON with sorted
keys and no blanks, in UTF-8. It covers docs, defaults and logical types too, which Avro's own Parsing Canonical Form
strips: two schemas that share that form can still mean different things.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from pipeline.domain.errors import ConfigError

NAMESPACE = "hedx"
ID_SIZE = 8
PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

Schema = dict[str, Any]


def canonical(schema: Schema) -> bytes:
    """The JSON that is fingerprinted: keys sorted, no blanks, UTF-8."""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def fingerprint(schema: Schema) -> bytes:
    """SHA-256 (32 bytes) over a self-contained schema."""
    return hashlib.sha256(canonical(schema)).digest()


def parse(schema: Schema) -> Any:
    """`schema` (self-contained) as the Avro library wants it. Raises ConfigError that names it when it is not Avro."""
    try:
        return fastavro.parse_schema(schema, {})
    except (SchemaParseException, UnknownType, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{schema.get('name', '?')}: not a valid Avro schema: {error}") from error


def inner_types(schema: Any) -> Iterator[tuple[str, Any]]:
    """The types directly inside a type, each with the step that leads there (a field's name, `[]`, `{}` or "")."""
    match schema:
        case list():
            yield from (("", branch) for branch in schema)
        case {"type": "record", "fields": fields}:
            yield from ((field["name"], field["type"]) for field in fields)
        case {"type": "array", "items": items}:
            yield "[]", items
        case {"type": "map", "values": values}:
            yield "{}", values
        case {"type": dict() | list() as nested}:
            yield "", nested


class SchemaSet:
    """The schemas of one directory, by short name (`Person` for `hedx.Person`)."""

    def __init__(self, sources: Mapping[str, Schema]) -> None:
        self.sources = dict(sources)
        self.records = tuple(sorted(name for name, source in sources.items() if source.get("type") == "record"))
        self._homes = self._find_homes()
        self._whole = {name: self._resolve(name) for name in self.sources}

    @classmethod
    def load(cls, directory: Path) -> SchemaSet:
        """Read every `.avsc` of `directory`. Raises ConfigError naming the file, and the field where there is one."""
        sources = {}
        for path in sorted(directory.glob("*.avsc")):
            sources[path.stem] = source = _read_json(path)
            _check_form(source, path)
        return cls(sources)

    def whole(self, name: str) -> Schema:
        """The self-contained schema of `name`. Raises ConfigError when there is none."""
        try:
            return self._whole[name]
        except KeyError:
            raise ConfigError(f"no schema is called {name}") from None

    def fingerprint(self, name: str) -> bytes:
        """SHA-256 (32 bytes) over the self-contained schema of `name`."""
        return fingerprint(self.whole(name))

    def _find_homes(self) -> dict[str, str]:
        """Which file defines each named type; raises ConfigError when two do."""
        homes: dict[str, str] = {}
        for file, source in self.sources.items():
            for name in _definitions(source):
                if homes.setdefault(name, file) != file:
                    raise ConfigError(f"{file}: {name} is defined in {homes[name]} already")
        return homes

    def _resolve(self, name: str) -> Schema:
        whole: Schema = self._inline(self.sources[name], f"{name}", (), set())
        return whole

    def _inline(self, schema: Any, where: str, within: tuple[str, ...], defined: set[str]) -> Any:
        """`schema` with references written out at first use. `within`: the records being written, outermost first."""
        if isinstance(schema, str):
            return self._reference(schema, where, within, defined)
        if isinstance(schema, list):
            return [self._inline(branch, where, within, defined) for branch in schema]
        if "name" in schema:
            defined.add(full_name(schema))
            within = (*within, full_name(schema))
        inlined = dict(schema)
        for key in ("items", "values"):
            if key in schema:
                inlined[key] = self._inline(schema[key], where, within, defined)
        if isinstance(schema.get("type"), dict | list):
            inlined["type"] = self._inline(schema["type"], where, within, defined)
        if "fields" in schema:
            owner = schema["name"]
            inlined["fields"] = [
                {**field, "type": self._inline(field["type"], f"{owner}.{field['name']}", within, defined)}
                for field in schema["fields"]
            ]
        return inlined

    def _reference(self, name: str, where: str, within: tuple[str, ...], defined: set[str]) -> Any:
        if name in PRIMITIVES:
            return name
        if name in within:
            raise ConfigError(f"{where}: {name} contains itself; recursive types are not allowed")
        if name in defined:
            return name
        home = self._homes.get(name)
        if home is None or name != f"{NAMESPACE}.{home}":
            raise ConfigError(f"{where}: unknown type {name}; refer to a record or shared enum by its full name")
        return self._inline(self.sources[home], where, within, defined)


def full_name(schema: Schema) -> str:
    """`hedx.Person` for a named type; types defined inside another share the one namespace."""
    return f"{schema.get('namespace', NAMESPACE)}.{schema['name']}"


def _definitions(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict) and "name" in schema:
        yield full_name(schema)
    for _, inner in inner_types(schema):
        yield from _definitions(inner)


def _check_form(source: Any, path: Path) -> None:
    """What the rest of this package takes for granted of a file. Raises ConfigError."""
    named = isinstance(source, dict) and {"type", "name", "namespace"} <= source.keys()
    if not named or (source["namespace"], source["name"]) != (NAMESPACE, path.stem):
        raise ConfigError(f"{path.name}: must define {NAMESPACE}.{path.stem}, under that namespace and name")
    if source["type"] == "record" and not isinstance(source.get("fields"), list):
        raise ConfigError(f"{path.name}: a record needs fields")
    for field in source.get("fields", ()):
        if not (isinstance(field, dict) and {"name", "type"} <= field.keys()):
            raise ConfigError(f"{path.name}: every field needs a name and a type")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name}: cannot be read as JSON: {error}") from error


def directory() -> Path:
    """Where the schemas lie: inside the installed package, or beside it in a checkout. Raises ConfigError."""
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "avro", package.parent / "avro"):
        if (candidate / "released.json").is_file():
            return candidate
    raise ConfigError("the Avro schemas (avro/*.avsc and avro/released.json) are not installed with this package")


def load_released(path: Path) -> dict[str, list[Schema]]:
    """Released self-contained schemas by record, oldest first. Raises ConfigError when a pinned one was altered."""
    released: dict[str, list[Schema]] = {}
    for name, versions in _read_json(path).items():
        for number, version in enumerate(versions, 1):
            if fingerprint(version["schema"]).hex() != version["fingerprint"]:
                raise ConfigError(f"{name}: released version {number} was altered: it does not match its fingerprint")
        released[name] = [version["schema"] for version in versions]
    return released


@cache
def current() -> SchemaSet:
    """The schemas this program writes, read once. Raises ConfigError."""
    return SchemaSet.load(directory())


@cache
def released() -> dict[str, list[Schema]]:
    """The released versions this program can read, read once. Raises ConfigError."""
    return load_released(directory() / "released.json")


@cache
def schema_id(name: str) -> bytes:
    """The first 8 bytes of the fingerprint of the current schema of `name`: what a framed record starts with."""
    return current().fingerprint(name)[:ID_SIZE]


@cache
def parsed(name: str) -> Any:
    """The current schema of `name`, parsed once for the Avro library."""
    return parse(current().whole(name))
