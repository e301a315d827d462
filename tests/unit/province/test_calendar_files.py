"""The calendar's year files: what is shipped, what an operator puts in its place, and what is refused."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from pipeline.domain.calendar import CalendarUnknown
from pipeline.domain.errors import ConfigError
from pipeline.province.calendar_files import directory, load_calendar, load_year, year_files

FILE = """year: 2030
status: published
source: a notice
days_off:
  2030-01-01: 元旦
  2030-02-04: 春节
make_up:
  2030-02-09: 春节
"""


def written(folder: Path, text: str, year: int = 2030) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{year}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_year_is_read(tmp_path: Path) -> None:
    """Days off, make-up days, status and source of one file."""
    days = load_year(written(tmp_path, FILE))
    assert days.days_off == {dt.date(2030, 1, 1), dt.date(2030, 2, 4)}
    assert days.make_up == {dt.date(2030, 2, 9)}
    assert (days.status, days.source) == ("published", "a notice")


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("2030-02-09", "2030-02-11", 8, "no Saturday or Sunday"),
        ("2030-02-04", "2031-02-04", 6, "no day of 2030"),
        ("2030-02-09", "2031-02-09", 8, "no day of 2030"),
        ("2030-02-04", "2030-01-01", 6, "written twice"),
        ("2030-02-04", "2030-02-09", 8, "a day off, too"),
        ("2030-02-04", "2030-02-30", 6, "no day written"),
        ("2030-02-04", "2030-2-04", 6, "YYYY-MM-DD"),
        ("2030-02-04", "20300204", 4, "YYYY-MM-DD"),
        ("2030-02-04: 春节", "2030-02-04:", 6, "string"),
        ("status: published", "status: rumoured", 2, "published"),
        ("source: a notice", 'source: ""', 3, "at least 1"),
        ("year: 2030", "year: 1930", 1, "2000"),
        ("source: a notice\n", "source: a notice\ncolour: red\n", 4, "unknown key"),
        ("make_up:\n  2030-02-09: 春节\n", "", 1, "missing"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    """An operator who copies a notice by hand is told where the slip is."""
    assert old in FILE
    with pytest.raises(ConfigError, match=rf"2030\.yaml:{line}: .*{reason}"):
        load_year(written(tmp_path, FILE.replace(old, new, 1)))


def test_a_file_named_after_another_year_is_refused(tmp_path: Path) -> None:
    """A copied file that keeps its old name, or a folder with something else in it, is not guessed about."""
    with pytest.raises(ConfigError, match="named after 2031, says year: 2030"):
        load_year(written(tmp_path, FILE, 2031))
    (tmp_path / "notes.yaml").write_text("{}")
    with pytest.raises(ConfigError, match="named after its year"):
        year_files(tmp_path)


def test_an_operators_file_replaces_a_year_whole(tmp_path: Path) -> None:
    """What the shipped file of that year says is not mixed in; other years stay as shipped."""
    shipped = load_calendar(tmp_path / "nothing here")
    written(tmp_path, FILE.replace("2030-", "2027-").replace("2027-02-09", "2027-02-13").replace("2030", "2027"), 2027)
    calendar = load_calendar(tmp_path)
    assert not shipped.is_working_day(dt.date(2027, 10, 1))
    assert calendar.is_working_day(dt.date(2027, 10, 1))
    assert calendar.is_working_day(dt.date(2027, 2, 13))
    assert calendar.basis(dt.date(2026, 1, 1), dt.date(2027, 1, 1)) == "2026 published, 2027 published"
    assert calendar.years[2026] == shipped.years[2026]
    with pytest.raises(CalendarUnknown, match="2030"):
        calendar.is_working_day(dt.date(2030, 1, 2))


def test_the_shipped_years_are_sound(tmp_path: Path) -> None:
    """Every shipped file is read; the years up to this one are published, with the number of their notice."""
    calendar = load_calendar(tmp_path)
    assert list(calendar.years) == [2024, 2025, 2026, 2027]
    for year in (2024, 2025, 2026):
        assert calendar.years[year].status == "published"
        assert f"关于{year}年部分节假日安排的通知（国办发明电〔{year - 1}〕" in calendar.years[year].source
    assert calendar.years[2027].status == "estimated"


def test_an_installed_package_has_the_years(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the code of a wheel they lie in pipeline/calendar; without either folder that is said."""
    module = tmp_path / "site" / "pipeline" / "province" / "calendar_files.py"
    module.parent.mkdir(parents=True)
    shutil.copytree(directory(), tmp_path / "site" / "pipeline" / "calendar")
    monkeypatch.setattr("pipeline.province.calendar_files.__file__", str(module))
    assert directory() == tmp_path / "site" / "pipeline" / "calendar"
    assert 2026 in load_calendar(tmp_path / "home").years
    shutil.rmtree(directory())
    with pytest.raises(ConfigError, match="not installed"):
        directory()
