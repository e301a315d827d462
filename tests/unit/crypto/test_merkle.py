"""Merkle trees: RFC 6962's shape, and proofs that fit one position only."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import merkle
from pipeline.domain.errors import InvalidMessage
from tests.unit.crypto.exchange import refusal

PREFIX = merkle.BUNDLE_NODE


def leaves_of(n: int) -> list[bytes]:
    return [hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(n)]


def root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word by word: split at the largest power of two below n."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    left, right = root_by_definition(leaves[:k]), root_by_definition(leaves[k:])
    return hashlib.sha256(PREFIX + left + right).digest()


@pytest.mark.parametrize("n", [*range(1, 40), 500, 513])
def test_root_is_that_of_the_recursive_definition(n: int) -> None:
    """Building level by level gives RFC 6962's tree."""
    assert merkle.root(leaves_of(n), PREFIX) == root_by_definition(leaves_of(n))


def test_the_empty_tree_has_a_root_of_its_own() -> None:
    """No leaves: H(0x04)."""
    assert merkle.root([], PREFIX) == hashlib.sha256(b"\x04").digest()


def test_record_leaves_bind_their_position() -> None:
    """H(0x00 || i || record)."""
    expected = [hashlib.sha256(b"\x00" + i.to_bytes(4, "big") + r).digest() for i, r in enumerate([b"a", b"a"])]
    assert merkle.record_leaves([b"a", b"a"]) == expected


@given(st.integers(1, 300), st.data())
def test_every_path_leads_to_the_root(n: int, data: st.DataObject) -> None:
    """The path of any leaf proves it."""
    leaves, index = leaves_of(n), data.draw(st.integers(0, n - 1))
    path = merkle.path(leaves, index, PREFIX)
    assert merkle.verify_path(leaves[index], index, n, path, PREFIX) == merkle.root(leaves, PREFIX)


@given(st.integers(2, 300), st.data())
def test_a_path_fits_no_other_leaf_or_position(n: int, data: st.DataObject) -> None:
    """A proof moved to another index, or to another leaf, does not lead to the root."""
    leaves, index = leaves_of(n), data.draw(st.integers(0, n - 1))
    other = data.draw(st.integers(0, n - 1).filter(lambda i: i != index))
    path = merkle.path(leaves, index, PREFIX)

    def proves(leaf: bytes, at: int) -> bool:
        try:
            return merkle.verify_path(leaf, at, n, path, PREFIX) == merkle.root(leaves, PREFIX)
        except InvalidMessage:
            return False

    assert not proves(leaves[index], other)
    assert not proves(leaves[other], index)


@given(st.integers(1, 300), st.data())
def test_a_path_of_another_length_is_refused(n: int, data: st.DataObject) -> None:
    """One hash more or less is refused, not ignored."""
    leaves, index = leaves_of(n), data.draw(st.integers(0, n - 1))
    path = merkle.path(leaves, index, PREFIX)
    assert refusal(lambda: merkle.verify_path(leaves[index], index, n, [*path, bytes(32)], PREFIX)) == "path_invalid"
    if path:
        assert refusal(lambda: merkle.verify_path(leaves[index], index, n, path[:-1], PREFIX)) == "path_invalid"


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 4), (4, 4)])
def test_a_position_outside_the_tree_is_refused(index: int, size: int) -> None:
    """Index and size are part of the proof."""
    assert refusal(lambda: merkle.verify_path(bytes(32), index, size, [], PREFIX)) == "path_invalid"


def test_a_path_of_things_other_than_hashes_is_refused() -> None:
    """A sibling has 32 bytes: a 64-byte one could shift the boundary between left and right."""
    assert refusal(lambda: merkle.verify_path(bytes(32), 0, 2, [bytes(64)], PREFIX)) == "path_invalid"
    assert refusal(lambda: merkle.verify_path(bytes(32), 0, 2, [1], PREFIX)) == "path_invalid"  # type: ignore[list-item]
