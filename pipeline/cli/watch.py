"""`hedx watch`: lifecycle events by minute and stage, as they come."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import click
from rich.live import Live
from rich.table import Table

from pipeline.cli import cluster, options
from pipeline.cli.output import console, emit, remark, table
from pipeline.ops.tally import Row, Tally
from pipeline.ops.watch import Watch

REFRESH = 1.0
"""Seconds between two looks at the counts."""
FRAME = 6
"""Lines of a terminal that the table's rows cannot have."""


@click.command()
@cluster.bootstrap
@click.option("--once", is_flag=True, help="Read what is there, print the counts and end.")
@options.as_json
def command(bootstrap: str, once: bool, as_json: bool) -> None:
    """Count lifecycle events by minute (UTC), stage and kind, from the start of hedx.events.

    On a terminal a table that renews itself; in a pipe the rows that changed, once a second. With --json one object
    for each row that changed, or with --once one object for all.
    """
    logging.getLogger("faust").setLevel(logging.ERROR)  # its start-up warnings are about what is switched off here
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    directory = cluster.transport("ops")
    asyncio.run(_once(bootstrap, directory, as_json) if once else _follow(bootstrap, directory, as_json))


async def _once(bootstrap: str, directory: Path | None, as_json: bool) -> None:
    tally = Tally()
    async with Watch(bootstrap, tally, principal=directory) as watch:
        await watch.until_end()
    rows = list(tally.rows())
    if as_json:
        emit({**_totals(tally), "counts": [row._asdict() for row in rows]}, as_json)
        return
    if rows:
        table(Row._fields, rows)
    emit(_totals(tally), as_json)


async def _follow(bootstrap: str, directory: Path | None, as_json: bool) -> None:
    tally = Tally()
    async with Watch(bootstrap, tally, principal=directory) as watch:
        remark(f"watching {bootstrap}; Ctrl-C ends it")
        if sys.stdout.isatty() and not as_json:
            await _draw(watch, tally)
        else:
            await _print(watch, tally, as_json)


async def _draw(watch: Watch, tally: Tally) -> None:
    screen = console(sys.stdout)
    with Live(console=screen, auto_refresh=False) as live:
        while True:
            live.update(_drawn(tally, max(1, screen.height - FRAME)), refresh=True)
            await watch.wait(REFRESH)


def _drawn(tally: Tally, height: int) -> Table:
    """The newest rows that fit."""
    totals = ", ".join(f"{count} {name}" for name, count in _totals(tally).items() if count)
    drawn = Table(*Row._fields, caption=totals or "no events yet", caption_justify="left")
    for row in list(tally.rows())[-height:]:
        drawn.add_row(*map(str, row))
    return drawn


async def _print(watch: Watch, tally: Tally, as_json: bool) -> None:
    """A line for each row whenever it changed."""
    shown: set[Row] = set()
    while True:
        rows = set(tally.rows())
        for row in sorted(rows - shown):
            if as_json:
                emit(row._asdict(), as_json)
            else:
                emit(f"{row.minute}  {row.stage:<14} {row.kind:<28} {row.events:>8} {row.concerned:>10}", as_json)
        shown = rows
        await watch.wait(REFRESH)


def _totals(tally: Tally) -> dict[str, int]:
    """What there is to say of all events together; unreadable ones are the producer's defect, so they show."""
    return {"events": tally.events, "duplicates": tally.duplicates, "unreadable": tally.unreadable.total()}
