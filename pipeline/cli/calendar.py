"""`hedx calendar`: working days (工作日), and when a limit counted in them ends (Art. 9, 10)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import click

from pipeline.cli import options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.domain.calendar import (
    ESTIMATED,
    MOST_WORKING_DAYS,
    Calendar,
    is_estimated,
    local_date,
    start_of_day,
)
from pipeline.domain.errors import ConfigError
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.province.calendar_files import load_calendar, read_year, year_files
from pipeline.settings import data_dir
from pipeline.stages.clock import local_time

_DECEMBER = 12
_UNKNOWN: Final = "unknown"

LABELS: Final[dict[str, tuple[str, str]]] = {
    "year": ("年份", "year"),
    "status": ("状态", "status"),
    "days_off": ("放假天数", "days off"),
    "make_up": ("调休上班", "made up"),
    "source": ("依据", "source"),
    "file": ("文件", "file"),
    "day": ("日期", "day"),
    "weekday": ("星期", "weekday"),
    "kind": ("安排", "arrangement"),
    "name": ("节日", "holiday"),
    "received": ("收到日（第0日）", "received (day 0)"),
    "working_days": ("工作日数", "working days"),
    "days": ("计入的工作日", "days counted"),
    "due": ("截止日", "due"),
    "due_at": ("截止时间", "due at"),
    "warn_at": ("提醒时间", "warned from"),
    "basis": ("日历依据", "counted with"),
    "estimated": ("含推算年份", "estimated"),
}
"""Key of a result in JSON → its label."""
WORDS: Final[dict[str, tuple[str, str]]] = {
    "published": ("已公布", "published"),
    "estimated": ("推算", "estimated"),
    _UNKNOWN: ("未知", "unknown"),
    "day_off": ("放假", "off"),
    "make_up": ("上班", "worked"),
}
_WEEKDAYS: Final = tuple(zip("一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))
_YES: Final = {True: ("是", "yes"), False: ("否", "no")}


@click.group()
def command() -> None:
    """Working days (工作日), as the State Council arranges holidays and the days made up for them.

    The years are files: those shipped, and the operator's own in HEDX_HOME/calendar, which replace them.
    """


@command.command()
@click.argument("years", nargs=-1, type=click.IntRange(2000, 2999), metavar="[YEAR]...")
@options.lang
@options.as_json
def check(years: tuple[int, ...], lang: Language, as_json: bool) -> int:
    """Read every year's file; say which years are published, estimated or unknown.

    YEARs are those that matter: this year unless you say, and in December the next one, too. Ends with 2 when one of them
    is only estimated, with 1 when one is unknown or a file is at fault.
    """
    files = year_files(_override())
    calendar = load_calendar(_override())
    asked = set(years) or _needed(local_date(wall_clock()))
    rows = [_row(year, calendar, files.get(year)) for year in sorted({*files, *asked})]
    _say(rows, lang, as_json)
    found = {str(row["status"]) for row in rows if row["year"] in asked}
    if _UNKNOWN in found:
        remark(f"unknown: put the year's file into {_override()} (docs/calendar.md)")
        return Exit.FAILED
    return Exit.DRIFT if ESTIMATED in found else Exit.FINE


@command.command()
@click.argument("year", type=click.IntRange(2000, 2999))
@options.lang
@options.as_json
def show(year: int, lang: Language, as_json: bool) -> int:
    """List the days of YEAR that are not as the week has them: days off, and weekend days that are worked.

    Ends with 2 when the year is only estimated.
    """
    path = year_files(_override()).get(year)
    if path is None:
        raise ConfigError(f"{year} is not known: put its file into {_override()} (docs/calendar.md)")
    file = read_year(path)
    found = [(day, "day_off", name) for day, name in file.days_off.items()]
    found += [(day, "make_up", name) for day, name in file.make_up.items()]
    rows: list[dict[str, object]] = [
        {"day": day.isoformat(), "weekday": _weekday(day, lang), "kind": kind, "name": name}
        for day, kind, name in sorted(found)
    ]
    if as_json:
        emit({"year": year, "status": file.status, "source": file.source, "file": str(path), "days": rows}, as_json)
    else:
        _say(rows, lang, as_json)
        remark(f"{_word(file.status, lang)}: {file.source}")
    return Exit.DRIFT if file.status == ESTIMATED else Exit.FINE


@command.command()
@click.argument("received", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("number", metavar="N", type=click.IntRange(1, MOST_WORKING_DAYS))
@options.lang
@options.as_json
def due(received: dt.datetime, number: int, lang: Language, as_json: bool) -> int:
    """Say when a limit of N working days ends for what is received in China on DATE, and which days it counts.

    Ends with 2 when a year it is counted with is only estimated, with 1 when one is unknown.
    """
    calendar, day0 = load_calendar(_override()), received.date()
    end = calendar.due(start_of_day(day0), number)
    basis = calendar.basis_of(start_of_day(day0), end)
    days = [calendar.after(day0, n) for n in range(1, number + 1)]
    result: dict[str, object] = {
        "received": day0.isoformat(),
        "working_days": number,
        "days": [f"{day}" if as_json else f"{day} {_weekday(day, lang)}" for day in days],
        "due": days[-1].isoformat(),
        "due_at": end if as_json else f"{days[-1]} 24:00",
        "warn_at": calendar.warn_at(end) if as_json else local_time(calendar.warn_at(end)),
        "basis": basis if as_json else _in_words(basis, lang),
        "estimated": is_estimated(basis),
    }
    _say(result, lang, as_json)
    return Exit.DRIFT if is_estimated(basis) else Exit.FINE


def _override() -> Path:
    return data_dir() / "calendar"


def _row(year: int, calendar: Calendar, file: Path | None) -> dict[str, object]:
    """What is known of `year`: nothing when there is no file."""
    days = calendar.years.get(year)
    return {
        "year": year,
        "status": _UNKNOWN if days is None else days.status,
        "days_off": None if days is None else len(days.days_off),
        "make_up": None if days is None else len(days.make_up),
        "source": None if days is None else days.source,
        "file": None if file is None else str(file),
    }


def _needed(today: dt.date) -> set[int]:
    """The years that limits beginning today may well reach."""
    return {today.year, today.year + 1} if today.month == _DECEMBER else {today.year}


def _weekday(day: dt.date, lang: Language) -> str:
    return _WEEKDAYS[day.weekday()][lang == "en"]


def _word(value: object, lang: Language) -> object:
    if isinstance(value, bool):
        return _YES[value][lang == "en"]
    return WORDS[value][lang == "en"] if isinstance(value, str) and value in WORDS else value


def _in_words(basis: str, lang: Language) -> str:
    """`2026 published` in the reader's language."""
    return " ".join(f"{_word(word.rstrip(','), lang)}{word[len(word.rstrip(',')) :]}" for word in basis.split())


def _say(data: dict[str, object] | list[dict[str, object]], lang: Language, as_json: bool) -> None:
    """For scripts the keys and values as they are, for officials their words."""
    if as_json:
        emit(data, as_json)
        return
    rows = data if isinstance(data, list) else [data]
    told = [{LABELS[key][lang == "en"]: _word(value, lang) for key, value in row.items()} for row in rows]
    emit(told if isinstance(data, list) else told[0], as_json)
