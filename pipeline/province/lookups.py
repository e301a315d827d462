"""One bulk look-up: the statement for a whole batch of persons, and its rows as entries of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.domain.records import Entry, Period, Value
from pipeline.domain.subjects import WARD
from pipeline.province.provider_files import EventDates, Resource, Stored
from pipeline.province.values import Unreadable, converter, to_date

VARIABLES = 900
"""Bound values a statement: below the least limit of the databases in use (SQLite before 3.32: 999)."""


@dataclass(slots=True)
class Lookup:
    """The result of one bulk look-up.

    `entries` has every subject that was looked up, an empty list meaning nothing on record; `refused` has the others,
    each with its code. If `refused_all` or `unavailable_until` (ms) is set, nobody was looked up.
    """

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unavailable_until: int | None = None
    refused_all: str | None = None
    because: str | None = None  # why it is unavailable, where the provider asks for more time (Art. 10)


class Reading:
    """One look-up of one resource: `subjects` in `period` (see `provider_files` for what a period means)."""

    def __init__(self, resource: Resource, period: Period, subjects: Sequence[str]) -> None:
        self.resource = resource
        self.newest = period["kind"] == "latest" and isinstance(resource.dates, EventDates)
        schema, name = split_table(resource.table)
        self.table = sa.table(name, *(sa.column(c) for c in resource.columns()), schema=schema)
        self.condition = _in_period(resource, self.table, period)
        self.wanted = dict.fromkeys(subjects)
        self.items = [(item, converter(c.type, c.codes)) for item, c in resource.items.items()]

    def run(self, engine: sa.Engine) -> Lookup:
        """Carry it out. Raises whatever SQLAlchemy raises."""
        result = Lookup()
        numbers = [s for s in self.wanted if s and WARD not in s]
        guardians = list(dict.fromkeys(s.split(WARD)[0] for s in self.wanted if WARD in s and not s.startswith(WARD)))
        unknown = [s for s in self.wanted if not s.split(WARD)[0] or (WARD in s and self.resource.ward is None)]
        result.refused.update(dict.fromkeys(unknown, "not_identifiable"))
        found: dict[str, list[tuple[str, list[Value]]]] = {
            subject: [] for subject in self.wanted if subject not in result.refused
        }
        with engine.connect() as connection:
            for statement in self._statements(numbers, guardians):
                for row in connection.execute(statement):
                    self._take(row, found, result.refused)
        for subject, rows in found.items():
            if subject not in result.refused:
                result.entries[subject] = self._entries(rows)
        return result

    def _statements(self, numbers: list[str], guardians: list[str]) -> Iterator[sa.Executable]:
        """One statement for the whole batch, or as many as the limit on bound values makes necessary."""
        keys, step = self.resource.keys, VARIABLES // len(self.resource.keys)
        for start in range(0, len(numbers), step):
            chunk = numbers[start : start + step]
            branches = [self._branch(self.table.c[key], self.table.c[key].in_(chunk)) for key in keys]
            yield branches[0] if len(branches) == 1 else sa.union_all(*branches)
        ward = self.resource.ward
        for start in range(0, len(guardians) if ward else 0, VARIABLES):
            assert ward is not None
            guardian, name = self.table.c[ward.guardian_column], self.table.c[ward.name_column]
            subject = sa.cast(guardian, sa.String) + WARD + sa.cast(name, sa.String)
            yield self._branch(subject, guardian.in_(guardians[start : start + VARIABLES]))

    def _branch(self, subject: sa.ColumnElement[Any], asked: sa.ColumnElement[bool]) -> sa.Select[Any]:
        columns = [subject.label("subject")]
        columns.append(self._refusal().label("refusal"))
        dates = self.resource.dates
        newest_by = self.table.c[dates.date_column] if self.newest and isinstance(dates, EventDates) else sa.null()
        columns.append(newest_by.label("newest_by"))
        mapped = self.resource.items.values()
        columns += [self.table.c[item.column].label(f"i{n}") for n, item in enumerate(mapped)]
        wanted = self.condition
        if self.resource.refuse_persons is not None:
            wanted = sa.or_(wanted, self._protected())
        return sa.select(*columns).where(asked, wanted)

    def _protected(self) -> sa.ColumnElement[bool]:
        rule = self.resource.refuse_persons
        assert rule is not None
        return self.table.c[rule.column] == rule.equals

    def _refusal(self) -> sa.ColumnElement[Any]:
        if self.resource.refuse_persons is None:
            return sa.literal_column("0")
        return sa.case((self._protected(), 1), else_=0)

    def _take(self, row: Any, found: dict[str, list[tuple[str, list[Value]]]], refused: dict[str, str]) -> None:
        subject = row[0].strip()
        rows = found.get(subject)
        if rows is None:  # another ward of the same guardian
            return
        if row[1]:
            assert self.resource.refuse_persons is not None
            refused[subject] = self.resource.refuse_persons.code
            return
        try:
            newest_by = to_date(row[2]) or ""
            rows.append((newest_by, [convert(row[n]) for n, (_, convert) in enumerate(self.items, 3)]))
        except Unreadable:
            refused.setdefault(subject, "record_unreadable")

    def _entries(self, rows: list[tuple[str, list[Value]]]) -> list[Entry]:
        dates = self.resource.dates
        if self.newest and isinstance(dates, EventDates) and dates.newest_per is not None:
            places = [n for n, (item, _) in enumerate(self.items) if item in set(dates.newest_per)]
            newest: dict[tuple[Value, ...], str] = {}
            for day, values in rows:
                group = tuple(values[n] for n in places)
                newest[group] = max(day, newest.get(group, ""))
            rows = [(day, values) for day, values in rows if day == newest[tuple(values[n] for n in places)]]
        # sorted here, not in SQL: databases collate Chinese text differently
        in_order = sorted((values for _, values in rows), key=lambda values: [(v is not None, v) for v in values])
        names = [item for item, _ in self.items]
        return [{"items": [{"item": n, "value": v} for n, v in zip(names, values, strict=True)]} for values in in_order]


def split_table(table: str) -> tuple[str | None, str]:
    """Schema, if any, and name of a table as a provider file writes it."""
    schema, _, name = table.rpartition(".")
    return schema or None, name


def _in_period(resource: Resource, table: sa.TableClause, period: Period) -> sa.ColumnElement[bool]:
    """The period as a condition on the resource's rows; see `EventDates` and `ValidityDates` for what it means."""
    dates = resource.dates
    if dates is None or (period["kind"] == "latest" and isinstance(dates, EventDates)):
        return sa.true()
    first = date.fromisoformat(period["start"]) if period["start"] else resource.as_of
    last = date.fromisoformat(period["end"]) if period["kind"] == "range" and period["end"] else first
    # the first day in, the day after the last day out: right also for columns with a time of day
    day_after = min(last, date.max - timedelta(days=1)) + timedelta(days=1)
    low, after = _stored(first, dates.stored), _stored(day_after, dates.stored)
    if isinstance(dates, EventDates):
        column = table.c[dates.date_column]
        return sa.and_(column >= low, column < after)
    since, until = table.c[dates.since_column], table.c[dates.until_column]
    begun = sa.or_(since.is_(None), since < after)
    open_end: sa.ColumnElement[bool] = until.is_(None)
    if dates.stored != "native":  # text columns also leave a date open with ''
        open_end = sa.or_(open_end, until == "")
    return sa.and_(begun, sa.or_(open_end, until >= low))


def _stored(day: date, stored: Stored) -> date | str:
    if stored == "native":
        return day
    return day.strftime({"iso": "%Y-%m-%d", "compact": "%Y%m%d", "slash": "%Y/%m/%d"}[stored])
