"""Slicing rosters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.sections import section_key, split
from tests.unit.domain.samples import a_person


@given(st.lists(st.integers(1, 12), max_size=40), st.integers(1, 10))
def test_split_keeps_every_person_once_and_households_together(sizes: list[int], size: int) -> None:
    """Nobody is lost, no section is too large, and only a household above the size is cut."""
    roster = [a_person(household=f"H{h}", number=h * 100 + n) for h, count in enumerate(sizes) for n in range(count)]
    sections = split(roster, size)
    assert sorted(p["number"] for s in sections for p in s) == sorted(p["number"] for p in roster)
    assert all(0 < len(s) <= size for s in sections)
    for h, count in enumerate(sizes):
        spread = sum(any(p["household"] == f"H{h}" for p in s) for s in sections)
        assert spread == 1 if count <= size else spread == -(-count // size)


def test_split_groups_a_household_scattered_over_the_roster() -> None:
    """Members of a household that stand far apart in the roster still travel together."""
    roster = [a_person(number=i + 1, household="A" if i in (0, 3) else f"B{i}") for i in range(4)]
    assert [[p["number"] for p in s] for s in split(roster, 2)] == [[1, 4], [2, 3]]


def test_split_refuses_an_empty_slice_size() -> None:
    """A size of zero would loop for ever."""
    with pytest.raises(ValueError, match="at least one"):
        split([], 0)


def test_section_key_differs_by_section() -> None:
    """Sections of one application are told apart by their key."""
    assert section_key("a", 1) == b"a/1"
    assert section_key("a", 12) != section_key("a", 1)
