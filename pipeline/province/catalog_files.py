"""What a party reports for the resource catalog (Art. 13): one YAML file, read strictly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.domain.calendar import MOST_WORKING_DAYS
from pipeline.domain.catalog import BASIC_CATEGORIES, Release
from pipeline.domain.coverage import in_order, is_own_region, level_from, region_code
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import is_provider, provider_from
from pipeline.domain.records import AdministrativeLevel, CatalogEntry
from pipeline.kafka.strict_yaml import read_strict

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]


def _provider(text: object) -> str:
    code = provider_from(str(text))
    if not is_provider(code):
        raise ValueError("not a party that offers resources")
    return code


def _region(value: object) -> str:
    return region_code(str(value).strip())


def _level(value: object) -> AdministrativeLevel:
    return level_from(str(value))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class ItemReport(_Strict):
    """One content item of a resource."""

    item: Id
    name: Text
    type: Literal["text", "integer", "decimal", "date", "boolean"]
    required: bool


class EntryReport(_Strict):
    """One resource: what the party offers in one category."""

    category: Id
    name: Text
    items: Annotated[list[ItemReport], Field(min_length=1)]
    region: Text
    region_codes: Annotated[list[Annotated[str, BeforeValidator(_region)]], Field(min_length=1, max_length=200)]
    levels: Annotated[list[Annotated[AdministrativeLevel, BeforeValidator(_level)]], Field(min_length=1)]
    as_of: date
    update_cycle: Text
    feedback_seconds: Annotated[int, Field(gt=0)] | None = None
    feedback_working_days: Annotated[int, Field(ge=1, le=MOST_WORKING_DAYS)] | None = None
    sharing_conditions: Text
    period_covered: Text
    version: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _items_once(self) -> EntryReport:
        items = [item.item for item in self.items]
        if len(set(items)) < len(items):
            raise ValueError("an item is listed twice")
        if len(set(self.region_codes)) < len(self.region_codes):
            raise ValueError("a region code is listed twice")
        if (self.feedback_seconds is None) == (self.feedback_working_days is None):
            raise ValueError("give one feedback limit: feedback_working_days or feedback_seconds")
        if self.category in BASIC_CATEGORIES and self.name != BASIC_CATEGORIES[self.category][0]:
            raise ValueError(f"the name of {self.category} is {BASIC_CATEGORIES[self.category][0]}")
        return self


class CatalogReport(_Strict):
    """The file: the party, by code or name, and its resources."""

    party: Annotated[str, BeforeValidator(_provider)]
    entries: Annotated[list[EntryReport], Field(min_length=1)]

    @model_validator(mode="after")
    def _categories_once(self) -> CatalogReport:
        if len({entry.category for entry in self.entries}) < len(self.entries):
            raise ValueError("a category is listed twice")
        return self

    @model_validator(mode="after")
    def _own_region(self) -> CatalogReport:
        for entry in self.entries:
            foreign = [code for code in entry.region_codes if not is_own_region(self.party, code)]
            if foreign:
                raise ValueError(f"{entry.category}: {', '.join(foreign)} lies outside the party's own area")
        return self


_KEYS = {*CatalogReport.model_fields, *EntryReport.model_fields, *ItemReport.model_fields}


def load_entries(path: Path) -> list[CatalogEntry]:
    """The entries of one party's file, not yet in a release (`release` 0).

    Raises ConfigError listing every fault with its line; an unknown key is one.
    """
    report = read_strict(path, CatalogReport, _KEYS)
    return [
        CatalogEntry(
            provider=report.party,
            category=entry.category,
            name=entry.name,
            items=[
                {"item": item.item, "name": item.name, "type": item.type, "required": item.required}
                for item in entry.items
            ],
            region=entry.region,
            region_codes=sorted(entry.region_codes),
            levels=in_order(entry.levels),
            as_of=entry.as_of.isoformat(),
            update_cycle=entry.update_cycle,
            feedback_seconds=entry.feedback_seconds,
            feedback_working_days=entry.feedback_working_days,
            sharing_conditions=entry.sharing_conditions,
            period_covered=entry.period_covered,
            version=entry.version,
            release=0,
        )
        for entry in report.entries
    ]


def load_release(paths: Iterable[Path], number: int = 0) -> Release:
    """A catalog release made of files, and of the `*.yaml` files in folders.

    Raises ConfigError for a faulty file, for none at all, when a party reports a category twice, and when a file that is
    named after one party reports for another.
    """
    files = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not files:
        raise ConfigError("no catalog file (*.yaml) there")
    try:
        return Release.of(number, [{**entry, "release": number} for file in files for entry in _own(file)])
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _own(file: Path) -> list[CatalogEntry]:
    """The entries of a file, which are its party's where it is named after one: nobody reports for another (Art. 13)."""
    entries = load_entries(file)
    if is_provider(file.stem) and (party := entries[0]["provider"]) != file.stem:
        raise ConfigError(f"{file}: named after party {file.stem}, reports for party {party}")
    return entries
