"""Released versions of the schemas: what others may still hold on topics and in stores, pinned in `released.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.codec.compatibility import incompatibilities
from pipeline.codec.findings import Finding
from pipeline.codec.rules import broken, disagreements
from pipeline.codec.schemas import Schema, SchemaSet, fingerprint

Released = Mapping[str, Sequence[Schema]]


def check(schemas: SchemaSet, released: Released) -> list[Finding]:
    """Everything wrong with the current schemas; empty when they may be released.

    That is: broken rules, records that differ from their typed dictionaries, versions that are not FULL compatible
    with every released one. Raises ConfigError where Avro's own checker is missing.
    """
    found = broken(schemas) + disagreements(schemas)
    for name, versions in released.items():
        if name not in schemas.records:
            found.append(Finding(name, "was released and is gone: data of it may still be on a topic"))
            continue
        for number, version in enumerate(versions, 1):
            against = incompatibilities(version, schemas.whole(name))
            found += [Finding(fault.place, f"{fault.message} (against released version {number})") for fault in against]
    return sorted(set(found))


def unreleased(schemas: SchemaSet, released: Released) -> list[str]:
    """Records whose current version is not the newest released one."""
    newest = {name: fingerprint(versions[-1]) for name, versions in released.items() if versions}
    return [name for name in schemas.records if newest.get(name) != schemas.fingerprint(name)]


def extended(schemas: SchemaSet, released: Released) -> dict[str, list[Schema]]:
    """`released` with the current version of every unreleased record appended."""
    news = unreleased(schemas, released)
    return {name: [*released.get(name, ())] + [schemas.whole(name)] * (name in news) for name in schemas.records}


def replaced(schemas: SchemaSet) -> dict[str, list[Schema]]:
    """The current versions alone, every earlier one forgotten. Before 1.0 only: older data become unreadable."""
    return {name: [schemas.whole(name)] for name in schemas.records}


def save(path: Path, released: Released) -> None:
    """Write `released` with its fingerprints, one version a line so that a release shows as lines added."""
    blocks = []
    for name in sorted(released):
        versions = [
            f'    {{"fingerprint": "{fingerprint(schema).hex()}",\n     "schema": {json.dumps(schema, ensure_ascii=False)}}}'
            for schema in released[name]
        ]
        blocks.append(f'  "{name}": [\n' + ",\n".join(versions) + "\n  ]")
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")
