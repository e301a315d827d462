"""How `hedx lag` shows what it found: rows, a live table that fits the terminal, lines of changes for a pipe."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pipeline.domain.calendar import CHINA
from pipeline.ops.lag_history import Judged, JudgedGroup
from pipeline.ops.lag_rules import STATUSES, Verdict, duration

COLOURS = {"ok": "green", "warn": "yellow", "stalled": "bold magenta", "stopped": "bold red"}
BARS = " ▁▂▃▄▅▆▇█"
TREND = 20
"""Polls that a spark line shows."""
FRAME = 7
"""Lines of a terminal that the table's rows cannot have."""


class Row(NamedTuple):
    """One group on one topic."""

    status: str
    group: str
    topic: str
    lag: str
    seconds: str
    reason: str


def rows(judged: Judged) -> Iterator[Row]:
    """A row for each group and topic, the worst groups first."""
    for group in judged.groups:
        for topic in sorted({topic for topic, _ in group.sample.partitions}):
            mine = [each for place, each in group.sample.partitions.items() if place[0] == topic]
            known = [each.seconds for each in mine if each.seconds is not None]
            verdict = _on_topic(group, topic)
            lag = sum(each.lag for each in mine)
            yield Row(
                verdict.status, group.sample.name, topic, f"{lag:,}", _age(max(known, default=None)), verdict.reason
            )


def _on_topic(group: JudgedGroup, topic: str) -> Verdict:
    """The first rule that fires on the topic: the group's own, or that of one of its partitions."""
    found = [
        Verdict(verdict.status, verdict.rule, f"partition {place[1]}: {verdict.reason}")
        for place, verdict in sorted(group.partitions.items())
        if place[0] == topic and verdict.status != "ok"
    ]
    return min([*found, group.own], key=lambda verdict: verdict.rule)


def _age(seconds: float | None) -> str:
    return "?" if seconds is None else duration(seconds) if seconds else "0 s"


class Trends:
    """The last lags of each group, drawn as a line of bars."""

    def __init__(self) -> None:
        self._lags: dict[str, deque[int]] = {}

    def take(self, judged: Judged) -> None:
        """One more poll."""
        self._lags = {
            group.sample.name: deque([*self._lags.get(group.sample.name, ()), group.lag], TREND)
            for group in judged.groups
        }

    def line(self, group: str) -> str:
        """Its bars, the newest at the right; as high as the highest of them is the longest lag shown."""
        return spark(self._lags.get(group, ()))


def spark(values: Sequence[int] | deque[int]) -> str:
    """Bars as high as `values` by the greatest; nothing is a blank, and more than nothing is never one."""
    most = max(values, default=0)
    return "".join(BARS[-(-value * (len(BARS) - 1) // most) if most else 0] for value in values)


def drawn(judged: Judged, trends: Trends, height: int, note: str) -> Table:
    """The groups that fit into `height` lines, the worst first, and how many more there are."""
    shown = judged.groups[: max(1, height - FRAME)]
    counts = {status: sum(each.verdict.status == status for each in judged.groups) for status in STATUSES}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no groups"
    more = f"; {len(judged.groups) - len(shown)} more" if len(shown) < len(judged.groups) else ""
    at = datetime.fromtimestamp(judged.poll.at / 1000, CHINA)
    caption = f"{at:%H:%M:%S}  {summary}{more}{note}"
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption=escape(caption), caption_justify="left", expand=True)
    for header in ("status", "group"):
        table.add_column(header, no_wrap=True)
    for header in ("lag", "since"):
        table.add_column(header, no_wrap=True, justify="right")
    table.add_column("trend", no_wrap=True, min_width=TREND)
    table.add_column("why", no_wrap=True, overflow="ellipsis", ratio=1)
    for group in shown:
        status, name = group.verdict.status, group.sample.name
        cells = (name, f"{group.lag:,}", _age(group.seconds), trends.line(name), group.verdict.reason)
        table.add_row(f"[{COLOURS[status]}]{status}[/]", *map(escape, cells))
    return table


class Changes:
    """What has changed since the poll before: groups that came, went, or are judged by another rule."""

    def __init__(self) -> None:
        self._rules: dict[str, int] = {}

    def take(self, judged: Judged) -> list[dict[str, object]]:
        """One more poll; returns a record for each change, the worst first."""
        rules = {group.sample.name: group.verdict.rule for group in judged.groups}
        changed: list[dict[str, object]] = [
            {
                "at": judged.poll.at,
                "group": group.sample.name,
                "status": group.verdict.status,
                "rule": group.verdict.rule,
                "lag": group.lag,
                "lag_seconds": group.seconds,
                "reason": group.verdict.reason,
            }
            for group in judged.groups
            if self._rules.get(group.sample.name) != group.verdict.rule
        ]
        gone: list[dict[str, object]] = [
            {"at": judged.poll.at, "group": name, "status": "gone", "rule": None, "lag": None, "lag_seconds": None,
             "reason": "Kafka does not know the group any more"}
            for name in sorted(set(self._rules) - set(rules))
        ]  # fmt: skip
        self._rules = rules
        return [*changed, *gone]
