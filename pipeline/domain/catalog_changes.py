"""From one release of the catalog to the next (Art. 12, 13): what parties report, what that changes, whom it concerns.

Pure: reports and releases in, entries and differences out. What makes a report impossible is in `catalog_checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.domain.catalog import Release
from pipeline.domain.records import CatalogEntry, CatalogReport

_OWN: Final = frozenset({"version", "release"})
"""Fields that say which state of an entry this is, not what it offers."""


@dataclass(frozen=True, slots=True)
class EntryChange:
    """One entry that is another than before.

    `fields` are those of `CatalogEntry` that differ; of the items, those that came, went, or have another name, type or duty.
    """

    old: CatalogEntry
    new: CatalogEntry
    fields: list[str]
    items_added: list[str]
    items_removed: list[str]
    items_changed: list[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What the next release has that the one before has not, and the other way round; by provider and category."""

    added: list[CatalogEntry]
    changed: list[EntryChange]
    retired: list[CatalogEntry]

    def is_empty(self) -> bool:
        """Whether both say the same."""
        return not (self.added or self.changed or self.retired)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an application asks of one provider. `deadline`: ms; None while it is not accepted yet."""

    provider: str
    category: str
    row: int
    deadline: int | None


@dataclass(frozen=True, slots=True)
class OpenApplication:
    """An application that is not closed yet, and the release it is served under, whatever is published meanwhile."""

    application_id: str
    requester: str
    state: str
    release: int
    asked: list[Asked]


@dataclass(frozen=True, slots=True)
class Impact:
    """An answer that a provider still owes under an older release, though its resource is changed or retired."""

    kind: str  # retired, changed
    application_id: str
    requester: str
    release: int
    asked: Asked


def is_same(old: CatalogEntry, new: CatalogEntry) -> bool:
    """Whether both offer the same, whatever their version and release."""
    return not _differing(old, new)


def changes(old: Release | None, new: Iterable[CatalogEntry]) -> Changes:
    """What `new`, the entries of the next release, changes."""
    before = {} if old is None else dict(old.entries)
    after = {(entry["provider"], entry["category"]): entry for entry in new}
    return Changes(
        added=[after[key] for key in sorted(after.keys() - before.keys())],
        changed=[
            _change(before[key], after[key])
            for key in sorted(after.keys() & before.keys())
            if before[key]["version"] != after[key]["version"] or not is_same(before[key], after[key])
        ],
        retired=[before[key] for key in sorted(before.keys() - after.keys())],
    )


def news(entries: Iterable[CatalogEntry], current: Release | None) -> list[CatalogEntry]:
    """Those of a party's entries that the current release does not have like this: what it has to report."""
    known = {} if current is None else current.entries
    found = []
    for entry in entries:
        old = known.get((entry["provider"], entry["category"]))
        if old is None or old["version"] != entry["version"] or not is_same(old, entry):
            found.append(entry)
    return found


def compose(current: Release | None, reports: Iterable[CatalogReport]) -> list[CatalogEntry]:
    """The entries of the next release: those of the current one, with what was reported put in and what is retired left out.

    Of several reports of one party a later number goes over an earlier one.
    """
    entries = {} if current is None else dict(current.entries)
    for report in sorted(reports, key=lambda one: (one["party"], one["number"])):
        for category in report["retire"]:
            entries.pop((report["party"], category), None)
        for entry in report["entries"]:
            entries[entry["provider"], entry["category"]] = entry
    return [entries[key] for key in sorted(entries)]


def impact(found: Changes, applications: Iterable[OpenApplication]) -> list[Impact]:
    """Which open applications ask for what is changed or retired. Each is served under its own release: the answer stays owed.

    By deadline, those that have none yet last.
    """
    kinds = {(e["provider"], e["category"]): "retired" for e in found.retired}
    kinds |= {(c.new["provider"], c.new["category"]): "changed" for c in found.changed}
    concerned = [
        Impact(
            kinds[asked.provider, asked.category],
            application.application_id,
            application.requester,
            application.release,
            asked,
        )
        for application in applications
        for asked in application.asked
        if (asked.provider, asked.category) in kinds
    ]
    return sorted(concerned, key=lambda i: (i.asked.deadline is None, i.asked.deadline or 0, i.application_id))


def _change(old: CatalogEntry, new: CatalogEntry) -> EntryChange:
    before = {item["item"]: item for item in old["items"]}
    after = {item["item"]: item for item in new["items"]}
    return EntryChange(
        old=old,
        new=new,
        fields=_differing(old, new),
        items_added=sorted(after.keys() - before.keys()),
        items_removed=sorted(before.keys() - after.keys()),
        items_changed=sorted(item for item in after.keys() & before.keys() if before[item] != after[item]),
    )


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [key for key in new if key not in _OWN and old.get(key) != new[key]]
