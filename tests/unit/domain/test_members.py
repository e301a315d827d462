"""Sets of roster indexes: integers inside, short bytes on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import members

INDEXES = st.sets(st.integers(0, 4999), max_size=50)


@given(INDEXES)
def test_a_set_reads_back_from_its_wire_form(indexes: set[int]) -> None:
    """What was written is what is read, whatever the set."""
    mask = members.of(indexes)
    assert members.from_bytes(members.to_bytes(mask)) == mask
    assert members.indexes(mask) == sorted(indexes)


@given(INDEXES)
def test_the_wire_form_has_no_zeros_at_its_end(indexes: set[int]) -> None:
    """One set has one wire form: digests over it would differ otherwise."""
    assert not members.to_bytes(members.of(indexes)).endswith(b"\0")


@pytest.mark.parametrize(
    ("indexes", "wire"), [([], b""), ([0], b"\x01"), ([7], b"\x80"), ([8], b"\0\x01"), ([0, 9, 15], b"\x01\x82")]
)
def test_bit_i_is_bit_i_mod_8_of_byte_i_div_8(indexes: list[int], wire: bytes) -> None:
    """The layout that docs/envelope.md gives."""
    assert members.to_bytes(members.of(indexes)) == wire


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 500])
def test_full_is_every_index_of_the_section(count: int) -> None:
    """All persons, and nobody beyond."""
    assert members.indexes(members.full(count)) == list(range(count))


@given(st.lists(INDEXES, max_size=6))
def test_members_are_grouped_by_the_sets_they_are_in(sets: list[set[int]]) -> None:
    """Each member of any set stands in one group, and its group names exactly the sets that hold it."""
    groups = members.by_membership([members.of(indexes) for indexes in sets])
    found = {index: positions for positions, mask in groups.items() for index in members.indexes(mask)}
    assert sum(mask.bit_count() for mask in groups.values()) == len(found)
    assert found == {
        index: tuple(position for position, indexes in enumerate(sets) if index in indexes)
        for index in set().union(*sets)
    }
