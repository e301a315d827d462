"""Years whose arrangement of holidays is not known here, made up for demonstrations: they must run on any day."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import yaml

from pipeline.province.calendar_files import load_calendar

REACH: Final = dt.timedelta(days=90)
"""How far ahead days are needed."""
SOURCE: Final = "演示用虚构：没有该年度的放假安排通知，只计公历日期固定的法定节假日（made up for the demonstration）"
_FIXED: Final = {(1, 1): "元旦", (5, 1): "劳动节", (5, 2): "劳动节", **{(10, day): "国庆节" for day in (1, 2, 3)}}
"""(month, day) → name: the statutory days off whose date needs no lunar calendar."""


def make_up_years(folder: Path, today: dt.date) -> list[int]:
    """Write a calendar file into `folder` for every year from `today` on that is needed and not known; returns those years.

    Such a file says that it is made up, and `estimated`: so do all limits that are counted with it.
    """
    known = load_calendar(folder).years
    years = [year for year in sorted({today.year, (today + REACH).year}) if year not in known]
    for year in years:
        folder.mkdir(parents=True, exist_ok=True)
        file = {"year": year, "status": "estimated", "source": SOURCE, "days_off": _days_off(year), "make_up": {}}
        (folder / f"{year}.yaml").write_text(yaml.safe_dump(file, allow_unicode=True, sort_keys=False), "utf-8")
    return years


def _days_off(year: int) -> dict[str, str]:
    return {dt.date(year, month, day).isoformat(): name for (month, day), name in _FIXED.items()}
