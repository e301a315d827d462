"""Inputs changed so that they get past the first check: inside CBOR inside byte strings inside records, lengths made good.

One mutator for both fuzzers. Atheris gives its own for bytes without structure (`havoc`), hypothesis a seed only.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import cbor
from pipeline.domain.errors import InvalidMessage

Havoc = Callable[[bytes, Random], bytes]

_NUMBERS = (
    0, 1, -1, 2, 23, 24, 127, 128, 255, 256, 65535, 65536,
    2**31 - 1, -(2**31), 2**32 - 1, 2**32, 2**48, 2**53, 2**63 - 1, -(2**63), 2**64 - 1,
)  # fmt: skip
_WORDS = (
    "", "0", "center", "37", "53", "00", "all", "x" * 64, "x" * 65, "\0", "\u202e", "../..", "=1+1", "\ud7ff\uffff",
    "application", "request", "answer", "relay", "receipt", "rejection", "acceptance", "certificate",
    "done", "refused", "unavailable", "2027-01-15", "9999-12-31", "0000-00-00",
)  # fmt: skip
_MARKS = (
    b"\x00", b"\xff", b"\x9f", b"\xbf\xff", b"\xf6", b"\x1b" + b"\xff" * 8, b"\x5b" + b"\x7f" * 8,
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff\xff\xff\xff\x0f", b"\x01", b"'", b"&a *a", b"\r\n", b"\xef\xbb\xbf",
)  # fmt: skip
DEEPEST = 6


def shuffle_bytes(data: bytes, rng: Random) -> bytes:
    """Flip, insert, delete, repeat, truncate, or put a hostile mark somewhere."""
    at = rng.randrange(len(data) + 1)
    length = min(len(data) - at, 1 << rng.randrange(6))
    choice = rng.randrange(7)
    if choice == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if choice == 1:
        return data[:at] + rng.randbytes(length or 1) + data[at:]
    if choice == 2:
        return data[:at] + data[at + length :]
    if choice == 3:
        return data[:at] + data[at : at + length] * rng.choice((2, 3, 17)) + data[at + length :]
    if choice == 4:
        return data[:at]
    if choice == 5:
        return data[:at] + rng.choice(_MARKS) + data[at + length :]
    other = rng.randrange(len(data) + 1)
    return data[:at] + data[other : other + length] + data[at + length :]


def mutate(data: bytes, rng: Random, havoc: Havoc = shuffle_bytes, depth: int = DEEPEST) -> bytes:
    """`data` with one thing changed where its structure has it, written again with the lengths that belong to it."""
    if depth and rng.randrange(8):
        changed = _as_cbor(data, rng, havoc, depth) or _as_record(data, rng, havoc, depth)
        if changed is not None:
            return changed
    return havoc(data, rng)


def crossed(data: bytes, other: bytes, rng: Random) -> bytes:
    """`data` with a piece of `other` in it, between items where both are arrays."""
    ours, theirs = _array(data), _array(other)
    if ours is not None and theirs is not None and rng.randrange(4):
        at = rng.randrange(len(ours) + 1)
        return cbor.dumps([*ours[:at], rng.choice(theirs or [0]), *ours[at + rng.randrange(2) :]])
    cut, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:cut] + other[start:]


def _array(data: bytes) -> list[Any] | None:
    try:
        value = cbor.loads(data)
    except InvalidMessage:
        return None
    return value if isinstance(value, list) else None


def _as_cbor(data: bytes, rng: Random, havoc: Havoc, depth: int) -> bytes | None:
    if not data or data[0] >> 5 not in (4, 5):  # a lone number or string is bytes to us
        return None
    try:
        return cbor.dumps(_changed(cbor.loads(data), rng, havoc, depth))
    except (InvalidMessage, TypeError, OverflowError, UnicodeEncodeError):
        return None


def _as_record(data: bytes, rng: Random, havoc: Havoc, depth: int) -> bytes | None:
    try:
        name, record = framing.decode(data)
        return framing.encode(name, _changed(record, rng, havoc, depth))
    except (InvalidMessage, ValueError):
        return None


def _changed(value: Any, rng: Random, havoc: Havoc, depth: int) -> Any:
    if isinstance(value, bool) or value is None:
        return rng.choice((True, False, None, 0, b"", ""))
    if isinstance(value, int):
        return rng.choice((rng.choice(_NUMBERS), value + 1, value - 1, -value, value ^ 1 << rng.randrange(63)))
    if isinstance(value, str):
        words = (rng.choice(_WORDS), value + rng.choice(_WORDS), value[: len(value) // 2], value * 2)
        return rng.choice(words)
    if isinstance(value, bytes):
        return mutate(value, rng, havoc, depth - 1)
    if isinstance(value, dict):
        return _changed_map(value, rng, havoc, depth)
    return _changed_array(value, rng, havoc, depth)


def _changed_map(value: dict[Any, Any], rng: Random, havoc: Havoc, depth: int) -> dict[Any, Any]:
    if not value or not rng.randrange(12):
        return {**value, rng.choice((*range(-3, 30), "x")): rng.choice((0, b"", "", None))}
    key = rng.choice(list(value))
    if not rng.randrange(12):
        return {name: item for name, item in value.items() if name != key}
    return {**value, key: _changed(value[key], rng, havoc, depth)}


def _changed_array(value: list[Any], rng: Random, havoc: Havoc, depth: int) -> list[Any]:
    if not value:
        return [rng.choice((0, b"", "", None, []))]
    at = rng.randrange(len(value))
    choice = rng.randrange(10)
    if choice == 0:
        return [*value[:at], *value[at + 1 :]]
    if choice == 1:
        return [*value[:at], *[value[at]] * rng.choice((2, 3, 9)), *value[at + 1 :]]
    if choice == 2:
        other = rng.randrange(len(value))
        swapped = list(value)
        swapped[at], swapped[other] = swapped[other], swapped[at]
        return swapped
    return [*value[:at], _changed(value[at], rng, havoc, depth), *value[at + 1 :]]
