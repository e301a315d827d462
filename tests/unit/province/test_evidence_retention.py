"""How long documents are kept: whole years after the close, and a province may only keep them longer."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.province.evidence_retention import kept_until, load_retention

CHINA = dt.timezone(dt.timedelta(hours=8))


def at(*parts: int) -> int:
    """An instant in China, ms."""
    return int(dt.datetime(*parts, tzinfo=CHINA).timestamp() * 1000)  # type: ignore[misc, arg-type]


def test_the_national_period_is_ten_years_for_all(tmp_path: Path) -> None:
    """As the file says; a province without a file of its own has it."""
    retention = load_retention(tmp_path / "none.yaml")
    assert (retention.years("最低生活保障"), retention.years("其他")) == (10, 10)


@pytest.mark.parametrize(
    ("closed", "years", "end"),
    [
        (at(2026, 11, 20, 0, 0), 10, at(2036, 11, 21)),
        (at(2026, 11, 20, 23, 59), 10, at(2036, 11, 21)),
        (at(2028, 2, 29, 12, 0), 10, at(2038, 3, 2)),
    ],
)
def test_a_period_ends_with_the_day_of_the_close(closed: int, years: int, end: int) -> None:
    """China's days, whatever the hour; the 29th of February never shortens it."""
    assert kept_until(closed, years) == end - 1


def test_a_province_may_keep_longer_and_not_shorter(tmp_path: Path) -> None:
    """Art. 14: its own rules can only tighten."""
    own = tmp_path / "retention.yaml"
    own.write_text("default_years: 12\ncategories: {医疗救助: 30}\n")
    assert load_retention(own).years("医疗救助") == 30
    assert load_retention(own).years("最低生活保障") == 12
    for text in (
        "default_years: 9\n",
        "default_years: 10\ncategories: {医疗救助: 5}\n",
        "default_years: 0\n",
        "years: 10\n",
    ):
        own.write_text(text)
        with pytest.raises(ConfigError):
            load_retention(own)
