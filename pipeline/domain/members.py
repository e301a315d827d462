"""Sets of roster indexes as integers: bit i stands for the person at index i of a section.

On the wire such a set is little-endian bytes, bit i being bit `i % 8` of byte `i // 8`, without trailing zero bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def full(count: int) -> int:
    """The set of all indexes of a section of `count` persons."""
    return (1 << count) - 1


def of(indexes: Iterable[int]) -> int:
    """The set holding `indexes`."""
    mask = 0
    for index in indexes:
        mask |= 1 << index
    return mask


def indexes(mask: int) -> list[int]:
    """The indexes in the set, ascending."""
    bits = bin(mask)[:1:-1]  # least significant bit first, "0b" cut off
    return [index for index, bit in enumerate(bits) if bit == "1"]


def to_bytes(mask: int) -> bytes:
    """The set's wire form."""
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def from_bytes(data: bytes) -> int:
    """The set whose wire form is `data`."""
    return int.from_bytes(data, "little")


def by_membership(masks: Sequence[int]) -> dict[tuple[int, ...], int]:
    """Who is in the same of several sets: (positions in `masks` of the sets that hold them) -> those members.

    The groups are disjoint and together all members of any set.
    """
    groups: dict[tuple[int, ...], int] = {}
    placed = 0
    for position, mask in enumerate(masks):
        refined: dict[tuple[int, ...], int] = {}
        for positions, group in groups.items():
            if inside := group & mask:
                refined[(*positions, position)] = inside
            if outside := group & ~mask:
                refined[positions] = outside
        if fresh := mask & ~placed:
            refined[position,] = fresh
        placed |= mask
        groups = refined
    return groups
