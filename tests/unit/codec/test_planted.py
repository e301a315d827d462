"""Bad versions of the schemas, each planted on purpose and each caught at its record and field."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from pipeline.codec import releases, schemas
from pipeline.codec.compatibility import incompatibilities, second_opinion
from pipeline.codec.rules import broken, disagreements, typed_records
from pipeline.codec.schemas import SchemaSet
from pipeline.domain.errors import ConfigError
from tests.unit.codec.generation import changed, field_of

CURRENT = schemas.current()


def with_type(name: str, update: dict[str, Any]) -> SchemaSet:
    """The current schemas with keys of one named type changed."""
    sources = deepcopy(CURRENT.sources)
    sources[name] |= update
    return SchemaSet(sources)


def symbols_of(name: str, symbols: list[str], default: str | None = None) -> SchemaSet:
    """The current schemas with other symbols in a shared enum."""
    return with_type(name, {"symbols": symbols} | ({"default": default} if default else {}))


def faults(found: SchemaSet, name: str) -> list[str]:
    """What the comparison of `name` with its current version reports."""
    return [str(fault) for fault in incompatibilities(CURRENT.whole(name), found.whole(name))]


INCOMPATIBLE: dict[str, tuple[str, Callable[[], SchemaSet], str]] = {
    "removed field without default": (
        "Person",
        lambda: changed("Person", name=None),
        "Person.name: removed, but it had no default",
    ),
    "added field without default": (
        "Person",
        lambda: changed("Person", phone={"type": "string"}),
        "Person.phone: added without a default",
    ),
    "renamed field": (
        "Person",
        lambda: changed("Person", household=None, household_number={"type": "string", "default": ""}),
        "Person.household: removed, but it had no default",
    ),
    "type change": (
        "Person",
        lambda: changed("Person", number={"type": "string"}),
        "Person.number: type changed from long to string",
    ),
    "promotion, which only older data survive": (
        "SectionRoot",
        lambda: changed("SectionRoot", count={"type": "double"}),
        "SectionRoot.count: type changed from long to double",
    ),
    "bytes to string, which Avro lets pass": (
        "SectionRoot",
        lambda: changed("SectionRoot", root={"type": "string"}),
        "SectionRoot.root: type changed from bytes to string",
    ),
    "made optional": (
        "Person",
        lambda: changed("Person", relation={"type": ["null", "string"], "default": None}),
        "Person.relation: type changed from string to union",
    ),
    "made mandatory": (
        "Person",
        lambda: changed("Person", birth_date={"type": "string", "default": ""}),
        "Person.birth_date: type changed from union to string",
    ),
    "union widened": (
        "ItemValue",
        lambda: changed("ItemValue", value={"type": ["null", "boolean", "long", "string", "bytes"]}),
        "ItemValue.value: union gained bytes",
    ),
    "union narrowed": (
        "ItemValue",
        lambda: changed("ItemValue", value={"type": ["null", "long", "string"]}),
        "ItemValue.value: union lost boolean",
    ),
    "item type change": (
        "Mandate",
        lambda: changed("Mandate", evidence={"type": {"type": "array", "items": "string"}}),
        "Mandate.evidence[]: type changed from bytes to string",
    ),
    "map value type change": (
        "Fault",
        lambda: changed("Fault", args={"type": {"type": "map", "values": "long"}}),
        "Fault.args{}: type changed from string to long",
    ),
    "enum symbol removed": (
        "CertificatePart",
        lambda: symbols_of("Status", ["done", "refused", "unavailable", "expired"]),
        "CertificatePart.status: enum Status lost withdrawn and has no default",
    ),
    "enum symbol added": (
        "CertificatePart",
        lambda: symbols_of("Status", ["done", "refused", "unavailable", "expired", "withdrawn", "lost"], "expired"),
        "CertificatePart.status: enum Status gained lost; the released version has no default",
    ),
    "enum symbol renamed": (
        "Person",
        lambda: symbols_of("ConsentScope", ["nationwide", "partial"]),
        "Person.consent_scope: enum ConsentScope lost narrower",
    ),
    "logical type added": (
        "Watermark",
        lambda: changed("Watermark", time={"type": {"type": "long", "logicalType": "timestamp-millis"}}),
        "Watermark.time: logical type changed from none to timestamp-millis",
    ),
    "a change in a nested record": (
        "Application",
        lambda: changed("Period", start=None, since={"type": "string"}),
        "Period.since: added without a default",
    ),
    "enum renamed": (
        "Period",
        lambda: changed("Period", kind={"type": {**field_of("Period", "kind")["type"], "name": "Kind"}}),
        "Period.kind: enum renamed from hedx.PeriodKind to hedx.Kind",
    ),
}


@pytest.mark.parametrize("defect", INCOMPATIBLE)
def test_an_incompatible_version_is_caught_at_its_field(defect: str) -> None:
    """Each planted change is reported once, with the record and the field, when compared with the released version."""
    name, plant, says = INCOMPATIBLE[defect]
    reported = [fault for fault in map(str, releases.check(plant(), {name: [CURRENT.whole(name)]})) if says in fault]
    assert len(reported) == 1
    assert reported[0].endswith("(against released version 1)")


@pytest.mark.parametrize("attribute", ["name", "namespace"])
def test_a_renamed_record_is_caught(attribute: str) -> None:
    """Another name or namespace is another type, though Avro's checker overlooks the namespace."""
    moved = {**CURRENT.whole("Watermark"), attribute: "other"}
    (fault,) = incompatibilities(CURRENT.whole("Watermark"), moved)
    assert "record renamed from hedx.Watermark to" in str(fault)


