"""The days on which the story happens: chosen so that a limit runs across days off, whatever the real date is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.demo.simulated_calendar import SimulatedCalendar
from pipeline.domain.calendar import CHINA, EVIDENCE_WORKING_DAYS, START_WORKING_DAYS, Calendar
from pipeline.kafka.clock import follow

FEEDBACK_WORKING_DAYS: Final = 5
"""The longest limit of what the story asks for: 不动产登记 in the demo's catalog."""
LONGEST: Final = 25
"""Days that the story may last at most: a simulated calendar goes no further ahead (`simulated_calendar.FARTHEST`)."""
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """`filing`: a working day before days off; `start`: the working day after them; `end`: all limits are over."""

    filing: dt.date
    start: dt.date
    end: dt.date


def choose(calendar: Calendar, today: dt.date) -> Days:
    """The first days after `today` that fit. Raises CalendarUnknown for a year that is needed and not known.

    Where a long holiday would stretch the story beyond `LONGEST`, a filing day without days off after it is taken.
    """
    found = [_from(calendar, today + n * _DAY) for n in range(1, 15) if calendar.is_working_day(today + n * _DAY)]
    fitting = [days for days in found if (days.end - today).days <= LONGEST]
    across = [days for days in fitting if (days.start - days.filing).days > 1]
    return (across or fitting or found)[0]


@contextmanager
def simulated_days(file: Path) -> Iterator[SimulatedCalendar]:
    """A simulated calendar that begins today, for this process and those it starts, as long as the block runs."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.unlink(missing_ok=True)
    calendar = SimulatedCalendar(file)
    calendar.start()
    try:
        yield calendar
    finally:
        follow(None)


def _from(calendar: Calendar, filing: dt.date) -> Days:
    start = calendar.after(filing, 1)
    limit = max(FEEDBACK_WORKING_DAYS, EVIDENCE_WORKING_DAYS, START_WORKING_DAYS)
    return Days(filing, start, calendar.after(start, limit + 1))


def at(day: dt.date, hour: int, minute: int = 0) -> int:
    """The instant (ms) of a time of day in China."""
    return int(dt.datetime.combine(day, dt.time(hour, minute), CHINA).timestamp()) * 1000
