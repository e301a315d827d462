"""The oracle: what an application's dossiers must say, by plain SQL over all the providers' databases.

It shares no code with the exchange: it reads the providers' YAML for the names of tables and columns, asks one person
at a time, and turns dates into one spelling in SQL where the exchange turns its bounds into the column's. It covers
found, no_record, refused and unavailable; nothing here expires or is withdrawn.
"""

# ruff: noqa: S608 - the names in these statements are those of the files under test

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

Key = tuple[str, int, int, str]
"""(household, roster number, schedule row, provider)."""

Result = dict[str, Any]
"""category, status, code, until, as_of, coverage, entries; entries in any fixed order (see `comparable`)."""

RESULT_KEYS = ("category", "status", "code", "until", "as_of", "coverage", "entries")


def expected(
    application: Mapping[str, Any],
    roster: Sequence[Mapping[str, Any]],
    *,
    providers: Path,
    catalog: Path,
    databases: Path,
    now: int,
) -> dict[Key, Result]:
    """Every person x row x provider of the application, from `<party>.yaml` twice and `<party>.db`; `now` in ms."""
    offered = {
        path.stem: {entry["category"] for entry in _yaml(path)["entries"]} for path in sorted(catalog.glob("*.yaml"))
    }
    results: dict[Key, Result] = {}
    for row in application["schedule"]:
        asked = [row["provider"]] if row["provider"] != "all" else sorted(offered)
        for provider in asked:
            if row["category"] not in offered.get(provider, set()):
                continue
            description = _yaml(providers / f"{provider}.yaml")["resources"].get(row["category"])
            with closing(sqlite3.connect(databases / f"{provider}.db")) as connection:
                connection.row_factory = sqlite3.Row
                for person in roster:
                    key = (person["household"], person["number"], row["row"], provider)
                    answer = _answer(connection, description, row["period"], person, now)
                    results[key] = comparable({"category": row["category"], **answer})
    return results


def from_dossiers(dossiers: Iterable[Mapping[str, Any]]) -> dict[Key, Result]:
    """Dossiers in the same form as `expected`, to be compared with ==. Raises ValueError when a key comes twice."""
    results: dict[Key, Result] = {}
    for dossier in dossiers:
        for person in dossier["persons"]:
            for result in person["results"]:
                key = (dossier["household"], person["number"], result["row"], result["provider"])
                if key in results:
                    raise ValueError(f"twice in the dossiers: row {key[2]}, provider {key[3]}, person {key[1]}")
                results[key] = comparable({name: result[name] for name in RESULT_KEYS})
    return results


def comparable(result: Result) -> Result:
    """The same result with its entries in an order that depends on their content only."""
    in_order = sorted(result["entries"], key=lambda entry: json.dumps(entry, sort_keys=True, ensure_ascii=False))
    return {**result, "entries": in_order}


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _unanswered(status: str, code: str | None = None, until: int | None = None) -> Result:
    return {"status": status, "code": code, "until": until, "as_of": None, "coverage": None, "entries": []}


def _answer(
    connection: sqlite3.Connection,
    resource: Mapping[str, Any] | None,
    period: Mapping[str, Any],
    person: Mapping[str, Any],
    now: int,
) -> Result:
    if resource is None:
        return _unanswered("refused", "category_not_offered")
    if "refuse" in resource:
        return _unanswered("refused", resource["refuse"])
    if "dates" not in resource and period["kind"] != "latest":
        return _unanswered("refused", "period_not_covered")
    if "unavailable_until" in resource and now < (until := int(resource["unavailable_until"].timestamp() * 1000)):
        return _unanswered("unavailable", until=until)
    about = _about(resource, person)
    if about is None:
        return _unanswered("refused", "not_identifiable")
    mine, values = about
    protected = resource.get("refuse_persons")
    if protected is not None:
        sql = f"SELECT 1 FROM ({mine}) WHERE {_q(protected['column'])} = :protected"
        if connection.execute(sql, values | {"protected": protected["equals"]}).fetchone():
            return _unanswered("refused", protected["code"])
    sql, values = _rows(resource, mine, period, values)
    try:
        entries = [
            {item: _value(row[column["column"]], column) for item, column in resource["items"].items()}
            for row in connection.execute(sql, values)
        ]
    except ValueError:
        return _unanswered("refused", "record_unreadable")
    status = "found" if entries else "no_record"
    return {
        **_unanswered(status),
        "as_of": str(resource["as_of"]),
        "coverage": resource["coverage"],
        "entries": entries,
    }