def test_a_removed_record_is_caught() -> None:
    """A released record may not go: bytes of it may still lie on a topic."""
    sources = {name: source for name, source in CURRENT.sources.items() if name != "Watermark"}
    found = map(str, releases.check(SchemaSet(sources), {"Watermark": [CURRENT.whole("Watermark")]}))
    assert "Watermark: was released and is gone: data of it may still be on a topic" in found


def test_avros_own_checker_is_asked_both_ways() -> None:
    """A second opinion that knows none of our rules: it says which of the two versions could not be read."""
    released = CURRENT.whole("Person")
    (older,) = second_opinion(released, changed("Person", phone={"type": "string"}).whole("Person"))
    (newer,) = second_opinion(released, changed("Person", name=None).whole("Person"))
    assert str(older).startswith("Person: Avro says that older data could not be read:")
    assert "/fields/13 phone" in str(older)
    assert str(newer).startswith("Person: Avro says that newer data could not be read:")
    assert "/fields/2 name" in str(newer)
    assert second_opinion(released, released) == []


EMPTY = {"type": "record", "name": "Empty", "doc": "Nothing.", "fields": []}
BROKEN: dict[str, tuple[Callable[[], SchemaSet], str]] = {
    "missing doc on a field": (lambda: changed("Person", name={"doc": " "}), "Person.name: has no doc"),
    "missing doc on a record": (lambda: with_type("Person", {"doc": ""}), "Person: record Person has no doc"),
    "missing doc on an enum": (
        lambda: changed("Period", kind={"type": {**field_of("Period", "kind")["type"], "doc": ""}}),
        "Period.kind: enum PeriodKind has no doc",
    ),
    "logical type": (
        lambda: changed("Watermark", time={"type": {"type": "long", "logicalType": "timestamp-millis"}}),
        "Watermark.time: logical type timestamp-millis",
    ),
    "items of zero bytes": (
        lambda: changed("Entry", items={"type": {"type": "array", "items": "null"}}),
        "Entry.items: array items may take zero bytes",
    ),
    "items that are empty records": (
        lambda: changed("Entry", items={"type": {"type": "array", "items": EMPTY}}),
        "Entry.items: array items may take zero bytes",
    ),
    "items of items of zero bytes": (
        lambda: changed(
            "Entry", items={"type": {"type": "array", "items": {"type": "array", "items": {"type": "null"}}}}
        ),
        "Entry.items[]: array items may take zero bytes",
    ),
    "int": (lambda: changed("Watermark", source={"type": "int"}), "Watermark.source: type int: use long"),
    "double in a union": (
        lambda: changed("ItemValue", value={"type": ["null", "double"]}),
        "ItemValue.value: type double",
    ),
    "optional without default": (
        lambda: changed("Fault", hint={"type": ["null", "string"]}),
        "Fault.hint: an optional field has null first",
    ),
    "null not first": (
        lambda: changed("Fault", row={"type": ["long", "null"], "default": 0}),
        "Fault.row: an optional field has null first",
    ),
    "default for bytes": (
        lambda: changed("Warrant", mandate={"default": ""}),
        "Warrant.mandate: a default for bytes",
    ),
    "default of another type": (
        lambda: changed("Fault", code={"default": 5}),
        "Fault: not a valid Avro schema",
    ),
    "enum default that is no symbol": (
        lambda: symbols_of("ConsentScope", ["nationwide", "narrower"], "universal"),
        "ConsentScope: enum default universal is none of its symbols",
    ),
    "alias": (lambda: changed("Person", name={"aliases": ["full_name"]}), "Person.name: aliases"),
    "another namespace": (
        lambda: changed("Period", kind={"type": {**field_of("Period", "kind")["type"], "namespace": "x"}}),
        "Period.kind: namespace x",
    ),
}


