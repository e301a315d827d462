"""The registry's papers of membership and inspections: recorded once, never altered (Art. 4, 6)."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.center.registry import Registry
from pipeline.domain.errors import ConfigError

TODAY = dt.date(2026, 11, 24)
NOW = 1_795_500_000_000
APPLIED = ("37", "application", "联网书面申请", "", dt.date(2026, 10, 8))
FILED = ("37", "filing", "联网备案", "备〔2026〕3号", dt.date(2026, 10, 20))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty registry."""
    with Registry(tmp_path / "registry.db") as made:
        yield made


def record(registry: Registry, paper: tuple[Any, ...], **changes: Any) -> None:
    """Record a paper, with parts of it changed."""
    parts = dict(zip(("party", "kind", "document", "number", "date"), paper, strict=True)) | changes
    registry.record_paper(**parts, today=TODAY, now=NOW)


def test_both_papers_are_needed_before_a_province_is_connected(registry: Registry) -> None:
    """Each that lacks is named, with the command that records it."""
    with pytest.raises(ConfigError, match=r"written application .*; its filing with 民政部社会救助司"):
        registry.check_papers("37")
    record(registry, APPLIED)
    with pytest.raises(ConfigError, match="its filing") as told:
        registry.check_papers("37")
    assert "written application" not in str(told.value)
    record(registry, FILED)
    registry.check_papers("37")


@pytest.mark.parametrize("party", ["center", "00"])
def test_the_center_does_not_apply_to_itself(registry: Registry, party: str) -> None:
    """Art. 4 is about provincial agencies."""
    registry.check_papers(party)
    with pytest.raises(ConfigError, match="no province"):
        record(registry, APPLIED, party=party)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"document": " "}, "--document: missing"),
        ({"document": "备" * 201}, "--document: too long"),
        ({"document": "备\u202e案"}, "--document: control characters"),
        ({"number": ""}, "--number: missing"),
        ({"date": dt.date(2026, 11, 25)}, "--date: 2026-11-25 is in the future"),
        ({"date": dt.date(2026, 10, 7)}, "older than the application of 2026-10-08"),
        ({"party": "53"}, "53 has no written application on record"),
    ],
)
def test_a_paper_that_cannot_be_is_refused(registry: Registry, changes: dict[str, Any], message: str) -> None:
    """Empty texts, dates to come, a filing before its application."""
    record(registry, APPLIED)
    with pytest.raises(ConfigError, match=message):
        record(registry, FILED, **changes)
    assert registry.paper("37", "filing") is None


def test_a_correction_is_a_further_paper_and_the_newest_counts(registry: Registry) -> None:
    """What was recorded wrong stays to be seen, in the trail and in the file."""
    record(registry, APPLIED)
    record(registry, APPLIED, document="联网书面申请（更正）")
    paper = registry.paper("37", "application")
    assert paper is not None
    assert paper.document == "联网书面申请（更正）"
    assert [action.kind for action in registry.trail("37")] == ["application recorded"] * 2


def test_an_inspection_passes_when_nothing_failed(registry: Registry) -> None:
    """What does not apply is no failure; results come back as they were recorded."""
    first = registry.record_inspection(
        "37", "conformance", {"a": "passed", "b": "not_applicable"}, {"a": {"n": 1}}, NOW
    )
    second = registry.record_inspection("37", "inspection", {"a": "failed"}, {}, NOW + 1)
    registry.record_inspection("53", "conformance", {"a": "passed"}, {}, NOW + 2)
    assert (first.passed, second.passed) == (True, False)
    assert registry.inspections("37") == [first, second]
    assert [found.party for found in registry.inspections()] == ["37", "37", "53"]
    assert registry.trail("37")[-1].detail == "number 2, a"


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET party = '53'"])
@pytest.mark.parametrize("table", ["paper", "inspection"])
def test_what_is_on_record_stays(registry: Registry, tmp_path: Path, statement: str, table: str) -> None:
    """The file itself refuses to forget or alter, whatever program asks."""
    record(registry, APPLIED)
    registry.record_inspection("37", "conformance", {"a": "passed"}, {}, NOW)
    with sqlite3.connect(tmp_path / "registry.db") as other, pytest.raises(sqlite3.IntegrityError, match="stays"):
        other.execute(statement.format(table))
