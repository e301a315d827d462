"""The period column of the schedule (时间范围): blank, one day, or a range with both ends included.

The annex, note 4: `YYYY/MM/DD`, `YYYY/MM/DD-YYYY/MM/DD`, or nothing for the latest data.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from pipeline.domain.records import Period

_DAY = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}")
_RANGE = re.compile(r"([0-9]{4}/[0-9]{2}/[0-9]{2})\s*-\s*([0-9]{4}/[0-9]{2}/[0-9]{2})")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WRITTEN = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})-|/([0-9]{1,2})/|年([0-9]{1,2})月)([0-9]{1,2})日?")

LATEST: Period = {"kind": "latest", "start": None, "end": None}


def parse_period(text: str | None, today: date) -> Period:
    """Read one cell of the period column.

    Raises ValueError whose text is the fault code: `period_format`, `period_impossible` (2025/02/30),
    `period_reversed` or `period_future`.
    """
    written = (text or "").strip()
    if not written:
        return {"kind": "latest", "start": None, "end": None}
    if _DAY.fullmatch(written):
        day = _real_day(written)
        period: Period = {"kind": "day", "start": day, "end": day}
    elif match := _RANGE.fullmatch(written):
        period = {"kind": "range", "start": _real_day(match[1]), "end": _real_day(match[2])}
    else:
        raise ValueError("period_format")
    if code := period_fault(period, today):
        raise ValueError(code)
    return period


def period_fault(period: Period, today: date) -> str | None:
    """The fault code of a period that was read elsewhere, or None when it is sound on the day `today`."""
    kind, start, end = period["kind"], period["start"], period["end"]
    if kind == "latest":
        return "period_format" if start or end else None
    if kind not in ("day", "range") or not start or not end:
        return "period_format"
    first, last = iso_date(start), iso_date(end)
    if first is None or last is None:
        return "period_impossible"
    if first > last:
        return "period_reversed"
    if kind == "day" and first != last:
        return "period_format"
    return "period_future" if last > today else None


def format_period(period: Period) -> str:
    """As the form writes it; the inverse of `parse_period`."""
    if period["kind"] == "latest":
        return ""
    start, end = (period["start"] or "").replace("-", "/"), (period["end"] or "").replace("-", "/")
    return start if period["kind"] == "day" else f"{start}-{end}"


@lru_cache(maxsize=8192)
def iso_date(text: str) -> date | None:
    """The date of `YYYY-MM-DD`, or None when the text is anything else, an impossible day included."""
    if not _ISO.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def written_date(text: str) -> str:
    """A date as people write it (2026-11-05, 2026/11/5, 2026年11月5日) as `YYYY-MM-DD`; other text stays as it is."""
    match = _WRITTEN.fullmatch(text.strip())
    if not match:
        return text.strip()
    month = match[2] or match[3] or match[4]
    return f"{match[1]}-{int(month):02}-{int(match[5]):02}"


def _real_day(written: str) -> str:
    day = written.replace("/", "-")
    if iso_date(day) is None:
        raise ValueError("period_impossible")
    return day
