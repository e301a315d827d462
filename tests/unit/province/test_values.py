"""Stored values become the one spelling of their catalog type."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.province.values import CONVERTERS, Unreadable, converter, to_decimal


@pytest.mark.parametrize(
    ("kind", "stored", "value"),
    [
        ("text", " 张三  ", "张三"),
        ("text", 12, "12"),
        ("text", "  ", None),
        ("integer", "007", 7),
        ("integer", 3.0, 3),
        ("decimal", 1200, "1200.00"),
        ("decimal", 1e16, "10000000000000000.00"),
        ("decimal", 88.5, "88.50"),
        ("decimal", "70.125", "70.125"),
        ("decimal", "70.1000", "70.10"),
        ("decimal", Decimal("1E+3"), "1000.00"),
        ("decimal", -0.0, "0.00"),
        ("decimal", "-5", "-5.00"),
        ("date", "2026-02-28", "2026-02-28"),
        ("date", "20260228", "2026-02-28"),
        ("date", "2026/02/28 10:20:30", "2026-02-28"),
        ("date", date(2026, 2, 28), "2026-02-28"),
        ("date", datetime(2026, 2, 28, 23, 59), "2026-02-28"),  # noqa: DTZ001  # databases store local times
        ("date", "", None),
        ("boolean", 1, True),
        ("boolean", "否", False),
        ("boolean", None, None),
    ],
)
def test_spells_a_stored_value_in_one_way(kind: str, stored: object, value: object) -> None:
    """Padding, exponents, date styles and truth words of databases all disappear."""
    assert CONVERTERS[kind](stored) == value


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("integer", "3.5"),
        ("integer", "三"),
        ("decimal", "1,200"),
        ("decimal", "NaN"),
        ("decimal", float("inf")),
        ("date", "2026-02-30"),
        ("date", "2026-02/03"),
        ("date", "28.02.2026"),
        ("boolean", 2),
    ],
)
def test_refuses_to_guess_what_a_value_means(kind: str, stored: object) -> None:
    """A value that does not fit is unreadable, and the error does not repeat it."""
    with pytest.raises(Unreadable) as caught:
        CONVERTERS[kind](stored)
    assert str(stored) not in str(caught.value)


def test_translates_the_databases_own_codes() -> None:
    """Codes become words before the type is applied; an unlisted code is unreadable."""
    convert = converter("boolean", {"01": "true", "02": "false"})
    assert [convert("01"), convert("02 "), convert(None)] == [True, False, None]
    with pytest.raises(Unreadable):
        convert("03")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4))
def test_never_changes_what_a_decimal_is_worth(number: Decimal) -> None:
    """The canonical spelling has no exponent, two decimals at least, and the same worth."""
    text = to_decimal(number)
    assert text is not None
    assert "E" not in text.upper()
    assert len(text.partition(".")[2]) >= 2
    assert Decimal(text) == number
