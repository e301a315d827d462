"""The splitter's rule: which provider is asked what, and by when (Art. 3, 7, 10; annex, note 2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from pipeline.domain.calendar import MOST_WORKING_DAYS, Calendar
from pipeline.domain.catalog import Release
from pipeline.domain.coverage import coverage_of
from pipeline.domain.records import CatalogEntry, ScheduleRow, SubQuery

MOST_SECONDS: Final = 366 * 24 * 3600
"""Seconds of a feedback limit at most: a year. What topics keep requests for is shorter, and held against it at publication."""
ALL_PROVIDERS = "all"
"""A row's provider for 全国: every party whose entry in the release offers the category."""


def providers_of(row: ScheduleRow, release: Release) -> list[str]:
    """The parties that `row` asks, in ascending order; empty when nobody offers the category.

    全国 means every party that offers the category, 部中心 (`00`) and the requester's own province included.
    """
    offering = sorted(release.offers(row["category"]))
    return offering if row["provider"] == ALL_PROVIDERS else [p for p in offering if p == row["provider"]]


def has_one_limit(entry: CatalogEntry) -> bool:
    """Whether an entry states its feedback limit (反馈期限) in one way only: in seconds, or in working days."""
    seconds, days = entry["feedback_seconds"], entry["feedback_working_days"]
    if days is None:
        return seconds is not None and 0 < seconds <= MOST_SECONDS
    return seconds is None and 1 <= days <= MOST_WORKING_DAYS


def deadline_of(entry: CatalogEntry, accepted_at: int, calendar: Calendar) -> int:
    """Until when (ms) a provider answers under `entry` what was accepted at `accepted_at` (ms), Art. 10.

    Raises CalendarUnknown when working days of a year are needed that the calendar does not have.
    """
    if entry["feedback_working_days"] is not None:
        return calendar.due(accepted_at, entry["feedback_working_days"])
    assert entry["feedback_seconds"] is not None, "no release has an entry without a limit: has_one_limit"
    return accepted_at + entry["feedback_seconds"] * 1000


def calendar_basis(schedule: Iterable[ScheduleRow], release: Release, accepted_at: int, calendar: Calendar) -> str:
    """What the deadlines of `sub_queries` are counted with (`Calendar.basis`); "" when none is in working days.

    Raises CalendarUnknown.
    """
    asked = {(provider, row["category"]) for row in schedule for provider in providers_of(row, release)}
    longest = max((release.entry(*key)["feedback_working_days"] or 0 for key in asked), default=0)
    return calendar.basis_of(accepted_at, calendar.due(accepted_at, longest)) if longest else ""


def sub_queries(
    schedule: Iterable[ScheduleRow], release: Release, accepted_at: int, calendar: Calendar
) -> list[SubQuery]:
    """Every (row, provider) pair of the schedule, each with its own deadline (ms) and the coverage frozen now.

    Raises CalendarUnknown when a deadline needs the working days of a year that the calendar does not have.
    """
    found: list[SubQuery] = []
    for row in schedule:
        for provider in providers_of(row, release):
            entry = release.entry(provider, row["category"])
            found.append(
                SubQuery(
                    provider=provider,
                    row=row["row"],
                    category=row["category"],
                    period=row["period"],
                    deadline=deadline_of(entry, accepted_at, calendar),
                    coverage=coverage_of(entry),
                )
            )
    return found


def section_result_size(schedule: Iterable[ScheduleRow], release: Release) -> int:
    """About how many bytes one section takes in the result of its application, generously."""
    asked = [providers_of(row, release) for row in schedule]
    lines = sum(map(len, asked))
    providers = len({provider for row in asked for provider in row})
    return 400 + 112 * lines + 420 * providers


def asked_of(provider: str, queries: Iterable[SubQuery]) -> list[SubQuery]:
    """The sub-queries put to `provider`, in schedule order."""
    return [query for query in queries if query["provider"] == provider]


def active_providers(queries: Iterable[SubQuery], suspended: Collection[str]) -> list[str]:
    """The parties a section is sent to, ascending; suspended ones are in the certificate only."""
    return sorted({query["provider"] for query in queries} - set(suspended))
