"""Differences between an original and its re-check: which record is which, and every field that changed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.differences import compare, match
from pipeline.domain.dossiers import Dossier, Result
from pipeline.domain.records import Difference

HOUSE = {"certificate_number": "鲁(2020)0001号", "location": "历下区1号", "area": "80.5", "mortgaged": False}
FLAT = {"certificate_number": "鲁(2021)0002号", "location": "市中区2号", "area": "45", "mortgaged": False}


def a_result(*entries: dict[str, Any], row: int = 1, provider: str = "37", **fields: Any) -> Result:
    """What one provider said of one person."""
    found: dict[str, Any] = {
        "row": row,
        "category": "real_estate",
        "provider": provider,
        "status": "found" if entries else "no_record",
        "code": None,
        "until": None,
        "as_of": "2026-10-31",
        "coverage": "山东省",
        "accepted_coverage": None,
        "coverage_differs": [],
        "note": None,
        "entries": list(entries),
    }
    return {**found, **fields}  # type: ignore[typeddict-item]


def dossiers(*results: Result, number: int = 7) -> list[Dossier]:
    """One person with these results."""
    person = {"number": number, "name": "甲", "document_type": "resident_id", "document_number": "", "relation": "户主"}
    return [Dossier(household="H", persons=[{**person, "results": list(results)}])]  # type: ignore[typeddict-item]


def changes(before: Result, after: Result) -> list[tuple[int, str, str | None, str | None]]:
    """(entry, item, before, after)."""
    found, _ = compare(dossiers(before), dossiers(after))
    return [(d["entry"], d["item"], d["before"], d["after"]) for d in found]


def test_what_is_the_same_differs_in_nothing() -> None:
    """The same records in another order are the same answer."""
    assert changes(a_result(HOUSE, FLAT), a_result(FLAT, HOUSE)) == []
    assert compare(dossiers(a_result(HOUSE)), dossiers(a_result(HOUSE))) == ([], 1)


def test_a_changed_field_is_told_with_person_row_provider_record_and_item() -> None:
    """A mortgage entered since: one difference, words before and after."""
    found, compared = compare(dossiers(a_result(FLAT, HOUSE)), dossiers(a_result(FLAT, {**HOUSE, "mortgaged": True})))
    assert compared == 1
    assert found == [
        Difference(number=7, row=1, provider="37", entry=2, item="mortgaged", before="false", after="true")
    ]


def test_the_certificate_number_makes_it_the_same_property() -> None:
    """However much else of it changed; without it, half of the items must agree."""
    moved = {**HOUSE, "location": "章丘区9号", "area": "12", "mortgaged": True}
    assert [item for _, item, _, _ in changes(a_result(HOUSE), a_result(moved))] == ["location", "area", "mortgaged"]
    renumbered = {**HOUSE, "certificate_number": "鲁(2026)0003号"}
    assert changes(a_result(HOUSE), a_result(renumbered)) == [
        (1, "certificate_number", "鲁(2020)0001号", "鲁(2026)0003号")
    ]


def test_another_property_is_one_gone_and_one_new() -> None:
    """New records are numbered on behind the original's, so a number never means two records."""
    found = changes(a_result(HOUSE), a_result(FLAT))
    assert [(entry, item) for entry, item, _, _ in found if entry == 1] == [(1, item) for item in HOUSE]
    assert all(after is None for entry, _, _, after in found if entry == 1)
    assert all(before is None for entry, _, before, _ in found if entry == 2)
    assert len(found) == len(HOUSE) + len(FLAT)


def test_the_answer_as_a_whole_is_compared_too() -> None:
    """Status, reason, until when, as of when and coverage: entry 0."""
    refused = a_result(status="refused", code="protected_person", as_of=None, coverage=None)
    assert changes(a_result(HOUSE), refused)[:4] == [
        (0, "status", "found", "refused"),
        (0, "code", None, "protected_person"),
        (0, "as_of", "2026-10-31", None),
        (0, "coverage", "山东省", None),
    ]
    assert changes(a_result(HOUSE), a_result(HOUSE, as_of="2026-11-30")) == [(0, "as_of", "2026-10-31", "2026-11-30")]


def test_an_item_that_is_there_only_once_is_a_difference_and_null_is_none() -> None:
    """An item without a value says what a missing one says."""
    assert changes(a_result(HOUSE), a_result({**HOUSE, "use": "住宅"})) == [(1, "use", None, "住宅")]
    assert changes(a_result(HOUSE), a_result({**HOUSE, "use": None})) == []


def test_only_what_was_asked_again_is_compared() -> None:
    """Rows and providers that the re-check did not ask are not gone; one that is new says all it says."""
    before = dossiers(a_result(HOUSE), a_result(HOUSE, row=2), a_result(HOUSE, provider="32"))
    found, compared = compare(before, dossiers(a_result(HOUSE)))
    assert (found, compared) == ([], 1)
    found, compared = compare(before, dossiers(a_result(FLAT, provider="44")))
    assert compared == 1
    assert {d["before"] for d in found} == {None}
    assert {d["provider"] for d in found} == {"44"}


ENTRIES = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2", 3, True, None]), max_size=4), max_size=6
)


@given(ENTRIES, ENTRIES)
def test_every_record_is_matched_exactly_once(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Nothing is lost and nothing is told twice."""
    pairs = match(before, after)
    assert [number for number, _, _ in pairs] == list(range(1, len(pairs) + 1))
    assert [old for _, old, _ in pairs[: len(before)]] == before
    assert all(old == {} for _, old, _ in pairs[len(before) :])
    kept = sorted(repr(new) for _, _, new in pairs if new != {})
    assert kept == sorted(repr(entry) for entry in after if entry != {})


@given(ENTRIES, ENTRIES)
def test_the_differences_turn_the_one_answer_into_the_other(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    """Applied to the original, they give the re-check: the list is whole."""
    told: dict[int, dict[str, str | None]] = {
        number: {item: _text(value) for item, value in entry.items()} for number, entry in enumerate(before, start=1)
    }
    for entry, item, old, new in changes(a_result(*before, status="found"), a_result(*after, status="found")):
        assert told.get(entry, {}).get(item) == old
        told.setdefault(entry, {})[item] = new
    assert _plain(told.values()) == _plain({item: _text(v) for item, v in entry.items()} for entry in after)


def _text(value: object) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _plain(entries: Any) -> list[str]:
    without = ({item: value for item, value in entry.items() if value is not None} for entry in entries)
    return sorted(repr(sorted(entry.items())) for entry in without if entry)
