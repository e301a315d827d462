"""The calendar's files: one strict YAML a year, shipped with this package or put beside it by the operator.

A file in the operator's folder (HEDX_HOME/calendar) replaces the shipped one of its year whole, so that what counts is
always written in one place.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from pipeline.domain.calendar import Calendar, YearDays
from pipeline.domain.errors import ConfigError
from pipeline.kafka.strict_yaml import read_strict

FIRST_YEAR, LAST_YEAR = 2000, 2999
_SATURDAY = 5


def _day(written: object) -> dt.date:
    """A day as YYYY-MM-DD and in no other form, so that the same day cannot be written twice."""
    try:
        day = dt.date.fromisoformat(str(written))
    except ValueError:
        day = None
    if day is None or day.isoformat() != str(written):
        raise ValueError(f"{written} is no day written YYYY-MM-DD")
    return day


def _of_the_year(day: dt.date, info: ValidationInfo) -> dt.date:
    year = info.data.get("year")
    if year is not None and day.year != year:
        raise ValueError(f"{day} is no day of {year}")
    return day


def _made_up(day: dt.date, info: ValidationInfo) -> dt.date:
    if day.weekday() < _SATURDAY:
        raise ValueError(f"{day} is no Saturday or Sunday: only a weekend day is made a working day")
    if day in info.data.get("days_off", {}):
        raise ValueError(f"{day} is given as a day off, too")
    return day


Day = Annotated[dt.date, BeforeValidator(_day), AfterValidator(_of_the_year)]
MakeUpDay = Annotated[Day, AfterValidator(_made_up)]
Name = Annotated[str, Field(min_length=1, max_length=40)]


class YearFile(BaseModel):
    """A file. Days are keys, each with the name of its holiday: YAML itself refuses one that is written twice."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    year: Annotated[int, Field(strict=True, ge=FIRST_YEAR, le=LAST_YEAR)]
    status: Literal["published", "estimated"]
    source: Annotated[str, Field(min_length=1, max_length=300)]
    days_off: Annotated[dict[Day, Name], Field(min_length=1)]
    make_up: dict[MakeUpDay, Name]


def directory() -> Path:
    """Where the shipped years lie: inside the installed package, or in a checkout's deploy/. Raises ConfigError."""
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "calendar", package.parent / "deploy" / "calendar"):
        if candidate.is_dir():
            return candidate
    raise ConfigError("the calendar (deploy/calendar/*.yaml) is not installed with this package")


def year_files(override: Path) -> dict[int, Path]:
    """Year -> the file that counts, ascending: the one in folder `override` (which need not exist), else the shipped.

    Raises ConfigError for a YAML file there that is not named after a year.
    """
    found: dict[int, Path] = {}
    for folder in (directory(), override):
        for path in sorted(folder.glob("*.y*ml")):
            if path.suffix != ".yaml" or not path.stem.isdecimal() or len(path.stem) != len(str(FIRST_YEAR)):
                raise ConfigError(f"{path}: a calendar file is named after its year, such as {LAST_YEAR}.yaml")
            found[int(path.stem)] = path
    return dict(sorted(found.items()))


def read_year(path: Path) -> YearFile:
    """One year's file, with the names of its holidays. Raises ConfigError listing every fault with its line."""
    read = read_strict(path, YearFile, YearFile.model_fields)
    if str(read.year) != path.stem:
        raise ConfigError(f"{path}: named after {path.stem}, says year: {read.year}")
    return read


def load_year(path: Path) -> YearDays:
    """What one year's file says. Raises ConfigError listing every fault with its line."""
    read = read_year(path)
    return YearDays(frozenset(read.days_off), frozenset(read.make_up), read.status, read.source)


def load_calendar(override: Path) -> Calendar:
    """All years this installation knows, those of folder `override` before the shipped. Raises ConfigError."""
    return Calendar({year: load_year(path) for year, path in year_files(override).items()})
