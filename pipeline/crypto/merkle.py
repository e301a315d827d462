"""Merkle trees of the shape of RFC 6962, section 2.1: whole left subtrees, a lone right node moves up unchanged.

The two trees of an envelope, and the tree of a section, differ in their prefixes only, so that no hash of one can
stand for a hash of another: leaves 0x00 (record), 0x02 (bundle), 0x05 (person); nodes 0x01 and 0x03.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from pipeline.crypto.suite import H
from pipeline.domain.errors import InvalidMessage

RECORD_NODE = b"\x01"
BUNDLE_NODE = b"\x03"
EMPTY = H(b"\x04")
"""The root of a tree without leaves."""


def record_leaves(records: Sequence[bytes]) -> list[bytes]:
    """`H(0x00 || i || record)` for each record, i as u32 from 0."""
    sha256 = hashlib.sha256  # five bytes: the prefix 0x00 and the u32 in one go
    return [sha256(i.to_bytes(5, "big") + record).digest() for i, record in enumerate(records)]


def root(leaves: Sequence[bytes], prefix: bytes) -> bytes:
    """The root over `leaves` (32 bytes each); nodes are `H(prefix || left || right)`. No leaves: `EMPTY`."""
    if not leaves:
        return EMPTY
    level = leaves
    while len(level) > 1:
        level = _parents(level, prefix)
    return level[0]


def path(leaves: Sequence[bytes], index: int, prefix: bytes) -> list[bytes]:
    """The siblings that lead from leaf `index` to the root, lowest first (RFC 6962, section 2.1.1)."""
    if not 0 <= index < len(leaves):
        raise IndexError("no such leaf")
    siblings = []
    level = leaves
    while len(level) > 1:
        if index ^ 1 < len(level):
            siblings.append(level[index ^ 1])
        level = _parents(level, prefix)
        index >>= 1
    return siblings


def verify_path(leaf: bytes, index: int, size: int, path: Sequence[bytes], prefix: bytes) -> bytes:
    """The root that `path` leads to from `leaf` at `index` in a tree of `size` leaves; the caller compares it.

    Raises InvalidMessage `path_invalid` when the position cannot be, or the path has not exactly the length that the
    position demands (RFC 9162, section 2.1.3.2).
    """
    if not 0 <= index < size:
        raise InvalidMessage("path_invalid", "index outside the tree")
    siblings = iter(path)
    node, last = leaf, size - 1
    while last:
        if index & 1:
            node = H(prefix + _next(siblings) + node)
        elif index < last:
            node = H(prefix + node + _next(siblings))
        index >>= 1
        last >>= 1
    if next(siblings, None) is not None:
        raise InvalidMessage("path_invalid", "too long")
    return node


def _next(siblings: Iterator[bytes]) -> bytes:
    sibling = next(siblings, None)
    if not isinstance(sibling, bytes) or len(sibling) != 32:
        raise InvalidMessage("path_invalid", "too short, or not hashes")
    return sibling


def _parents(level: Sequence[bytes], prefix: bytes) -> list[bytes]:
    sha256 = hashlib.sha256
    pairs = zip(level[::2], level[1::2], strict=False)
    parents = [sha256(prefix + left + right).digest() for left, right in pairs]
    if len(level) & 1:
        parents.append(level[-1])
    return parents
