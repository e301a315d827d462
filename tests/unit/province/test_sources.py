"""Look-ups in a provider's databases: what is found, what is refused, in how many statements."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.domain.records import Entry, Period
from pipeline.province.lookups import VARIABLES
from pipeline.province.provider_files import ProviderSpec, differences, load_provider
from pipeline.province.sources import Sources, open_sources, sqlite_url

LATEST: Period = {"kind": "latest", "start": None, "end": None}

SPEC = """
party: "37"
resources:
  marriage:
    table: hy
    keys: [nan, nv]
    as_of: 2026-09-30
    coverage: 山东省婚姻登记
    dates: {kind: event, date_column: rq, stored: compact, newest_per: []}
    items:
      kind: {column: lx, type: text, codes: {"1": 结婚, "2": 离婚}}
      registered_on: {column: rq, type: date}
  vehicles:
    table: cl
    keys: [sfzh]
    as_of: 2026-09-30
    coverage: 山东省车船
    dates: {kind: validity, since_column: kt, until_column: zx}
    items:
      plate: {column: hp, type: text}
      tonnage: {column: dw, type: decimal}
  medical:
    table: yl
    keys: [sfzh]
    as_of: 2026-09-30
    coverage: 山东省医疗
    dates: {kind: event, date_column: rq}
    ward: {guardian_column: jhr, name_column: xm}
    refuse_persons: {code: protected_person, column: mm, equals: "1"}
    items:
      cost: {column: fy, type: decimal}
"""

DATABASE = """
CREATE TABLE hy (nan TEXT, nv TEXT, lx TEXT, rq TEXT);
INSERT INTO hy VALUES ('M', 'F', '1', '20050601'), ('M', 'F', '2', '20150601'), ('M2', 'F', '1', '20200601');
CREATE TABLE cl (sfzh TEXT, hp TEXT, dw, kt TEXT, zx TEXT);
INSERT INTO cl VALUES ('M', '鲁B2', NULL, '2020-01-01', NULL), ('M', '鲁A1', 2.5, '2019-01-01', ''),
                      ('M', '鲁C3', 1, '2010-01-01', '2015-05-05');
CREATE TABLE yl (sfzh TEXT, jhr TEXT, xm TEXT, fy, rq TEXT, mm TEXT);
INSERT INTO yl VALUES ('M', NULL, '马', 10, '2026-03-01 08:30:00', NULL), ('M', NULL, '马', 20, '2026-03-02', NULL),
                      ('P', NULL, '潘', 30, '2020-01-01', '1'), (NULL, 'M', '小马', 5, '2026-03-01', NULL),
                      (NULL, '', '小无', 6, '2026-03-01', NULL), ('U', NULL, '吴', '??', '2026-03-01', NULL);
"""


def period(start: str, end: str | None = None) -> Period:
    if end is None:
        return {"kind": "day", "start": start, "end": start}
    return {"kind": "range", "start": start, "end": end}


def plain(entries: list[Entry]) -> list[dict[str, Any]]:
    return [{item["item"]: item["value"] for item in entry["items"]} for entry in entries]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "37.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DATABASE)
    return path


def sources_with(database: Path, clock: int = 0, **changes: dict[str, Any]) -> Sources:
    content = yaml.safe_load(SPEC)
    for category, change in changes.items():
        content["resources"][category].update(change)
    spec = ProviderSpec.model_validate(content)
    return Sources(sa.create_engine(sqlite_url(database)), spec, lambda: clock)


def test_finds_a_row_through_any_of_its_key_columns(database: Path) -> None:
    """A marriage is on record for both; the latest is the newest registration of each."""
    found = sources_with(database).lookup("marriage", LATEST, ["M", "F", "X"]).entries
    assert plain(found["M"]) == [{"kind": "离婚", "registered_on": "2015-06-01"}]
    assert plain(found["F"]) == [{"kind": "结婚", "registered_on": "2020-06-01"}]
    assert found["X"] == []


def test_keeps_a_fixed_order_of_entries(database: Path) -> None:
    """Entries are ordered by their values in the order of items, whatever the order of rows."""
    found = sources_with(database).lookup("vehicles", LATEST, ["M"]).entries["M"]
    assert plain(found) == [{"plate": "鲁A1", "tonnage": "2.50"}, {"plate": "鲁B2", "tonnage": None}]


@pytest.mark.parametrize(
    ("asked", "plates"),
    [
        (period("2015-05-05"), ["鲁C3"]),
        (period("2015-05-06"), []),
        (period("2020-01-01"), ["鲁A1", "鲁B2"]),
        (period("2015-01-01", "2019-01-01"), ["鲁A1", "鲁C3"]),
    ],
)
def test_takes_what_held_in_the_period(database: Path, asked: Period, plates: list[str]) -> None:
    """First and last day belong to a row's time and to the period."""
    found = sources_with(database).lookup("vehicles", asked, ["M"]).entries["M"]
    assert [entry["plate"] for entry in plain(found)] == plates


