"""Instants to calendar days: the exchange keeps China Standard Time (UTC+8, no daylight saving)."""

from __future__ import annotations

import datetime as dt

from pipeline.domain.calendar import CHINA, local_date

__all__ = ["CHINA", "local_date", "local_time"]


def local_time(at: int) -> str:
    """The time in China at instant `at` (ms), as people read it: 2026-11-20 16:05."""
    return f"{dt.datetime.fromtimestamp(at / 1000, CHINA):%Y-%m-%d %H:%M}"
