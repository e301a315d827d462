"""The oracle against cases worked out by hand: it judges the exchange, so it is judged first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import oracle

NOW = 1_800_000_000_000

PROVIDER = """
party: "37"
resources:
  real_estate:
    table: bdc
    keys: [sfzh]
    as_of: 2026-09-30
    coverage: 山东省
    dates: {kind: validity, since_column: djrq, until_column: zxrq, stored: compact}
    items:
      location: {column: zl, type: text}
      area: {column: mj, type: decimal}
      seized: {column: cf, type: boolean, codes: {"Y": "true", "N": "false"}}
  social_insurance:
    table: sb
    keys: [sfzh]
    as_of: 2026-09-30
    coverage: 山东省
    dates: {kind: event, date_column: jsrq, stored: slash, newest_per: [insurance]}
    items:
      insurance: {column: xz, type: text}
      settled_on: {column: jsrq, type: date}
  medical:
    table: yl
    keys: [sfzh]
    as_of: 2026-09-30
    coverage: 山东省
    ward: {guardian_column: jhr, name_column: xm}
    refuse_persons: {code: protected_person, column: mm, equals: 1}
    items:
      visits: {column: cs, type: integer}
  vehicles: {table: sb, keys: [sfzh], as_of: 2026-09-30, coverage: 山东省, refuse: not_shared,
    items: {kind: {column: xz, type: text}}}
  education: {table: sb, keys: [sfzh], as_of: 2026-09-30, coverage: 山东省,
    unavailable_until: 2029-01-01T00:00:00+08:00, items: {kind: {column: xz, type: text}}}
"""

DATABASE = """
CREATE TABLE bdc (sfzh TEXT, zl TEXT, mj, cf TEXT, djrq TEXT, zxrq TEXT);
INSERT INTO bdc VALUES ('A', '甲', 88.5, 'N', '20200115', NULL), ('A', '乙', 60, 'Y', '20100101', '20240630'),
                       ('B', '丙', '70.125', 'N', NULL, ''), ('C', '丁', 1, '?', '20200101', NULL);
CREATE TABLE sb (sfzh TEXT, xz TEXT, jsrq TEXT);
INSERT INTO sb VALUES ('A', '养老', '2026/08/15'), ('A', '养老', '2026/09/15'), ('A', '医疗', '2026/07/01');
CREATE TABLE yl (sfzh TEXT, jhr TEXT, xm TEXT, cs INTEGER, mm INTEGER);
INSERT INTO yl VALUES ('B', NULL, '王二', 3, 1), (NULL, 'A', '小宝', 2, NULL), (NULL, 'A', '小贝', 9, NULL);
"""

LATEST = {"kind": "latest", "start": None, "end": None}


def day(text: str) -> dict[str, str]:
    return {"kind": "day", "start": text, "end": text}


def person(number: int, document: str, **more: Any) -> dict[str, Any]:
    kind = "resident_id" if document else "none"
    plain = {"household": "H1", "name": "某", "document_type": kind, "document_number": document}
    return {**plain, "number": number, "guardian_document_number": None, **more}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    for name in ("providers", "catalog", "databases"):
        (tmp_path / name).mkdir()
    (tmp_path / "providers" / "37.yaml").write_text(PROVIDER, encoding="utf-8")
    categories = ("real_estate", "social_insurance", "medical", "vehicles", "education", "cremation")
    listed = "".join(f"  - category: {category}\n" for category in categories)
    (tmp_path / "catalog" / "37.yaml").write_text(f'party: "37"\nentries:\n{listed}', encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "databases" / "37.db")) as connection:
        connection.executescript(DATABASE)
    return {name: tmp_path / name for name in ("providers", "catalog", "databases")}


def ask(
    folders: dict[str, Path], category: str, period: Any, who: dict[str, Any], provider: str = "all"
) -> dict[str, Any]:
    form = {"schedule": [{"row": 1, "provider": provider, "category": category, "period": period}]}
    results = oracle.expected(form, [who], now=NOW, **folders)
    return results["H1", who["number"], 1, "37"]


def test_finds_what_holds_on_the_as_of_day_when_the_latest_is_asked(folders: dict[str, Path]) -> None:
    """A property given up before the register's day is not the latest data."""
    result = ask(folders, "real_estate", LATEST, person(1, "A"))
    assert result["entries"] == [{"location": "甲", "area": "88.50", "seized": False}]
    assert (result["status"], result["as_of"], result["coverage"]) == ("found", "2026-09-30", "山东省")


