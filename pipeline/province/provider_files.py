"""A provider's description of its own databases: one YAML file a party, checked strictly (docs/providers.md).

The file says, for each category the party offers, which table answers, which columns hold the document number, the
dates and the items, and what the provider refuses. A new category needs a new block here and a catalog entry, no code.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.domain.coverage import level_from, region_code
from pipeline.domain.free_text import free_text_fault
from pipeline.domain.records import AdministrativeLevel, CatalogEntry
from pipeline.kafka.strict_yaml import read_strict

Stored = Literal["iso", "compact", "slash", "native"]
"""How a date column is stored: text `YYYY-MM-DD`, `YYYYMMDD`, `YYYY/MM/DD` (a time of day may follow), or SQL DATE."""

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{2,39}$")]
Name = Annotated[str, Field(min_length=1)]
RegionCode = Annotated[str, BeforeValidator(lambda value: region_code(str(value).strip()))]
Level = Annotated[AdministrativeLevel, BeforeValidator(lambda value: level_from(str(value)))]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemColumn(_Strict):
    """Where one catalog item comes from."""

    column: Name
    type: Literal["text", "integer", "decimal", "date", "boolean"]
    codes: dict[str, str] | None = None  # the database's code -> the value to answer


class EventDates(_Strict):
    """Each row happened on one day: a registration, a visit, a monthly payment.

    latest: every row; with `newest_per`, per person and per combination of those items only the rows of the newest
    date (`[]`: the newest of the person). day: rows of that day. range: rows from the first to the last day.
    """

    kind: Literal["event"]
    date_column: Name
    stored: Stored = "iso"
    newest_per: list[Name] | None = None


class ValidityDates(_Strict):
    """Each row holds from one day to another, both included; blank means open.

    day: rows that hold on that day. range: rows that hold on any day of the range. latest: as of the resource's
    `as_of` day.
    """

    kind: Literal["validity"]
    since_column: Name
    until_column: Name
    stored: Stored = "iso"


class Ward(_Strict):
    """How to find a person without any document: the guardian's number and the person's name."""

    guardian_column: Name
    name_column: Name


class RefusePersons(_Strict):
    """Persons not answered about: those with a row where `column` equals `equals`, whatever period is asked."""

    code: Code
    column: Name
    equals: str | int


class Resource(_Strict):
    """One category as this provider holds it.

    Without `dates` only the present state is known: a day or a range is refused with `period_not_covered`.
    """

    table: Name  # or schema.table
    keys: Annotated[list[Name], Field(min_length=1)]  # a row is about a person if any of these holds the number
    as_of: date
    coverage: Name
    region_codes: Annotated[list[RegionCode], Field(min_length=1)] | None = None  # where fewer than the catalog entry's
    levels: Annotated[list[Level], Field(min_length=1)] | None = None  # likewise
    items: Annotated[dict[Name, ItemColumn], Field(min_length=1)]
    dates: Annotated[EventDates | ValidityDates, Field(discriminator="kind")] | None = None
    ward: Ward | None = None
    refuse: Code | None = None
    refuse_persons: RefusePersons | None = None
    unavailable_until: AwareDatetime | None = None
    because: Annotated[str, Field(min_length=1, max_length=500)] | None = None  # then requests wait instead (Art. 10)

    @model_validator(mode="after")
    def _newest_per_names_items(self) -> Resource:
        if isinstance(self.dates, EventDates):
            unknown = sorted(set(self.dates.newest_per or ()) - set(self.items))
            if unknown:
                raise ValueError(f"newest_per names no item: {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _because_needs_a_time(self) -> Resource:
        if self.because is not None and self.unavailable_until is None:
            raise ValueError("because needs unavailable_until")
        if self.because is not None and (fault := free_text_fault(self.because, 500)):
            raise ValueError(f"because travels to the requester, signed: {fault}")
        return self

    def columns(self) -> list[str]:
        """Every column this description names, each once, in order of mention."""
        names = [*self.keys, *(item.column for item in self.items.values())]
        if isinstance(self.dates, EventDates):
            names.append(self.dates.date_column)
        elif self.dates is not None:
            names += [self.dates.since_column, self.dates.until_column]
        if self.ward is not None:
            names += [self.ward.guardian_column, self.ward.name_column]
        if self.refuse_persons is not None:
            names.append(self.refuse_persons.column)
        return list(dict.fromkeys(names))


class ProviderSpec(_Strict):
    """What one party can answer from, by category."""

    party: Annotated[str, Field(pattern=r"^\d{2}$")]
    resources: Annotated[dict[Name, Resource], Field(min_length=1)]


_KEYS = {
    key
    for model in (ProviderSpec, Resource, ItemColumn, EventDates, ValidityDates, Ward, RefusePersons)
    for key in model.model_fields
}


def load_provider(path: Path) -> ProviderSpec:
    """Read one provider file. Raises ConfigError naming every fault with its line and place; an unknown key is one."""
    return read_strict(path, ProviderSpec, _KEYS)


def differences(spec: ProviderSpec, entries: list[CatalogEntry]) -> list[str]:
    """What the party's catalog entries promise and its provider file does not keep; empty when they agree."""
    found = []
    for entry in entries:
        resource = spec.resources.get(entry["category"])
        if resource is None:
            found.append(f"{entry['category']}: in the catalog, not in the provider file")
            continue
        promised = {item["item"]: item["type"] for item in entry["items"]}
        mapped = {name: column.type for name, column in resource.items.items()}
        for name in sorted(promised.keys() | mapped.keys()):
            if promised.get(name) != mapped.get(name):
                found.append(
                    f"{entry['category']}.{name}: catalog {promised.get(name)}, provider file {mapped.get(name)}"
                )
    listed = {entry["category"] for entry in entries}
    found += [f"{category}: in the provider file, not in the catalog" for category in spec.resources.keys() - listed]
    return found
