"""Probe: which years' working days this machine knows (docs/calendar.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.domain.calendar import local_date
from pipeline.ops.health_seen import YearsSeen
from pipeline.ops.health_site import Site
from pipeline.province.calendar_files import load_calendar


def probe(site: Site) -> Mapping[str, Any]:
    """`years`: this one and the next. Raises ConfigError for a calendar file that is at fault."""
    years, today = load_calendar(site.installation.calendar).years, local_date(site.clock())
    status = {year: years[year].status if year in years else None for year in (today.year, today.year + 1)}
    return {"years": YearsSeen(today.year, today.month, status[today.year], status[today.year + 1])}
