"""What `hedx watch` shows: one document of all its figures, as lines for a pipe, and as a picture that fits the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.ops.watch_service import WatchService

Document = dict[str, Any]
MINUTES = 60
"""Minutes that rates and latencies are shown over."""
FRAME = 7
"""Lines of the picture beside the rows of its tables: totals (two on a narrow terminal), gaps and headings."""
PROVIDER = ("provider", "asked", "done", "refused", "unavailable", "expired", "late", "open", "in time", "median")
PARTY = ("requester", "applications", "sub-queries")
LEG = ("leg", "count", "p50", "p90", "p99")
RISK = ("what", "application", "since or until")
WORDS = frozenset({"provider", "requester", "leg", *RISK})
"""Heads of columns of words; the others' are numbers, and stand to the right."""


def document(service: WatchService) -> Document:
    """All figures now. `counts`: events by stage and kind."""
    tables, views = service.tables, service.views
    counted = sorted(tables.counted.items())
    return {
        "events": tables.events,
        "duplicates": tables.duplicates,
        "unreadable": tables.unreadable.total(),
        "summary": views.summary(),
        "rates": views.rates(MINUTES),
        "latency": views.latency(MINUTES),
        "punctuality": views.punctuality(),
        "risks": views.risks(),
        "counts": [{"stage": stage, "kind": kind, "events": count} for (stage, kind), count in counted],
    }


def totals(found: Document) -> str:
    """One line for all of it."""
    summary = found["summary"]
    opened = ", ".join(f"{count} {state}" for state, count in summary["open"].items()) or "none"
    return (
        f"{found['events']} events, {found['duplicates']} duplicates, {found['unreadable']} unreadable; open: {opened}; "
        f"a minute: {summary['applications_per_minute']} applications, {summary['subqueries_per_minute']} sub-queries, "
        f"{summary['answers_per_minute']} answers; stuck {summary['stuck']}, at risk {summary['at_risk']}"
    )


def tables(found: Document) -> list[tuple[str, Sequence[str], list[Sequence[str]]]]:
    """All of it for a reader: of each table its title, its heads and its rows; those without rows are left out."""
    counts: list[Sequence[str]] = [(row["stage"], row["kind"], str(row["events"])) for row in found["counts"]]
    every: list[tuple[str, Sequence[str], list[Sequence[str]]]] = [
        ("providers, 30 days", PROVIDER, _punctuality(found)),
        ("requesters, the last hour", PARTY, _parties(found)),
        ("times, the last hour", LEG, _latency(found)),
        ("stuck or at risk", RISK, _risks(found)),
        ("events", ("stage", "kind", "events"), counts),
    ]
    return [(title, heads, rows) for title, heads, rows in every if rows]


def drawn(found: Document, height: int) -> RenderableType:
    """A picture of `height` lines: totals above, then as many rows of each table as there is room for."""
    rows = max(2, (height - FRAME) // 2)
    above = [
        _table(PROVIDER, _punctuality(found), rows),
        _table(PARTY, _parties(found), rows),
    ]
    below = [_table(LEG, _latency(found), rows), _table(RISK, _risks(found), rows)]
    gap = Padding("", (0, 0))
    return Group(Text(totals(found)), gap, Columns(above, padding=(0, 6)), gap, Columns(below, padding=(0, 6)))


def _latency(found: Document) -> list[Sequence[str]]:
    return [
        (row["leg"], str(row["count"]), *(seconds(row[name]) for name in ("p50", "p90", "p99")))
        for row in found["latency"]
    ]


def _punctuality(found: Document) -> list[Sequence[str]]:
    names = ("asked", "done", "refused", "unavailable", "expired", "late", "open")
    return [
        (
            row["provider"],
            *(str(row[name]) for name in names),
            "" if row["ratio"] is None else f"{100 * row['ratio']:.1f} %",
            seconds(row["median_seconds"]),
        )
        for row in found["punctuality"]
    ]


def _parties(found: Document) -> list[Sequence[str]]:
    return [(row["party"], str(row["applications"]), str(row["subqueries"])) for row in found["rates"]["by_party"]]


def _risks(found: Document) -> list[Sequence[str]]:
    stuck = [(f"stuck: {row['why']}", row["application_id"], _moment(row["since"])) for row in found["risks"]["stuck"]]
    near = [
        (f"{row['provider']} owes {row['persons']}", f"{row['application_id']} section {row['section']}", _moment(row["at"]))
        for row in found["risks"]["deadlines"]
    ]  # fmt: skip
    return [*stuck, *near]


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it; nothing for none."""
    if value is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.2f} s"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head, justify="left" if head in WORDS else "right")
    for row in rows[:most]:
        table.add_row(*row)
    return table


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%d %H:%M")
