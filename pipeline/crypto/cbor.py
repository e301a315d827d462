"""CBOR as HEDX uses it (RFC 8949): deterministic when written (section 4.2.1), strict when read.

The subset is integers of 64 bits, byte and text strings, arrays, maps with integer or text keys, booleans and null.
Reading refuses everything else, and also what a lax reader lets pass: duplicate keys and keys out of order, maps of more
than 64 pairs, indefinite lengths, heads longer than need be, bytes after the end, deep nesting, and lengths that the bytes
left cannot hold. So a value has one encoding: what `loads` accepts, `dumps` writes again byte for byte. General-purpose
libraries read dates, big numbers and shared references before one can say no; so this is a reader of our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.domain.errors import InvalidMessage

_MAJOR = ("integer", "integer", "byte string", "text string", "array", "map", "tag", "simple value")
_SIMPLE = {20: False, 21: True, 22: None}
MAX_PAIRS = 64
"""Pairs of one map; a bundle's header, the largest there is, has 26 keys. Tens of thousands of integers chosen so that they
meet in Python's hash table would keep a reader busy for minutes."""


def head(major: int, argument: int) -> bytes:
    """The shortest head of a data item: major type 0-7 and its argument, 0 to 2^64 - 1."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    if argument < 0x100:
        return bytes((major << 5 | 24, argument))
    if argument < 0x10000:
        return bytes((major << 5 | 25,)) + argument.to_bytes(2, "big")
    if argument < 0x100000000:
        return bytes((major << 5 | 26,)) + argument.to_bytes(4, "big")
    return bytes((major << 5 | 27,)) + argument.to_bytes(8, "big")


def dumps(obj: object) -> bytes:
    """`obj` in deterministic CBOR: shortest heads, map keys in the bytewise order of their encodings.

    Takes None, bool, int, bytes, str and lists, tuples and dicts of them; anything else is a TypeError.
    """
    if isinstance(obj, bytes):
        return head(2, len(obj)) + obj
    if isinstance(obj, str):
        text = obj.encode()
        return head(3, len(text)) + text
    if obj is None:
        return b"\xf6"
    if isinstance(obj, bool):
        return b"\xf5" if obj else b"\xf4"
    if isinstance(obj, int):
        return head(0, obj) if obj >= 0 else head(1, -1 - obj)
    if isinstance(obj, Mapping):
        pairs = sorted((dumps(key), dumps(value)) for key, value in obj.items())
        return head(5, len(pairs)) + b"".join(key + value for key, value in pairs)
    if isinstance(obj, Sequence):
        return head(4, len(obj)) + b"".join(map(dumps, obj))
    raise TypeError(f"no CBOR form for {type(obj).__name__}")


def byte_strings(items: Sequence[bytes]) -> bytes:
    """`dumps(items)` for byte strings only, without a call for each item of a run of one size."""
    parts = [head(4, len(items))]
    size, prefix = -1, b""
    for item in items:
        if len(item) != size:
            size = len(item)
            prefix = head(2, size)
        parts += (prefix, item)
    return b"".join(parts)


def loads(data: bytes, max_depth: int = 8) -> Any:
    """The one data item that `data` is, whole; arrays become lists, maps dicts.

    `max_depth` bounds the nesting of arrays and maps. Raises InvalidMessage `cbor_invalid`.
    """
    try:
        value, end = _read(data, 0, max_depth)
    except IndexError:
        raise _invalid("data ends inside an item") from None
    if end != len(data):
        raise _invalid("bytes after the end")
    return value


def leading(data: bytes) -> Any:
    """The first item of the array that `data` begins with, neither array nor map itself; what follows is not read.

    Raises InvalidMessage `cbor_invalid`.
    """
    try:
        size, at = _argument(data, 0)
        if data[0] >> 5 != 4 or size == 0:
            raise _invalid("not an array with items")
        return _read(data, at, 0)[0]
    except IndexError:
        raise _invalid("data ends inside an item") from None


def array_sizes(data: bytes, strings: int) -> tuple[int, int | None]:
    """How many items `data`, an array, says it has, and how many an array in it after `strings` byte strings or nulls.

    For bounding what reading will cost, nothing being read: every item costs the reader time, and may have a single byte.
    None where there is no such array. Raises InvalidMessage `cbor_invalid`.
    """
    if not data or data[0] >> 5 != 4:
        return 0, None
    outer, at = _argument(data, 0)
    for _ in range(strings):
        if data[at : at + 1] == b"\xf6":
            at += 1
            continue
        if at >= len(data) or data[at] >> 5 != 2:
            return outer, None
        size, at = _argument(data, at)
        at += size
    if at >= len(data) or data[at] >> 5 != 4:
        return outer, None
    return outer, _argument(data, at)[0]


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    major = data[at] >> 5
    argument, at = _argument(data, at)
    if major == 2 or major == 3:
        return _string(data, at, major, argument)
    if major == 0:
        return argument, at
    if major == 4:
        return _array(data, at, argument, depth)
    if major == 5:
        return _map(data, at, argument, depth)
    if major == 1:
        return -1 - argument, at
    if major == 7 and argument in _SIMPLE:
        return _SIMPLE[argument], at
    raise _invalid(f"{_MAJOR[major]} not allowed here")


def _argument(data: bytes, at: int) -> tuple[int, int]:
    """The argument of the head at `at`, and where the head ends. Only shortest heads are let pass."""
    info = data[at] & 31
    if info < 24:
        return info, at + 1
    if info > 27 or data[at] >> 5 == 7:
        raise _invalid("indefinite length, float or reserved head")
    end = at + 1 + (1 << info - 24)
    if end > len(data):
        raise _invalid("data ends inside a head")
    argument = int.from_bytes(data[at + 1 : end], "big")
    if argument < 24 if info == 24 else argument >> (8 << info - 25) == 0:
        raise _invalid("head longer than need be")
    return argument, end


def _string(data: bytes, at: int, major: int, size: int) -> tuple[bytes | str, int]:
    end = at + size
    if end > len(data):
        raise _invalid("string longer than the data")
    if major == 2:
        return data[at:end], end
    try:
        return data[at:end].decode(), end
    except UnicodeDecodeError:
        raise _invalid("text is not UTF-8") from None


def _array(data: bytes, at: int, size: int, depth: int) -> tuple[list[Any], int]:
    if size > len(data) - at:
        raise _invalid("array longer than the data")
    if depth < 1:
        raise _invalid("nested too deep")
    items: list[Any] = []
    while len(items) < size:
        if data[at] == 0x59:
            at = _run(data, at, size, items)
        else:
            item, at = _read(data, at, depth - 1)
            items.append(item)
    return items, at


def _run(data: bytes, at: int, size: int, items: list[Any]) -> int:
    """Append the run of equally long byte strings (256 to 65,535 bytes) that starts at `at`.

    Records of a bundle are padded to one size, so their heads are the same three bytes: one comparison and one
    slice a record.
    """
    prefix = data[at : at + 3]
    length, after = _argument(data, at)
    step = after - at + length
    room = min(size - len(items), (len(data) - at) // step)
    if room == 0:
        raise _invalid("string longer than the data")
    for start in range(at, at + room * step, step):
        if data[start : start + 3] != prefix:
            return start
        items.append(data[start + 3 : start + step])
    return at + room * step


def _map(data: bytes, at: int, size: int, depth: int) -> tuple[dict[int | str, Any], int]:
    if 2 * size > len(data) - at:
        raise _invalid("map longer than the data")
    if depth < 1:
        raise _invalid("nested too deep")
    if size > MAX_PAIRS:
        raise _invalid("map of too many pairs")
    pairs: dict[int | str, Any] = {}
    last = b""
    for _ in range(size):
        if data[at] >> 5 not in (0, 1, 3):
            raise _invalid("map key is neither integer nor text")
        start = at
        key, at = _read(data, at, 0)
        encoded = data[start:at]
        if encoded <= last:
            raise _invalid("duplicate map key" if encoded == last else "map keys out of order")
        last = encoded
        pairs[key], at = _read(data, at, depth - 1)
    return pairs, at


def _invalid(detail: str) -> InvalidMessage:
    return InvalidMessage("cbor_invalid", detail)
