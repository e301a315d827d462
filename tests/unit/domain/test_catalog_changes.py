"""From release to release: what reports make of it, what that changes, and who is concerned."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.catalog import Release
from pipeline.domain.catalog_changes import Asked, OpenApplication, changes, compose, impact, news
from pipeline.domain.catalog_checks import check_entry, check_listing, check_report
from pipeline.domain.records import CatalogEntry, CatalogReport
from tests.unit.domain.samples import an_entry

CURRENT = Release.of(
    4, [an_entry("37"), an_entry("37", "medical", "医疗"), an_entry("32"), an_entry("32", "fishing_boats", "渔船")]
)


def entry(category: str = "household_registration", name: str = "户籍", **changes: Any) -> CatalogEntry:
    """An entry of 37, as the current release has it but for `changes`."""
    return cast("CatalogEntry", {**an_entry("37", category, name), **changes})


def report(number: int, *entries: CatalogEntry, retire: tuple[str, ...] = (), party: str = "37") -> CatalogReport:
    """A report of `party`."""
    return CatalogReport(party=party, number=number, entries=list(entries), retire=list(retire), at=0)


def codes(*entries: CatalogEntry, retire: tuple[str, ...] = (), current: Release | None = CURRENT) -> list[str]:
    """Codes of the faults of a report of 37."""
    return [found["code"] for found in check_report("37", entries, retire, current)]


def test_the_next_release_is_the_current_one_with_the_reports_put_in() -> None:
    """What nobody reports stays; what is retired goes; other parties' entries are untouched."""
    newer, more = entry(version=2, update_cycle="每日"), entry("cremation", "遗体火化")
    entries = compose(CURRENT, [report(1, newer, more, retire=("medical",))])
    assert [(e["provider"], e["category"]) for e in entries] == [
        ("32", "fishing_boats"),
        ("32", "household_registration"),
        ("37", "cremation"),
        ("37", "household_registration"),
    ]
    assert newer in entries
    found = changes(CURRENT, entries)
    assert [e["category"] for e in found.added] == ["cremation"]
    assert [e["category"] for e in found.retired] == ["medical"]
    assert [(c.new["category"], c.fields) for c in found.changed] == [("household_registration", ["update_cycle"])]
    assert changes(CURRENT, compose(CURRENT, [])).is_empty()


def test_the_first_release_has_only_what_is_reported() -> None:
    """Before it there is nothing to go by."""
    entries = compose(None, [report(1, entry())])
    assert changes(None, entries).added == entries == [entry()]


def test_a_partys_later_report_goes_over_its_earlier_one() -> None:
    """Whatever the order in which they were accepted; each party counts for itself."""
    first, second = report(1, entry(version=2)), report(2, entry(version=3))
    again = report(3, entry("medical", "医疗", version=2)), report(2, retire=("medical",))
    [found] = [e for e in compose(CURRENT, [second, first]) if e["provider"] == "37" and e["name"] == "户籍"]
    assert found["version"] == 3
    assert entry("medical", "医疗", version=2) in compose(CURRENT, again)


def test_items_that_came_went_or_changed_are_told_apart() -> None:
    """An office that reads an item must know that it goes, or what it becomes."""
    items = [
        {"item": "address", "name": "地址", "type": "text", "required": False},
        {"item": "area", "name": "面积", "type": "integer", "required": False},
        {"item": "postcode", "name": "邮编", "type": "text", "required": False},
    ]
    [found] = changes(CURRENT, compose(CURRENT, [report(1, entry(version=2, items=items))])).changed
    assert found.fields == ["items"]
    assert found.items_added == ["postcode"]
    assert found.items_removed == ["members", "moved", "rural"]
    assert found.items_changed == ["address", "area"]


def test_news_are_what_the_catalog_does_not_say_already() -> None:
    """A file may list all; what goes over the wire is what is new, changed, or has another version."""
    same, newer, fresh = entry(), entry("medical", "医疗", version=2), entry("cremation", "遗体火化")
    assert news([same, newer, fresh], CURRENT) == [newer, fresh]
    assert news([same], None) == [same]