def _q(name: str) -> str:
    return '"' + name + '"'


def _about(resource: Mapping[str, Any], person: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The rows about one person as a sub-select; None when the register cannot tell who is meant."""
    table = _q(resource["table"])
    if person["document_type"] != "none":
        mine = " OR ".join(f"{_q(key)} = :number" for key in resource["keys"])
        return f"SELECT * FROM {table} WHERE {mine}", {"number": person["document_number"]}
    ward, guardian = resource.get("ward"), person["guardian_document_number"]
    if ward is None or not guardian:
        return None
    mine = f"{_q(ward['guardian_column'])} = :guardian AND {_q(ward['name_column'])} = :name"
    return f"SELECT * FROM {table} WHERE {mine}", {"guardian": guardian, "name": person["name"]}


def _day(column: str) -> str:
    """A date column as YYYYMMDD, whatever it is stored as."""
    return f"replace(replace(substr({_q(column)}, 1, 10), '-', ''), '/', '')"


def _rows(
    resource: Mapping[str, Any], mine: str, period: Mapping[str, Any], values: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    dates = resource.get("dates")
    if dates is None:
        return mine, values
    if dates["kind"] == "event":
        day = _day(dates["date_column"])
        if period["kind"] != "latest":
            sql = f"SELECT * FROM ({mine}) WHERE {day} BETWEEN :first AND :last"
            return sql, values | {"first": _plain(period["start"]), "last": _plain(period["end"])}
        if dates.get("newest_per") is None:
            return mine, values
        groups = [_q(resource["items"][item]["column"]) for item in dates["newest_per"]]
        partition = f"PARTITION BY {', '.join(groups)} " if groups else ""
        ranked = f"SELECT *, rank() OVER ({partition}ORDER BY coalesce({day}, '') DESC) AS newness FROM ({mine})"
        return f"SELECT * FROM ({ranked}) WHERE newness = 1", values
    latest = period["kind"] == "latest"
    first = str(resource["as_of"]) if latest else period["start"]
    last = str(resource["as_of"]) if latest else period["end"]
    since, until = _day(dates["since_column"]), _day(dates["until_column"])
    sql = (
        f"SELECT * FROM ({mine}) WHERE coalesce({since}, '') <= :last AND coalesce(nullif({until}, ''), '9') >= :first"
    )
    return sql, values | {"first": _plain(first), "last": _plain(last)}


def _plain(day: str) -> str:
    return day.replace("-", "")


def _value(stored: Any, column: Mapping[str, Any]) -> Any:
    """One stored value as the answer must spell it. Raises ValueError when it cannot be read."""
    text = "" if stored is None else str(stored).strip()
    if text == "":
        return None
    if "codes" in column:
        if text not in column["codes"]:
            raise ValueError("code")
        text = column["codes"][text]
    kind = column["type"]
    if kind == "text":
        return text
    if kind == "date":
        digits = "".join(c for c in text[:10] if c not in "-/")
        if len(digits) != 8 or not digits.isdigit() or not "01" <= digits[4:6] <= "12":
            raise ValueError("date")
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    if kind == "boolean":
        if text.lower() in ("1", "true", "y", "yes", "t", "是"):
            return True
        if text.lower() in ("0", "false", "n", "no", "f", "否"):
            return False
        raise ValueError("boolean")
    if kind == "integer":
        return int(text)
    float(text)  # a number at all?
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction.ljust(2, '0')}"
