"""Working days (工作日) as the State Council arranges them, and the limits that Articles 9 and 10 count in them.

Day 0 is the day in China on which something was received, working day or not; day 1 is the first working day after it.
A limit of n working days lasts to the end of day n: its instant is the last millisecond before 24:00 in China.
What a year's days off are is known only from that year's notice (关于…年部分节假日安排的通知): a year without one is an
error, never a guess, and a year that was estimated is marked wherever a limit was counted with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain.errors import HedxError

CHINA = dt.timezone(dt.timedelta(hours=8), "CST")
START_WORKING_DAYS = 2
"""Article 10: a query is started within 2 working days of receipt of its application."""
EVIDENCE_WORKING_DAYS = 5
"""Article 9: documents the center asks for are handed in within 5 working days."""
MOST_WORKING_DAYS = 250
"""The longest limit that is counted in working days: about a year."""
PUBLISHED, ESTIMATED = "published", "estimated"
_SATURDAY = 5
_DAY = dt.timedelta(days=1)


def local_date(now: int) -> dt.date:
    """The calendar day in China at instant `now` (ms)."""
    return dt.datetime.fromtimestamp(now / 1000, CHINA).date()


def start_of_day(day: dt.date) -> int:
    """The instant (ms) of 00:00 in China on `day`."""
    return int(dt.datetime.combine(day, dt.time(), CHINA).timestamp()) * 1000


def end_of_day(day: dt.date) -> int:
    """The last instant (ms) of `day` in China: 23:59:59.999."""
    return start_of_day(day + _DAY) - 1


class CalendarUnknown(HedxError):
    """Days of a year are needed whose arrangement this installation does not have: `year`. Nothing is guessed."""

    def __init__(self, year: int) -> None:
        super().__init__(f"the working days of {year} are not known: its calendar file is missing")
        self.year = year


@dataclass(frozen=True)
class YearDays:
    """What one year's notice says: weekdays that are off, weekend days that are worked, and where it is written."""

    days_off: frozenset[dt.date]
    """Days of holidays, weekend days within them included."""
    make_up: frozenset[dt.date]
    """Saturdays and Sundays that are worked (调休上班)."""
    status: str
    """`PUBLISHED`, or `ESTIMATED` as long as the State Council has not published."""
    source: str
    """The notice, with its number; of an estimated year, what it was computed from."""


class Calendar:
    """The working days of the `years` given; every question about another year raises `CalendarUnknown`."""

    def __init__(self, years: Mapping[int, YearDays]) -> None:
        self.years = dict(years)

    def is_working_day(self, day: dt.date) -> bool:
        """Whether `day` is worked: Monday to Friday, less the days off, plus the make-up days of its year."""
        days = self._year(day.year)
        return day in days.make_up or (day.weekday() < _SATURDAY and day not in days.days_off)

    def after(self, day0: dt.date, working_days: int) -> dt.date:
        """The working day number `working_days` (at least 1) after `day0`, which does not count itself."""
        if working_days < 1:
            raise ValueError(f"a limit is at least one working day, not {working_days}")
        day, left = day0, working_days
        while left:
            day += _DAY
            left -= self.is_working_day(day)
        return day

    def due(self, received_at: int, working_days: int) -> int:
        """The last instant (ms) of the limit of `working_days` for what was received at instant `received_at` (ms)."""
        return end_of_day(self.after(local_date(received_at), working_days))

    def longest(self, working_days: int) -> int:
        """The longest time (ms) that a limit of `working_days` takes, over all days of receipt that the years allow.

        Raises CalendarUnknown when there is no day from which so many working days are known.
        """
        spans: list[int] = []
        unknown = CalendarUnknown(max(self.years, default=0) + 1)
        for year in self.years:
            day = dt.date(year, 1, 1)
            while day.year == year:
                try:
                    spans.append(self.due(start_of_day(day), working_days) - start_of_day(day))
                except CalendarUnknown as error:
                    unknown = error
                    break  # the later days of the year need that year, too
                day += _DAY
        if not spans:
            raise unknown
        return max(spans)

    def warn_at(self, due: int) -> int:
        """The instant (ms) from which a limit that ends at `due` is near: when its last working day begins.

        That is one working day before the end of a limit counted in working days. One counted in seconds may end on a
        day off: then the last working day before it begins the warning, so that people at work still see it.
        """
        day = local_date(due)
        while not self.is_working_day(day):
            day -= _DAY
        return start_of_day(day)

    def basis(self, first: dt.date, last: dt.date) -> str:
        """What the days `first` to `last` were counted with: `2026 published, 2027 estimated`."""
        return ", ".join(f"{year} {self._year(year).status}" for year in range(first.year, last.year + 1))

    def basis_of(self, received_at: int, due: int) -> str:
        """What a limit for something received at `received_at`, due at `due` (ms), was counted with."""
        return self.basis(local_date(received_at) + _DAY, local_date(due))

    def _year(self, year: int) -> YearDays:
        try:
            return self.years[year]
        except KeyError:
            raise CalendarUnknown(year) from None


def is_estimated(basis: str) -> bool:
    """Whether a limit with this `basis` was counted with an estimated year."""
    return ESTIMATED in basis
