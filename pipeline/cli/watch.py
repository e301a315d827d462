"""`hedx watch`: what is going on, from lifecycle events: on the terminal, in a pipe, or over HTTP for the console and Prometheus."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click
from rich.live import Live

from pipeline import logs
from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.output import console, emit, remark, table
from pipeline.cli.watch_screen import Document, document, drawn, tables, totals
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import is_plaintext
from pipeline.ops.listening import parse_address
from pipeline.ops.targets import announced, targets_folder
from pipeline.ops.watch_service import WatchService
from pipeline.settings import data_dir

REFRESH = 1.0
"""Seconds between two looks at the figures."""
PROCESS = "watch"
DAYS = 30.0


@click.command()
@cluster.bootstrap
@click.option("--once", is_flag=True, help="Read what is there, print the figures and end.")
@click.option("--serve", metavar="HOST:PORT", help="Serve /api/watch/…, /metrics and /healthz there, as `monitor`.")
@click.option(
    "--since",
    "days",
    type=click.FloatRange(min=0),
    default=DAYS,
    show_default=True,
    metavar="DAYS",
    help="Read events from so many days ago on; 0: from the topic's start.",
)
@options.as_json
def command(bootstrap: str, once: bool, serve: str | None, days: float, as_json: bool) -> None:
    """Show rates, latencies, providers' punctuality, stuck applications and deadlines at risk, from hedx.events.

    On a terminal a picture that renews itself; in a pipe a line a second where something changed, with --json an object.
    """
    if once and serve:
        raise click.UsageError("--once and --serve are two ways to run: give one")
    if serve:
        logs.configure(PROCESS)
    for name in ("faust", "aiokafka"):  # their start-up warnings are about what is switched off here
        logging.getLogger(name).setLevel(logging.ERROR)
    principal = None if is_plaintext() else cluster.transport("ops")
    asyncio.run(_run(bootstrap, WatchService, once, serve, days or None, principal, as_json))


async def _run(
    bootstrap: str,
    make: Callable[..., WatchService],
    once: bool,
    serve: str | None,
    days: float | None,
    principal: Any,
    as_json: bool,
) -> None:
    service = make(bootstrap, wall_clock, days=days, principal=principal)
    async with service.watch:
        if once:
            await service.watch.until_end()
            _print_once(document(service), as_json)
        elif serve:
            await _serve(service, serve)
        else:
            remark(f"watching {bootstrap}; Ctrl-C ends it")
            live = sys.stdout.isatty() and not as_json
            await (_draw(service) if live else _print(service, as_json))


async def _serve(service: WatchService, where: str) -> None:
    """Until Ctrl-C or SIGTERM, or what makes the watch crash."""
    monitor = cluster.transport("monitor")
    async with service.served(parse_address(where), monitor, Installation(data_dir()).newest_crl) as address:
        scheme = "http" if is_plaintext() else "https"
        with announced(targets_folder(data_dir()), PROCESS, address):
            remark(f"the watch is served at {scheme}://{address}/api/watch/summary; Ctrl-C ends it")
            await _until_stopped(_waiting(service))


async def _waiting(service: WatchService) -> None:
    while True:
        await service.wait(REFRESH)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """End `work` on a signal; raise what it raises."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _draw(service: WatchService) -> None:
    screen = console(sys.stdout)
    with Live(console=screen, auto_refresh=False, screen=True, vertical_overflow="crop") as live:
        while True:
            live.update(drawn(document(service), screen.height), refresh=True)
            await service.wait(REFRESH)


async def _print(service: WatchService, as_json: bool) -> None:
    """The summary, whenever something was counted."""
    shown: Document | None = None
    while True:
        found = document(service)
        told = {key: found[key] for key in ("events", "duplicates", "unreadable", "summary")}
        counted = {**told, "summary": {**told["summary"], "now": None}}
        if counted != shown:
            emit(told if as_json else totals(found), as_json)
            sys.stdout.flush()
            shown = counted
        await service.wait(REFRESH)


def _print_once(found: Document, as_json: bool) -> None:
    if as_json:
        emit(found, as_json)
        return
    emit(totals(found), as_json)
    for title, heads, rows in tables(found):
        table(heads, rows, title)