@pytest.mark.parametrize(
    ("entries", "retire", "found"),
    [
        ((entry(version=2, update_cycle="每日"),), (), []),
        ((entry(version=9),), (), []),
        ((entry("cremation", "遗体火化"),), ("medical",), []),
        ((), (), ["catalog_nothing_new"]),
        ((entry(update_cycle="每日"),), (), ["catalog_version"]),
        ((entry(items=[]), ), (), ["catalog_entry_invalid", "catalog_version"]),
        ((entry(version=2, provider="32", region_codes=["32"]),), (), ["catalog_foreign"]),
        ((entry(version=2), entry(version=3)), (), ["catalog_twice"]),
        ((), ("cremation",), ["catalog_retire_unknown"]),
        ((), ("fishing_boats",), ["catalog_retire_unknown"]),
        ((entry(version=2),), ("household_registration",), ["catalog_retire_listed"]),
        ((entry(version=2, name="户口"),), (), ["catalog_name_differs"]),
        ((entry("fishing_boats", "渔轮"),), (), ["catalog_name_differs"]),
        ((entry("fishing_boats", "渔船"),), (), []),
        ((entry("boats", "渔船"),), (), ["catalog_name_taken"]),
        ((entry("boats", "车船"),), (), ["catalog_name_taken"]),
        ((entry(version=2, region_codes=["32", "3701"]),), (), ["catalog_region_foreign"]),
        (tuple(entry(f"c{n}", f"类{n}") for n in range(101)), (), ["catalog_too_many"]),
    ],
)  # fmt: skip
def test_a_report_is_held_against_the_release_it_changes(
    entries: tuple[CatalogEntry, ...], retire: tuple[str, ...], found: list[str]
) -> None:
    """A party speaks for itself, counts its versions up, and calls things as the others do."""
    assert codes(*entries, retire=retire) == found


def test_a_party_that_takes_its_version_back_is_refused() -> None:
    """Also with the old content: versions only grow."""
    current = Release.of(5, [entry(version=3)])
    assert codes(entry(version=2), current=current) == ["catalog_version"]
    assert codes(entry(version=3), current=current) == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"category": "Cars"}, "category"),
        ({"name": " "}, "name"),
        ({"region": "x" * 201}, "region"),
        ({"as_of": "2026-02-30"}, "as_of"),
        ({"as_of": "20261031"}, "as_of"),
        ({"version": 0}, "version"),
        ({"feedback_seconds": None, "feedback_working_days": None}, "feedback_working_days"),
        ({"feedback_seconds": 1, "feedback_working_days": 1}, "feedback_working_days"),
        ({"feedback_seconds": 366 * 86400 + 1, "feedback_working_days": None}, "feedback_seconds"),
        ({"feedback_seconds": (1 << 63) - 1, "feedback_working_days": None}, "feedback_seconds"),
        ({"feedback_seconds": -1, "feedback_working_days": None}, "feedback_seconds"),
        ({"feedback_seconds": None, "feedback_working_days": (1 << 63) - 1}, "feedback_working_days"),
        ({"levels": []}, "levels"),
        ({"levels": ["province", "province"]}, "levels"),
        ({"levels": ["galaxy"]}, "levels"),
        ({"region_codes": []}, "region_codes"),
        ({"region_codes": ["370100"]}, "region_codes"),
        ({"region_codes": ["99"]}, "region_codes"),
        ({"items": []}, "items"),
        ({"items": [{"item": "a", "name": "甲", "type": "text", "required": True}]}, "items"),
        ({"items": [{"item": "ab", "name": "甲", "type": "float", "required": True}]}, "items"),
        ({"items": [{"item": "ab", "name": "甲", "type": "text", "required": True}] * 2}, "items"),
    ],
)
def test_an_entry_that_no_file_could_have_held_is_refused(change: dict[str, Any], key: str) -> None:
    """The center reads no file: it looks at every field itself."""
    assert [(f["code"], f["args"]["key"]) for f in check_entry(entry(**change))] == [("catalog_entry_invalid", key)]
    assert check_entry(entry()) == []


