"""Instants to calendar days: the exchange keeps China Standard Time (UTC+8, no daylight saving)."""

from __future__ import annotations

import datetime as dt

CHINA = dt.timezone(dt.timedelta(hours=8), "CST")


def local_date(now: int) -> dt.date:
    """The calendar day in China at instant `now` (ms)."""
    return dt.datetime.fromtimestamp(now / 1000, CHINA).date()
