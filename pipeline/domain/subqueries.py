"""Sub-queries and their attempts: what a re-check (复核, Art. 10) may ask again, and what one thing asked twice is called.

A sub-query is one person x one schedule row x one provider. A re-check keeps roster numbers and row numbers of its
original, so the sub-query stays the same one: its first attempt is the original's, the second and later ones are re-checks'.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.domain.parties import EVERYONE
from pipeline.domain.records import Recheck, ScheduleRow, SubQuery

FIRST: Final = 1
"""The attempt of a first application."""
MOST_ATTEMPTS: Final = 100
"""Attempts of a sub-query at most: who still disputes it then needs an officer, not a query."""
REASON_LIMIT: Final = 500
"""Characters of the reason of a re-check."""


def sub_query_id(original: str, number: int, row: int, provider: str) -> str:
    """What a sub-query is called in all of its attempts: `<original application>/<roster number>/<row>/<provider>`."""
    return f"{original}/{number}/{row}/{provider}"


def attempt_of(recheck: Recheck | None) -> int:
    """The attempt an application is: the version of its requests and of all answers to it."""
    return FIRST if recheck is None else recheck["attempt"]


def rows_beyond(schedule: Iterable[ScheduleRow], original: Iterable[ScheduleRow]) -> list[int]:
    """Rows of a re-check's schedule that the original's did not have: another number, category, period or provider.

    A row that asked 全国 may be asked again of one provider; a row that named a provider stays with it.
    """
    known = {row["row"]: row for row in original}
    return [row["row"] for row in schedule if not _is_within(row, known.get(row["row"]))]


def rows_not_asked(schedule: Iterable[ScheduleRow], queries: Iterable[SubQuery]) -> list[int]:
    """Rows that name a provider to whom the original, as it was accepted, did not put them."""
    asked = {(query["row"], query["provider"]) for query in queries}
    return [
        row["row"] for row in schedule if row["provider"] != EVERYONE and (row["row"], row["provider"]) not in asked
    ]


def _is_within(row: ScheduleRow, original: ScheduleRow | None) -> bool:
    if original is None or row["category"] != original["category"] or row["period"] != original["period"]:
        return False
    return original["provider"] in (EVERYONE, row["provider"])