def test_what_is_offered_does_not_vanish_by_being_left_out_of_a_file() -> None:
    """It is listed, or it is retired; a forgotten block is a fault."""
    assert [f["args"]["category"] for f in check_listing("37", [entry()], [], CURRENT)] == ["medical"]
    assert check_listing("37", [entry()], ["medical"], CURRENT) == []
    assert check_listing("37", [], [], None) == []


def test_impact_names_the_answers_still_owed_by_deadline() -> None:
    """Changed or retired, asked of that provider; what is not accepted yet has no deadline and stands last."""
    found = changes(CURRENT, compose(CURRENT, [report(1, entry(version=2, update_cycle="每日"), retire=("medical",))]))
    one = OpenApplication("a", "53", "started", 3, [Asked("37", "medical", 1, 900), Asked("32", "medical", 1, 900)])
    two = OpenApplication("b", "32", "under_review", 4, [Asked("37", "household_registration", 2, None)])
    three = OpenApplication("c", "32", "started", 4, [Asked("37", "household_registration", 1, 500)])
    four = OpenApplication("d", "32", "started", 4, [Asked("32", "fishing_boats", 1, 500)])
    told = [(i.kind, i.application_id, i.release, i.asked.row) for i in impact(found, [one, two, three, four])]
    assert told == [("changed", "c", 4, 1), ("retired", "a", 3, 1), ("changed", "b", 4, 2)]


PARTIES, CATEGORIES = ("00", "32", "37"), ("medical", "marriage", "boats")
KEYS = st.tuples(st.sampled_from(PARTIES), st.sampled_from(CATEGORIES))


def entries_of(table: dict[tuple[str, str], int]) -> list[CatalogEntry]:
    """An entry for each key, whose version says which state of it this is."""
    return [
        cast("CatalogEntry", {**an_entry(party, category, category), "version": version, "update_cycle": str(version)})
        for (party, category), version in table.items()
    ]


@given(st.dictionaries(KEYS, st.integers(1, 3)), st.dictionaries(KEYS, st.integers(1, 3)))
def test_differences_account_for_every_entry_of_both_releases(
    before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]
) -> None:
    """Each entry is added, changed, retired or as it was, and exactly one of these."""
    found = changes(Release.of(1, entries_of(before)), entries_of(after))
    added = {(e["provider"], e["category"]) for e in found.added}
    changed = {(c.new["provider"], c.new["category"]) for c in found.changed}
    retired = {(e["provider"], e["category"]) for e in found.retired}
    assert added == after.keys() - before.keys()
    assert retired == before.keys() - after.keys()
    assert changed == {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert found.is_empty() == (before == after)


@given(st.dictionaries(KEYS, st.integers(1, 3)), st.lists(st.tuples(KEYS, st.integers(0, 3)), max_size=8))
def test_reports_one_after_another_make_what_they_make_together(
    before: dict[tuple[str, str], int], steps: list[tuple[tuple[str, str], int]]
) -> None:
    """Published each in a release of its own or all in one: the catalog ends the same. 0 stands for retired."""
    reports = [
        CatalogReport(
            party=party,
            number=number,
            entries=entries_of({(party, category): version}) if version else [],
            retire=[] if version else [category],
            at=0,
        )
        for number, ((party, category), version) in enumerate(steps, start=1)
    ]
    together = compose(Release.of(1, entries_of(before)), reports)
    release = Release.of(1, entries_of(before))
    for number, one in enumerate(reports, start=2):
        release = Release.of(number, compose(release, [one]))
    assert together == [release.entries[key] for key in sorted(release.entries)]
