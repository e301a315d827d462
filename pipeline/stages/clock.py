"""Instants to calendar days: the exchange keeps China Standard Time (UTC+8, no daylight saving)."""

from __future__ import annotations

import datetime as dt

CHINA = dt.timezone(dt.timedelta(hours=8), "CST")


def local_date(now: int) -> dt.date:
    """The calendar day in China at instant `now` (ms)."""
    return dt.datetime.fromtimestamp(now / 1000, CHINA).date()


def local_time(at: int) -> str:
    """The time in China at instant `at` (ms), as people read it: 2026-11-20 16:05."""
    return f"{dt.datetime.fromtimestamp(at / 1000, CHINA):%Y-%m-%d %H:%M}"