@pytest.mark.parametrize(
    ("on", "places"),
    [("2024-06-30", {"甲", "乙"}), ("2024-07-01", {"甲"}), ("2010-01-01", {"乙"}), ("2009-12-31", set())],
)
def test_finds_what_held_on_a_day_first_and_last_day_included(
    folders: dict[str, Path], on: str, places: set[str]
) -> None:
    """The day of registration and the day of cancellation both belong to a property's time."""
    result = ask(folders, "real_estate", day(on), person(1, "A"))
    assert {entry["location"] for entry in result["entries"]} == places
    assert result["status"] == ("found" if places else "no_record")


def test_finds_what_held_on_any_day_of_a_range(folders: dict[str, Path]) -> None:
    """A range takes every row whose time overlaps it."""
    period = {"kind": "range", "start": "2015-01-01", "end": "2020-01-14"}
    assert [e["location"] for e in ask(folders, "real_estate", period, person(1, "A"))["entries"]] == ["乙"]


def test_takes_blank_dates_as_open(folders: dict[str, Path]) -> None:
    """No first day means since ever, no last day (also '') means until today; three decimals stay."""
    result = ask(folders, "real_estate", day("1990-01-01"), person(1, "B"))
    assert result["entries"] == [{"location": "丙", "area": "70.125", "seized": False}]


def test_takes_the_newest_of_each_kind_when_the_latest_is_asked(folders: dict[str, Path]) -> None:
    """Of monthly rows the newest per insurance counts."""
    entries = ask(folders, "social_insurance", LATEST, person(1, "A"))["entries"]
    assert entries == [
        {"insurance": "养老", "settled_on": "2026-09-15"},
        {"insurance": "医疗", "settled_on": "2026-07-01"},
    ]


def test_takes_every_event_of_a_range(folders: dict[str, Path]) -> None:
    """A range takes all rows dated in it, not only the newest."""
    period = {"kind": "range", "start": "2026-08-15", "end": "2026-09-15"}
    assert len(ask(folders, "social_insurance", period, person(1, "A"))["entries"]) == 2


def test_finds_an_infant_by_guardian_and_name(folders: dict[str, Path]) -> None:
    """Of two children of one guardian only the one that is named is found."""
    infant = person(1, "", name="小宝", guardian_document_number="A")
    assert ask(folders, "medical", LATEST, infant)["entries"] == [{"visits": 2}]


@pytest.mark.parametrize(
    ("category", "period", "who", "code"),
    [
        ("medical", LATEST, person(1, "B"), "protected_person"),
        ("medical", day("2026-01-01"), person(1, "A"), "period_not_covered"),
        ("real_estate", LATEST, person(1, "", guardian_document_number="A"), "not_identifiable"),
        ("real_estate", LATEST, person(1, "C"), "record_unreadable"),
        ("vehicles", LATEST, person(1, "A"), "not_shared"),
        ("cremation", LATEST, person(1, "A"), "category_not_offered"),
    ],
)
def test_refuses_with_the_code_of_the_reason(
    folders: dict[str, Path], category: str, period: Any, who: dict[str, Any], code: str
) -> None:
    """Each way to be refused has its code, and no entries."""
    result = ask(folders, category, period, who)
    assert (result["status"], result["code"], result["entries"]) == ("refused", code, [])


def test_is_unavailable_until_the_day_named(folders: dict[str, Path]) -> None:
    """2029-01-01 00:00 in Beijing is 1861891200000 ms."""
    result = ask(folders, "education", LATEST, person(1, "A"))
    assert (result["status"], result["until"]) == ("unavailable", 1_861_891_200_000)


def test_asks_only_the_providers_of_a_row(folders: dict[str, Path]) -> None:
    """A row for another provider, or for a category that nobody offers, expects nothing."""
    rows = [("32", "real_estate"), ("all", "business")]
    form = {"schedule": [{"row": 1, "provider": p, "category": c, "period": LATEST} for p, c in rows]}
    assert oracle.expected(form, [person(1, "A")], now=NOW, **folders) == {}


def test_compares_dossiers_whatever_the_order_of_their_entries(folders: dict[str, Path]) -> None:
    """Dossiers equal the expectation field by field, and a changed field makes them differ."""
    form = {"schedule": [{"row": 1, "provider": "37", "category": "social_insurance", "period": LATEST}]}
    want = oracle.expected(form, [person(1, "A")], now=NOW, **folders)
    result = {**want["H1", 1, 1, "37"], "row": 1, "provider": "37"}
    result["entries"] = result["entries"][::-1]
    dossiers = [{"household": "H1", "persons": [{"number": 1, "results": [result]}]}]
    assert oracle.from_dossiers(dossiers) == want
    result["as_of"] = "2026-09-29"
    assert oracle.from_dossiers(dossiers) != want
