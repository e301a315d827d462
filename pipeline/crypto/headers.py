"""The header of a bundle: in clear, so that it can be routed, counted and kept; never a name, an ID number or a hit.

A CBOR map with small integer keys; a value that is None is left out. See docs/envelope.md for the CDDL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pipeline.crypto import cbor
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.sections import MOST_SECTIONS

Kind = Literal[
    "application",
    "request",
    "answer",
    "evidence",
    "relay",
    "receipt",
    "rejection",
    "acceptance",
    "certificate",
    "act",
    "trust",
    "catalog",
]
Outcome = Literal["done", "refused", "unavailable"]

SEALED_KINDS = frozenset({"application", "request", "answer", "evidence"})
MAX_SIZE = 4096
MAX_MEMBERS = 8 * 1024
"""Persons that `members` has bits for."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a bundle says about itself in clear.

    `members` is a bit set over the section's roster indexes (bit i is bit i % 8 of byte i // 8); the person records
    follow in ascending index. `first` is the ordinal of the bundle's first person record among all parts of the
    answer, `part` of `parts` its number. Records before the persons (warrant, section head) are not in `count`.
    """

    kind: Kind
    bundle_id: bytes  # 16 random bytes
    sender: str  # = iss of the envelope
    to: str  # the final reader
    requester: str
    application_id: str = ""
    mandate_digest: bytes = b""
    section: int = 0
    sections: int = 0
    first: int = 0
    members: bytes = b""
    provider: str | None = None
    rows: tuple[int, ...] = ()  # schedule rows answered
    release: int = 0  # catalog release
    answers: bytes | None = None  # leaf of the request bundle that this one answers
    version: int = 0
    suite: int = 1
    schema: bytes = bytes(8)  # schema id of the person records
    count: int = 0  # person records
    padded: int = 0  # size of each person record's plaintext, bytes
    outcome: Outcome | None = None  # in an answer always, elsewhere never; done: there are records
    code: str | None = None  # why refused or unavailable
    until: int | None = None  # ms: unavailable until
    checkpoint: bytes | None = None  # newest center checkpoint seen
    part: int = 1
    parts: int = 1

    def encode(self) -> bytes:
        """The header as deterministic CBOR. Raises InvalidMessage `header_invalid` where `decode` would."""
        values = {key: getattr(self, name) for key, (name, _, _) in _FIELDS.items()}
        _check(values)
        return cbor.dumps({key: value for key, value in values.items() if value is not None})


def decode(data: bytes) -> Header:
    """The header that `data` encodes. Raises InvalidMessage `header_invalid` or `cbor_invalid`."""
    if len(data) > MAX_SIZE:
        raise InvalidMessage("header_invalid", "too large")
    values = cbor.loads(data, 2)
    if not isinstance(values, dict) or not values.keys() <= _FIELDS.keys():
        raise InvalidMessage("header_invalid", "not a map of known keys")
    if None in values.values():
        raise InvalidMessage("header_invalid", "null instead of nothing")
    if isinstance(values.get(13), list):
        values[13] = tuple(values[13])
    _check(values)
    return Header(**{_FIELDS[key][0]: value for key, value in values.items()})


Test = Callable[[Any], bool]


def _uint(limit: int) -> Test:
    return lambda value: type(value) is int and 0 <= value < limit


def _size(*sizes: int) -> Test:
    return lambda value: type(value) is bytes and len(value) in sizes


def _text(shortest: int) -> Test:
    return lambda value: type(value) is str and shortest <= len(value) <= 64


def _word(choices: object) -> Test:
    words = frozenset(get_args(choices))
    return lambda value: type(value) is str and value in words


def _members(value: Any) -> bool:
    return type(value) is bytes and 8 * len(value) <= MAX_MEMBERS and value[-1:] != b"\0"


def _rows(value: Any) -> bool:
    return type(value) is tuple and len(value) <= 256 and all(map(_uint(1 << 16), value))


_COUNT = _uint(1 << 16)
_NUMBER = _uint(1 << 32)

# key: (field, test of the value, may be left out)
_FIELDS: dict[int, tuple[str, Test, bool]] = {
    1: ("kind", _word(Kind), False),
    2: ("bundle_id", _size(16), False),
    3: ("sender", _text(1), False),
    4: ("to", _text(1), False),
    5: ("requester", _text(0), False),
    6: ("application_id", _text(0), False),
    7: ("mandate_digest", _size(0, 32), False),
    8: ("section", _uint(MOST_SECTIONS + 1), False),
    9: ("sections", _uint(MOST_SECTIONS + 1), False),
    10: ("first", _COUNT, False),
    11: ("members", _members, False),
    12: ("provider", _text(1), True),
    13: ("rows", _rows, False),
    14: ("release", _NUMBER, False),
    15: ("answers", _size(32), True),
    16: ("version", _NUMBER, False),
    17: ("suite", _uint(1 << 8), False),
    18: ("schema", _size(8), False),
    19: ("count", _COUNT, False),
    20: ("padded", _NUMBER, False),
    21: ("outcome", _word(Outcome), True),
    22: ("code", _text(1), True),
    23: ("until", _uint(1 << 48), True),
    24: ("checkpoint", _size(32), True),
    25: ("part", _COUNT, False),
    26: ("parts", _COUNT, False),
}


def _check(values: dict[int, Any]) -> None:
    for key, (name, test, optional) in _FIELDS.items():
        value = values.get(key)
        if not (value is None and optional) and not test(value):
            raise InvalidMessage("header_invalid", name)
    if values[8] > values[9] or not 1 <= values[25] <= values[26]:
        raise InvalidMessage("header_invalid", "section or part out of range")
    if values[11] and values[19] and int.from_bytes(values[11], "little").bit_count() != values[19]:
        raise InvalidMessage("header_invalid", "members and count differ")
    if not _outcome_fits(values[1], values.get(21), values[19]):
        raise InvalidMessage("header_invalid", "outcome")


def _outcome_fits(kind: str, outcome: str | None, count: int) -> bool:
    """An answer has an outcome, and it is `done` exactly when there are records; nothing else has one."""
    if kind != "answer":
        return outcome is None
    return outcome is not None and (outcome == "done") == (count > 0)
