"""The period column."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.periods import format_period, iso_date, parse_period, period_fault, written_date
from tests.unit.domain.samples import TODAY

days = st.dates(date(1949, 10, 1), TODAY)


@given(st.lists(days, max_size=2).map(sorted))
def test_every_form_of_period_reads_back_as_written(some: list[date]) -> None:
    """Blank, one day and a range survive formatting and parsing."""
    written = "-".join(f"{day:%Y/%m/%d}" for day in some)
    period = parse_period(written, TODAY)
    assert format_period(period) == written
    assert period["kind"] == ("latest", "day", "range")[len(some)]
    assert period_fault(period, TODAY) is None


@pytest.mark.parametrize("text", [None, "", "  "])
def test_blank_means_latest(text: str | None) -> None:
    """Annex, note 4: nothing written asks for the newest data."""
    assert parse_period(text, TODAY) == {"kind": "latest", "start": None, "end": None}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2025/02/30", "period_impossible"),
        ("2025/02/01-2025/02/30", "period_impossible"),
        ("2025/00/10", "period_impossible"),
        ("0000/01/01", "period_impossible"),
        ("2025/03/01-2025/02/01", "period_reversed"),
        ("2026/11/25", "period_future"),
        ("2026/11/01-2026/11/25", "period_future"),
        ("2025-02-01", "period_format"),
        ("2025/2/1", "period_format"),
        ("20250201", "period_format"),
        ("2025/02/01-", "period_format"),
        ("2025/02/01-2025/02/02-2025/02/03", "period_format"),
        ("2025\uff0f02\uff0f01", "period_format"),
        ("最新", "period_format"),
    ],
)
def test_faulty_periods_say_why(text: str, code: str) -> None:
    """Each kind of mistake has its own code."""
    with pytest.raises(ValueError, match=f"^{code}$"):
        parse_period(text, TODAY)


def test_today_is_not_the_future() -> None:
    """A period may end on the day the form is looked at."""
    assert parse_period("2026/11/24", TODAY)["kind"] == "day"


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [("latest", "2025-01-01", None), ("day", "2025-01-01", "2025-01-02"), ("range", "2025-01-01", None), ("ever", "2025-01-01", "2025-01-01")],
)  # fmt: skip
def test_periods_that_no_form_can_say_are_refused_by_the_center(kind: str, start: str | None, end: str | None) -> None:
    """The center judges records, not text: an adapter of someone else's may have made them."""
    assert period_fault({"kind": kind, "start": start, "end": end}, TODAY) == "period_format"  # type: ignore[typeddict-item]


@pytest.mark.parametrize("text", ["2026-11-05", "2026/11/5", "2026/11/05", "2026年11月5日"])
def test_dates_as_people_write_them_become_iso(text: str) -> None:
    """Spreadsheets and people write the same day in several ways."""
    assert written_date(text) == "2026-11-05"


@pytest.mark.parametrize("text", ["20260101", "2026-W01-1", "2026-1-1", "2026-02-29", "", "2026-01-01T00:00"])
def test_only_plain_real_iso_days_are_dates(text: str) -> None:
    """Other ISO 8601 forms, which Python would read, are not dates of ours."""
    assert iso_date(text) is None
