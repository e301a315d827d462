"""From what a database stores to the typed values of an answer.

One canonical spelling per catalog type, so that two databases that say the same thing give the same answer:

- text: as stored, without the padding of fixed-width columns; blank is None;
- integer, boolean: `int`, `bool`;
- decimal: plain digits, never an exponent, never rounded, at least two decimals ("1200.00", "0.125");
- date: ISO `YYYY-MM-DD`, whether stored as a date, ISO, `YYYYMMDD` or `YYYY/MM/DD`, with or without a time of day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from pipeline.domain.records import Value

_DATE = re.compile(r"(\d{4})([-/]?)(\d{2})\2(\d{2})(?:[T ].*)?", re.ASCII | re.DOTALL)
_CENT = Decimal("0.01")
_TRUE = frozenset({"1", "true", "t", "y", "yes", "是"})
_FALSE = frozenset({"0", "false", "f", "n", "no", "否"})


class Unreadable(ValueError):
    """A stored value does not fit the type its column is mapped to. The message never holds the value."""


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def to_text(value: object) -> str | None:
    """Text without padding, None when blank."""
    if isinstance(value, str):
        return value.strip() or None
    return None if value is None else str(value)


def to_integer(value: object) -> int | None:
    """A whole number. Raises Unreadable for fractions and for anything that is no number."""
    if _blank(value):
        return None
    number = _number(value)
    if number != number.to_integral_value():
        raise Unreadable("not a whole number")
    return int(number)


def to_decimal(value: object) -> str | None:
    """A decimal in canonical spelling, e.g. "1200.00". Raises Unreadable for anything that is no finite number."""
    if _blank(value):
        return None
    number = _number(value)
    exponent = number.normalize().as_tuple().exponent
    scaled = number.quantize(_CENT) if isinstance(exponent, int) and exponent >= -2 else number.normalize()
    return f"{abs(scaled):f}" if not scaled else f"{scaled:f}"


def to_date(value: object) -> str | None:
    """An ISO date. Raises Unreadable for anything that is no calendar date."""
    if _blank(value):
        return None
    if isinstance(value, date):  # datetime is a date too
        return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
    match = _DATE.fullmatch(str(value).strip())
    if match is None:
        raise Unreadable("not a date")
    try:
        return date(int(match[1]), int(match[3]), int(match[4])).isoformat()
    except ValueError:
        raise Unreadable("not a calendar date") from None


def to_boolean(value: object) -> bool | None:
    """A truth value, from a boolean, 1/0, Y/N or 是/否. Raises Unreadable for anything else."""
    if _blank(value):
        return None
    word = str(value).strip().lower()
    if word not in _TRUE and word not in _FALSE:
        raise Unreadable("not a truth value")
    return word in _TRUE


def _number(value: object) -> Decimal:
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        raise Unreadable("not a number") from None
    if not number.is_finite():
        raise Unreadable("not a finite number")
    return number


CONVERTERS: Mapping[str, Callable[[object], Value]] = {
    "text": to_text,
    "integer": to_integer,
    "decimal": to_decimal,
    "date": to_date,
    "boolean": to_boolean,
}
"""Catalog type -> converter of a stored value; each raises Unreadable."""


def converter(kind: str, codes: Mapping[str, str] | None) -> Callable[[object], Value]:
    """The converter of one column: its type's, after translating the database's own `codes` where it has any."""
    convert = CONVERTERS[kind]
    if codes is None:
        return convert

    def translated(value: object) -> Value:
        if _blank(value):
            return None
        try:
            return convert(codes[str(value).strip()])
        except KeyError:
            raise Unreadable("a code that is not in the list of codes") from None

    return translated
