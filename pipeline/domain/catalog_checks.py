"""What is wrong with a party's report for the catalog (Art. 13).

The party is told before it sends anything, and the center looks again: it never trusts an adapter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pipeline.domain.catalog import BASIC_CATEGORIES, Release
from pipeline.domain.catalog_changes import is_same
from pipeline.domain.coverage import LEVELS, is_own_region, region_code
from pipeline.domain.dispatching import has_one_limit
from pipeline.domain.faults import fault, shown
from pipeline.domain.periods import iso_date
from pipeline.domain.records import CatalogEntry, Fault

MOST_ENTRIES: Final = 100
"""Categories that one party may offer."""
MOST_ITEMS: Final = 200
MOST_REGIONS: Final = 200
TEXT_LIMIT: Final = 200
"""Characters of a text in an entry."""

_ID = re.compile(r"[a-z][a-z0-9_]{1,39}")
_TEXTS: Final = ("name", "region", "update_cycle", "sharing_conditions", "period_covered")
_TYPES: Final = frozenset({"text", "integer", "decimal", "date", "boolean"})


def check_listing(
    party: str, entries: Sequence[CatalogEntry], retire: Sequence[str], current: Release | None
) -> list[Fault]:
    """What is wrong with a party's file as a whole: nothing that it offers may vanish without being retired."""
    known = set() if current is None else {category for provider, category in current.entries if provider == party}
    listed = {entry["category"] for entry in entries}
    return [fault("catalog_not_listed", category=category) for category in sorted(known - listed - set(retire))]


def check_report(
    party: str, entries: Sequence[CatalogEntry], retire: Sequence[str], current: Release | None
) -> list[Fault]:
    """Every reason against a report of `party`, by the release it would change; empty when it can be published."""
    known = {} if current is None else {c: entry for (p, c), entry in current.entries.items() if p == party}
    faults = [] if entries or retire else [fault("catalog_nothing_new")]
    if len(entries) > MOST_ENTRIES or len(retire) > MOST_ENTRIES:
        return [fault("catalog_too_many", limit=MOST_ENTRIES)]
    listed: set[str] = set()
    for entry in entries:
        category = shown(entry["category"])
        if entry["provider"] != party:
            faults.append(fault("catalog_foreign", category=category))
        if entry["category"] in listed:
            faults.append(fault("catalog_twice", category=category))
        listed.add(entry["category"])
        faults += check_entry(entry)
        old = known.get(entry["category"])
        if old is not None and entry["version"] < old["version"] + (0 if is_same(old, entry) else 1):
            faults.append(fault("catalog_version", category=category, version=old["version"]))
        faults += _check_name(entry, party, current)
    for category in retire:
        if category in listed:
            faults.append(fault("catalog_retire_listed", category=shown(category)))
        elif category not in known:
            faults.append(fault("catalog_retire_unknown", category=shown(category)))
    return faults


def check_entry(entry: CatalogEntry) -> list[Fault]:
    """What is wrong with an entry by itself, whoever read it from whichever file."""
    category = shown(entry["category"])
    wrong = [key for key in _TEXTS if not 1 <= len(str(entry[key]).strip()) <= TEXT_LIMIT]
    if _ID.fullmatch(entry["category"]) is None:
        wrong.append("category")
    if iso_date(entry["as_of"]) is None:
        wrong.append("as_of")
    if entry["version"] < 1:
        wrong.append("version")
    if not has_one_limit(entry):
        wrong.append(
            "feedback_seconds"
            if entry["feedback_working_days"] is None and entry["feedback_seconds"]
            else "feedback_working_days"
        )
    if not _are_levels(entry["levels"]):
        wrong.append("levels")
    if not _are_regions(entry["region_codes"]):
        wrong.append("region_codes")
    if not _are_items(entry):
        wrong.append("items")
    faults = [fault("catalog_entry_invalid", category=category, key=key) for key in wrong]
    if "region_codes" not in wrong:
        foreign = [code for code in entry["region_codes"] if not is_own_region(entry["provider"], code)]
        if foreign:
            faults.append(fault("catalog_region_foreign", category=category, codes=", ".join(foreign[:5])))
    return faults


def check_names(entries: Sequence[CatalogEntry]) -> list[Fault]:
    """Where entries of one release contradict each other: reports that fit the last release need not fit each other."""
    release = Release.of(0, entries)
    return [found for entry in entries for found in _check_name(entry, entry["provider"], release)]


def _check_name(entry: CatalogEntry, party: str, current: Release | None) -> list[Fault]:
    """One category has one name, of Art. 3 or as the others report it; one name means one category."""
    category, name = entry["category"], entry["name"]
    others = {} if current is None else {key: e for key, e in current.entries.items() if key[0] != party}
    names = {e["name"] for (_, c), e in others.items() if c == category}
    known = {BASIC_CATEGORIES[category][0]} if category in BASIC_CATEGORIES else names
    if known and name not in known:
        return [fault("catalog_name_differs", category=shown(category), given=shown(name), others=shown(min(known)))]
    taken = {c for c, (basic, _) in BASIC_CATEGORIES.items() if basic == name}
    taken |= {c for (_, c), e in others.items() if e["name"] == name}
    if taken - {category}:
        return [fault("catalog_name_taken", given=shown(name), other=min(taken - {category}))]
    return []


def _are_levels(levels: Sequence[str]) -> bool:
    return bool(levels) and len(set(levels)) == len(levels) and all(level in LEVELS for level in levels)


def _are_regions(codes: Sequence[str]) -> bool:
    if not 1 <= len(codes) <= MOST_REGIONS or len(set(codes)) < len(codes):
        return False
    try:
        return all(region_code(code) == code for code in codes)
    except ValueError:
        return False


def _are_items(entry: CatalogEntry) -> bool:
    items = entry["items"]
    named = [item["item"] for item in items]
    return (
        1 <= len(items) <= MOST_ITEMS
        and len(set(named)) == len(named)
        and all(_ID.fullmatch(name) for name in named)
        and all(1 <= len(item["name"].strip()) <= TEXT_LIMIT and item["type"] in _TYPES for item in items)
    )