@pytest.mark.parametrize("defect", BROKEN)
def test_a_broken_rule_is_caught_at_its_field(defect: str) -> None:
    """Each planted defect is named with its record and field, released or not."""
    plant, says = BROKEN[defect]
    assert [fault for fault in map(str, broken(plant())) if fault.startswith(says)]


def test_a_field_that_is_there_twice_is_caught() -> None:
    """Avro libraries disagree on which of the two counts."""
    sources = deepcopy(CURRENT.sources)
    sources["Watermark"]["fields"].append(field_of("Watermark", "time"))
    assert "Watermark.time: is there twice" in map(str, broken(SchemaSet(sources)))


def test_recursive_types_are_refused() -> None:
    """A record that contains itself, at whatever distance, cannot be loaded: its depth would be the sender's choice."""
    with pytest.raises(ConfigError, match=r"ScheduleRow\.period: hedx\.Period contains itself"):
        changed("Period", rows={"type": {"type": "array", "items": "hedx.ScheduleRow"}})
    with pytest.raises(ConfigError, match=r"Entry\.parts: hedx\.Entry contains itself"):
        changed("Entry", parts={"type": {"type": "array", "items": "hedx.Entry"}})


def test_an_unknown_type_is_refused() -> None:
    """A reference to no schema names the field it stands in."""
    with pytest.raises(ConfigError, match=r"Person\.name: unknown type hedx\.Name"):
        changed("Person", name={"type": "hedx.Name"})


def test_a_type_defined_twice_is_refused() -> None:
    """One name, one definition."""
    with pytest.raises(ConfigError, match=r"hedx\.PeriodKind is defined in Period already"):
        changed("Person", kind=field_of("Period", "kind"))


def test_typed_dictionaries_and_schemas_may_not_differ() -> None:
    """A field too many, too few, out of order or of another type is named, on whichever side it is."""

    def found(schema_set: SchemaSet) -> list[str]:
        return [str(fault) for fault in disagreements(schema_set)]

    assert found(changed("Person", name=None)) == ["Person.name: is in the typed dictionary only"]
    assert found(changed("Person", phone={"type": "string"})) == ["Person.phone: is in the schema only"]
    assert found(changed("Person", number={"type": "string"})) == [
        "Person.number: is string in the schema but long in the typed dictionary"
    ]
    swapped = deepcopy(CURRENT.sources)
    swapped["SectionRoot"]["fields"].reverse()
    assert found(SchemaSet(swapped)) == [
        "SectionRoot: the schema and the typed dictionary order the fields differently"
    ]
    assert any("(done,refused)" in fault for fault in found(symbols_of("Status", ["done", "refused"])))


def test_every_typed_dictionary_has_a_schema_and_the_other_way_round() -> None:
    """A record known to one side only is named."""
    sources = {name: source for name, source in CURRENT.sources.items() if name != "Watermark"}
    assert [str(fault) for fault in disagreements(SchemaSet(sources))] == [
        "Watermark: is a typed dictionary without a schema"
    ]
    typed = {name: kind for name, kind in typed_records().items() if name != "Watermark"}
    assert [str(fault) for fault in disagreements(CURRENT, typed)] == [
        "Watermark: has a schema but no typed dictionary"
    ]


COMPATIBLE: dict[str, tuple[str, Callable[[], SchemaSet]]] = {
    "nothing": ("Person", lambda: CURRENT),
    "a doc": ("Person", lambda: changed("Person", name={"doc": "Another text."})),
    "an optional field": ("Person", lambda: changed("Person", phone={"type": ["null", "string"], "default": None})),
    "a field with a default": ("Fault", lambda: changed("Fault", weight={"type": "long", "default": 0})),
    "an optional field less": ("Fault", lambda: changed("Fault", row=None)),
    "a symbol of an enum with default": (
        "CatalogItem",
        lambda: changed(
            "CatalogItem",
            type={"type": {**(kind := field_of("CatalogItem", "type")["type"]), "symbols": [*kind["symbols"], "url"]}},
        ),
    ),
}


@pytest.mark.parametrize("change", COMPATIBLE)
def test_a_compatible_version_passes(change: str) -> None:
    """What readers of both versions can live with is not reported."""
    name, make = COMPATIBLE[change]
    assert faults(make(), name) == []
    assert broken(make()) == []
