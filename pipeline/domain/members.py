"""Sets of roster indexes as integers: bit i stands for the person at index i of a section.

On the wire such a set is little-endian bytes, bit i being bit `i % 8` of byte `i // 8`, without trailing zero bytes.
"""

from __future__ import annotations

from collections.abc import Iterable


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
