"""One SQLite database per provider, laid out as its provider file says, filled from made-up people."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from random import Random

from pipeline.demo.population import Resident
from pipeline.demo.registers import REGISTERS, Desk, Row, Stored
from pipeline.domain.errors import ConfigError
from pipeline.province.provider_files import EventDates, ItemColumn, ProviderSpec, Resource
from pipeline.province.values import converter

_TYPES = {"text": "TEXT", "integer": "INTEGER", "decimal": "NUMERIC", "date": "TEXT", "boolean": "INTEGER"}
_FORMATS = {"iso": "%Y-%m-%d", "native": "%Y-%m-%d", "compact": "%Y%m%d", "slash": "%Y/%m/%d"}
_PROTECTED = 0.04


def create_database(
    path: Path, spec: ProviderSpec, residents: Iterable[Resident], *, seed: int, strangers: Iterable[Resident] = ()
) -> int:
    """Write the provider's database to a new file and return how many rows it has.

    `strangers` fill the tables too, so that a look-up has something to leave out. Raises ConfigError for a category
    that has no made-up register, and for a file that exists.
    """
    if path.exists():
        raise ConfigError(f"{path}: there already")
    people = [*residents, *strangers]
    total = 0
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for category, resource in spec.resources.items():
            register = REGISTERS.get(category)
            if register is None:
                raise ConfigError(f"{category}: the demo has no register of that kind")
            random = Random(f"{seed} {spec.party} {category}")
            desk = Desk(spec.party, resource.as_of, random)
            total += _fill(connection, resource, [(who, row) for who in people for row in register(who, desk)], random)
    return total


def _fill(
    connection: sqlite3.Connection, resource: Resource, rows: Sequence[tuple[Resident, Row]], random: Random
) -> int:
    columns = resource.columns()
    types = dict.fromkeys(columns, "TEXT") | {i.column: _TYPES[i.type] for i in resource.items.values() if not i.codes}
    declared = ", ".join(f'"{column}" {types[column]}' for column in columns)
    connection.execute(f'CREATE TABLE "{resource.table}" (id INTEGER PRIMARY KEY, {declared})')
    writers = {item: _writer(column, _format_of(resource, column)) for item, column in resource.items.items()}
    shuffled = random.sample(list(rows), len(rows))  # registers are not in the roster's order
    values = [_values(resource, who, row, writers) for who, row in shuffled]
    names, places = ", ".join(f'"{c}"' for c in columns), ", ".join(f":{c}" for c in columns)
    statement = f'INSERT INTO "{resource.table}" ({names}) VALUES ({places})'  # noqa: S608  # names of the demo's files
    connection.executemany(statement, values)
    guardian = [resource.ward.guardian_column] if resource.ward else []
    for column in [*resource.keys, *guardian]:
        connection.execute(f'CREATE INDEX "{resource.table}_{column}" ON "{resource.table}" ("{column}")')
    return len(values)


def _values(
    resource: Resource, who: Resident, row: Row, writers: dict[str, Callable[[Stored], Stored]]
) -> dict[str, Stored]:
    values: dict[str, Stored] = dict.fromkeys(resource.columns())
    for key, number in zip(resource.keys, row.numbers, strict=True):
        values[key] = number or None
    if resource.ward is not None:
        values[resource.ward.name_column] = who.name
        if who.guardian is not None:
            values[resource.ward.guardian_column] = who.guardian.document_number
    dates = resource.dates
    if dates is not None and not isinstance(dates, EventDates):
        style = _FORMATS[dates.stored]
        values[dates.since_column] = row.since.strftime(style) if row.since else None
        values[dates.until_column] = row.until.strftime(style) if row.until else None
    if resource.refuse_persons is not None and _protected(who):
        values[resource.refuse_persons.column] = resource.refuse_persons.equals
    for item, column in resource.items.items():
        values[column.column] = writers[item](row.items[item])
    return values


def _protected(who: Resident) -> bool:
    """One person in 25, the same in every row and every database."""
    return hashlib.sha256(who.document_number.encode()).digest()[0] < 256 * _PROTECTED


def _format_of(resource: Resource, column: ItemColumn) -> str:
    """How dates in this column are written: like the resource's own dates where it is one of them, else ISO."""
    dates = resource.dates
    own = (
        ()
        if dates is None
        else (dates.date_column,)
        if isinstance(dates, EventDates)
        else (dates.since_column, dates.until_column)
    )
    return _FORMATS[dates.stored] if dates is not None and column.column in own else _FORMATS["iso"]


def _writer(column: ItemColumn, style: str) -> Callable[[Stored], Stored]:
    """From an item's value to what the database stores, its own codes included."""
    if column.codes is not None:
        convert = converter(column.type, column.codes)
        stored = {convert(code): code for code in column.codes}
        return lambda value: None if value is None else stored[_plain(value)]
    return lambda value: value.strftime(style) if isinstance(value, date) else value


def _plain(value: Stored) -> bool | int | str | None:
    if isinstance(value, (date, float)):
        raise TypeError("codes stand for text, integers and truth values")
    return value