@pytest.mark.parametrize(
    ("asked", "costs"),
    [
        (period("2026-03-01"), ["10.00"]),
        (period("2026-03-01", "2026-03-02"), ["10.00", "20.00"]),
        (period("2026-02-01", "2026-02-28"), []),
        (period("2026-03-02", "9999-12-31"), ["20.00"]),
    ],
)
def test_takes_what_happened_in_the_period(database: Path, asked: Period, costs: list[str]) -> None:
    """A time of day in the column does not push a row out of its day."""
    found = sources_with(database).lookup("medical", asked, ["M"]).entries["M"]
    assert [entry["cost"] for entry in plain(found)] == costs


@pytest.mark.parametrize(
    ("stored", "style", "declared"),
    [("iso", "%Y-%m-%d", "TEXT"), ("compact", "%Y%m%d", "TEXT"), ("slash", "%Y/%m/%d", "TEXT"), ("native", "", "DATE")],
)
def test_compares_dates_in_the_style_they_are_stored_in(tmp_path: Path, stored: str, style: str, declared: str) -> None:
    """The same days are found in text columns of each style and in SQL dates; neighbours are not."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'dates.db'}")
    table = sa.Table(
        "cl", sa.MetaData(), *(sa.Column(name, sa.String) for name in ("sfzh", "hp", "dw")),
        *(sa.Column(name, sa.Date if declared == "DATE" else sa.String) for name in ("kt", "zx")),
    )  # fmt: skip
    table.create(engine)
    first, last = date(2019, 12, 31), date(2020, 2, 29)
    dates = (first, last) if declared == "DATE" else (first.strftime(style), last.strftime(style))
    with engine.begin() as connection:
        connection.execute(table.insert(), {"sfzh": "M", "hp": "鲁D4", "dw": None, "kt": dates[0], "zx": dates[1]})
    content = yaml.safe_load(SPEC)
    content["resources"]["vehicles"]["dates"]["stored"] = stored
    sources = Sources(engine, ProviderSpec.model_validate(content))
    days = ("2019-12-30", "2019-12-31", "2020-02-29", "2020-03-01")
    assert [len(sources.lookup("vehicles", period(day), ["M"]).entries["M"]) for day in days] == [0, 1, 1, 0]


def test_refuses_protected_persons_whatever_the_period(database: Path) -> None:
    """Protection does not depend on whether the period has rows, and refused persons have no entries."""
    result = sources_with(database).lookup("medical", period("2026-03-01"), ["M", "P"])
    assert result.refused == {"P": "protected_person"}
    assert list(result.entries) == ["M"]


def test_finds_a_person_without_a_document_through_the_guardian(database: Path) -> None:
    """Guardian's number and own name together; a namesake's guardian, or none, leads nowhere."""
    result = sources_with(database).lookup("medical", LATEST, ["M/小马", "F/小马", "/小无", ""])
    assert plain(result.entries["M/小马"]) == [{"cost": "5.00"}]
    assert result.entries["F/小马"] == []
    assert result.refused == {"/小无": "not_identifiable", "": "not_identifiable"}


def test_says_when_a_register_cannot_identify_a_person_without_a_document(database: Path) -> None:
    """Nothing was looked up, so it is a refusal and not 查无记录."""
    result = sources_with(database).lookup("vehicles", LATEST, ["M/小马"])
    assert (result.entries, result.refused) == ({}, {"M/小马": "not_identifiable"})


def test_refuses_one_person_when_a_row_cannot_be_read(database: Path) -> None:
    """One bad row costs one person's answer, not the batch."""
    result = sources_with(database).lookup("medical", LATEST, ["U", "M"])
    assert result.refused == {"U": "record_unreadable"}
    assert len(result.entries["M"]) == 2


def test_refuses_and_is_unavailable_as_the_file_says(database: Path) -> None:
    """A whole category is refused, or unavailable until an instant and available from then on."""
    refused = sources_with(database, vehicles={"refuse": "not_shared"}).lookup("vehicles", LATEST, ["M"])
    assert (refused.refused_all, refused.entries) == ("not_shared", {})
    until = {"unavailable_until": "2029-01-01T00:00:00+08:00"}
    closed = sources_with(database, clock=1_861_891_199_999, vehicles=until).lookup("vehicles", LATEST, ["M"])
    assert (closed.unavailable_until, closed.entries) == (1_861_891_200_000, {})
    opened = sources_with(database, clock=1_861_891_200_000, vehicles=until).lookup("vehicles", LATEST, ["M"])
    assert (opened.unavailable_until, len(opened.entries["M"])) == (None, 2)


def test_an_outage_with_a_reason_says_it(database: Path) -> None:
    """Then requests wait, and `outage` tells until when and why; without one there is none."""
    away = {"unavailable_until": "2029-01-01T00:00:00+08:00", "because": "机房水灾"}
    sources = sources_with(database, clock=1_861_891_199_999, vehicles=away)
    found = sources.lookup("vehicles", LATEST, ["M"])
    assert (found.unavailable_until, found.because) == (1_861_891_200_000, "机房水灾")
    assert sources.outage("vehicles") == (1_861_891_200_000, "机房水灾")
    assert sources.outage("medical") is None
    assert sources_with(database, clock=1_861_891_200_000, vehicles=away).outage("vehicles") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"because": "机房水灾"},
        {"unavailable_until": "2029-01-01T00:00:00+08:00", "because": "x" * 501},
        {"unavailable_until": "2029-01-01T00:00:00+08:00", "because": "联系 13800000000"},
    ],
    ids=["no time", "too long", "a number"],
)
def test_a_reason_goes_with_a_time_and_names_nobody(database: Path, wrong: dict[str, str]) -> None:
    """It is signed and sent, so a file with such a reason is not taken."""
    with pytest.raises(Exception, match="because"):
        sources_with(database, vehicles=wrong)


