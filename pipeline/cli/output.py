"""How commands speak: data on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline.domain.printing import visible, visible_json
from pipeline.settings import Language

PIPE_WIDTH = 1_000
"""Columns assumed when nobody looks: a table is then as wide as its content, never folded."""
QUIET_SECONDS = 2.0
"""Least time between two progress lines in a pipe."""


def console(stream: TextIO) -> Console:
    """A console on `stream` that fits the terminal, or folds nothing in a pipe.

    It takes texts as they are: a fingerprint with `:AB:` in it has no emoji.
    """
    return Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False, emoji=False)


def emit(data: object, as_json: bool) -> None:
    """Print a command's result: one line of JSON, or for a reader.

    For a reader a mapping is `name  value` lines (a list of texts one below the other), a list of mappings a table with
    the first one's keys as headers, anything else its text.
    """
    if as_json:
        click.echo(visible_json(json.dumps(data, ensure_ascii=False, default=_plain)))
    elif isinstance(data, Mapping):
        names = {name: _cell(name) for name in data}
        width = max(map(cell_len, names.values()), default=0)
        below = "\n" + " " * (width + 2)
        for name, value in data.items():
            margin = " " * (width - cell_len(names[name]) + 2)
            click.echo(f"{names[name]}{margin}{below.join(_lines(value))}")
    elif isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
        headers = list(data[0])
        table(headers, ([row.get(name) for name in headers] for row in data))
    elif isinstance(data, Sequence) and not isinstance(data, str):
        for item in data:
            click.echo(_cell(item))
    else:
        click.echo(_cell(data, keep="\n"))


def emit_list(rows: Sequence[object], as_json: bool, lang: Language) -> None:
    """Print a list as `emit` does; that there is nothing in it is said on stderr, so that silence never means a fault."""
    emit(rows, as_json)
    if not rows and not as_json:
        remark("没有" if lang == "zh" else "none")


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print rows aligned under headers on stdout; Chinese counts two columns a character."""
    drawn = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for header in headers:
        drawn.add_column(escape(visible(header)), overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(_cell(value)) for value in row))
    console(sys.stdout).print(drawn)


def remark(text: str) -> None:
    """One line for the person watching, on stderr."""
    click.echo(visible(text, keep="\n"), err=True)


@contextmanager
def progress(total: int | None, label: str) -> Iterator[Callable[[int], None]]:
    """Show how far something is, on stderr; the block gets a function that takes the number done so far.

    A moving bar on a terminal; in a pipe plain lines, at most one in two seconds, and one at the end.
    `total` None: nobody knows yet how many there will be.
    """
    if sys.stderr.isatty():
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        with Progress(*columns, console=console(sys.stderr)) as bar:
            task = bar.add_task(escape(label), total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        lines = _Lines(total, label)
        try:
            yield lines.show
        finally:
            lines.end()


class _Lines:
    """Progress as plain lines."""

    def __init__(self, total: int | None, label: str) -> None:
        self._of = "" if total is None else f"/{total}"
        self._label = label
        self._started = self._last = time.monotonic()
        self._done = 0

    def show(self, done: int) -> None:
        self._done = done
        if time.monotonic() - self._last >= QUIET_SECONDS:
            self._last = time.monotonic()
            remark(f"{self._label}: {done}{self._of}")

    def end(self) -> None:
        remark(f"{self._label}: {self._done}{self._of} in {time.monotonic() - self._started:.1f} s")


def _lines(value: object) -> list[str]:
    """A mapping's value: a list of texts has a line for each."""
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        return [visible(text) for text in value]
    return [_cell(value)]


def _cell(value: object, keep: str = "") -> str:
    """Some of it was written by others: what nobody can see is written out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list | tuple):
        return visible_json(json.dumps(value, ensure_ascii=False, default=_plain))
    return visible(str(value), keep)


def _plain(value: object) -> str:
    """JSON has no bytes, dates or paths: hex for the first, text for the rest."""
    return value.hex() if isinstance(value, bytes) else str(value)
