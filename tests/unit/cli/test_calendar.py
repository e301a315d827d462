"""hedx calendar: what officials and scripts are told of working days."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, with no calendar files yet, in November 2026."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    monkeypatch.setattr("pipeline.cli.calendar.wall_clock", lambda: 1_795_507_200_000)
    return tmp_path


@pytest.mark.parametrize(
    ("years", "end"),
    [
        ([], Exit.FINE),  # this year is published
        (["2025", "2026"], Exit.FINE),
        (["2026", "2027"], Exit.DRIFT),
        (["2027", "2031"], Exit.FAILED),
    ],
)
def test_check_tells_published_estimated_and_unknown_years_apart(
    years: list[str], end: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown year outweighs an estimated one; every known year is listed whatever was asked."""
    assert run(["calendar", "check", *years, "--json"]) == end
    rows = {row["year"]: row for row in json.loads(capsys.readouterr().out)}
    assert [rows[year]["status"] for year in (2024, 2025, 2026, 2027)] == [*["published"] * 3, "estimated"]
    assert ("2031" not in years) or rows[2031]["status"] == "unknown"


def test_in_december_the_next_year_matters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that begin in December end in January: an estimate is said before it is counted with."""
    monkeypatch.setattr("pipeline.cli.calendar.wall_clock", lambda: 1_796_054_400_000)  # 1 December 2026 in China
    assert run(["calendar", "check"]) == Exit.DRIFT


def test_a_faulty_file_is_said_with_its_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An operator checks the file before a processor is started with it."""
    (home / "calendar").mkdir()
    (home / "calendar" / "2027.yaml").write_text("year: 2027\nstatus: hoped for\n", encoding="utf-8")
    assert run(["calendar", "check"]) == Exit.FAILED
    assert "2027.yaml:2: status" in capsys.readouterr().err


def test_show_lists_a_year_day_by_day(capsys: pytest.CaptureFixture[str]) -> None:
    """In Chinese with weekday and holiday, so that it can be held against the notice."""
    assert run(["calendar", "show", "2026", "--lang", "zh"]) == Exit.FINE
    said = capsys.readouterr()
    [row] = [line for line in said.out.splitlines() if "2026-02-14" in line]
    assert row.split() == ["2026-02-14", "六", "上班", "春节"]
    assert "国办发明电〔2025〕7号" in said.err
    assert run(["calendar", "show", "2027"]) == Exit.DRIFT
    assert run(["calendar", "show", "2031"]) == Exit.FAILED


def test_due_names_the_end_of_a_limit_and_the_days_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Spring Festival 2026: received on Friday 13 February, the made-up Saturday is day 1."""
    assert run(["calendar", "due", "2026-02-13", "3", "--json"]) == Exit.FINE
    assert json.loads(capsys.readouterr().out) == {
        "received": "2026-02-13",
        "working_days": 3,
        "days": ["2026-02-14", "2026-02-24", "2026-02-25"],
        "due": "2026-02-25",
        "due_at": 1_772_035_199_999,
        "warn_at": 1_771_948_800_000,
        "basis": "2026 published",
        "estimated": False,
    }


def test_due_marks_an_estimate_and_refuses_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    """2027 is estimated and said to be so in words; of 2028 nothing is known."""
    assert run(["calendar", "due", "2026-12-30", "2", "--lang", "zh"]) == Exit.DRIFT
    said = capsys.readouterr().out
    assert "2026 已公布, 2027 推算" in said
    assert "2027-01-04 24:00" in said
    assert run(["calendar", "due", "2027-12-30", "3"]) == Exit.FAILED
    assert "2028" in capsys.readouterr().err