def test_refuses_a_past_period_where_only_the_present_is_known(database: Path) -> None:
    """A register without dates answers the latest and nothing else."""
    sources = sources_with(database, vehicles={"dates": None})
    assert sources.lookup("vehicles", period("2020-01-01"), ["M"]).refused_all == "period_not_covered"
    assert len(sources.lookup("vehicles", LATEST, ["M"]).entries["M"]) == 3


def test_refuses_a_category_it_does_not_have(database: Path) -> None:
    """Being asked for something not in the file is answered, not raised."""
    assert sources_with(database).lookup("education", LATEST, ["M"]).refused_all == "category_not_offered"


def test_looks_a_whole_batch_up_in_one_statement(database: Path) -> None:
    """As many statements as the limit on bound values makes necessary: one for a section of 500 persons."""
    engine = sa.create_engine(sqlite_url(database))
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    sources = Sources(engine, ProviderSpec.model_validate(yaml.safe_load(SPEC)))
    sources.lookup("vehicles", LATEST, [f"N{n}" for n in range(500)])
    assert len(statements) == 1
    many = sources.lookup("vehicles", LATEST, ["M", *(f"N{n}" for n in range(2 * VARIABLES)), "M"])
    assert len(statements) == 1 + 3
    assert len(many.entries) == 2 * VARIABLES + 1
    assert len(many.entries["M"]) == 2


def test_lists_everything_a_database_lacks(tmp_path: Path, database: Path) -> None:
    """Start-up fails with every missing table and column, not with the first."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("DROP TABLE hy; ALTER TABLE cl DROP COLUMN dw;")
    spec = tmp_path / "37.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        open_sources(spec, sqlite_url(database))
    assert "marriage: no table hy" in str(caught.value)
    assert "vehicles: no column cl.dw" in str(caught.value)


def test_asks_again_later_when_the_database_does_not_answer(database: Path) -> None:
    """A failing database is retryable, and the error names nobody."""
    sources = sources_with(database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE cl")
    with pytest.raises(Retryable) as caught:
        sources.lookup("vehicles", LATEST, ["530102199001011234"])
    assert "5301" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("keys: [sfzh]", "keys: [sfzh]\n    colour: red", "resources.vehicles.colour"),
        ("type: decimal", "type: money", "resources.vehicles.items.tonnage.type"),
        ('party: "37"', "party: 37", "party"),
        ("newest_per: []", "newest_per: [nothing]", "newest_per names no item: nothing"),
        ("kind: validity", "kind: eternal", "resources.vehicles.dates"),
        ("as_of: 2026-09-30", "as_of: soon", "resources.marriage.as_of"),
    ],
)
def test_names_the_place_of_every_fault_in_a_provider_file(tmp_path: Path, old: str, new: str, place: str) -> None:
    """Unknown keys and wrong values are errors that say where they are."""
    path = tmp_path / "37.yaml"
    path.write_text(SPEC.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_provider(path)
    assert place in str(caught.value)
    assert "37.yaml" in str(caught.value)


def test_tells_what_the_catalog_promises_and_the_file_does_not_keep() -> None:
    """Categories, items and types are compared both ways."""
    spec = ProviderSpec.model_validate(yaml.safe_load(SPEC))
    entry: Any = {
        "category": "vehicles",
        "items": [{"item": "plate", "type": "text"}, {"item": "tonnage", "type": "integer"}],
    }
    missing: Any = {"category": "education", "items": []}
    assert sorted(differences(spec, [entry, missing])) == [
        "education: in the catalog, not in the provider file",
        "marriage: in the provider file, not in the catalog",
        "medical: in the provider file, not in the catalog",
        "vehicles.tonnage: catalog integer, provider file decimal",
    ]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("hunter2", "ArgumentError"),
        ("nothing://u:hunter2@h/db", "NoSuchModuleError"),
        ("sqlite://u:hunter2@h:hunter2/db", "ValueError"),
        ("oracle+nodriver://u:hunter2@h/db", "NoSuchModuleError"),
        ("mysql+cymysql://u:hunter2@h/db", "driver cymysql is not installed"),
        ("sqlite:////nowhere/hunter2.db", "OperationalError"),
    ],
)
def test_no_error_shows_what_may_be_a_password(tmp_path: Path, url: str, says: str) -> None:
    """A URL that is wrong is one sentence for the operator, and never in it: passwords stand there."""
    (tmp_path / "p.yaml").write_text(SPEC)
    with pytest.raises(ConfigError, match=says) as caught:
        open_sources(tmp_path / "p.yaml", url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
