"""`hedx lag`: how far behind every consumer group is; once, live, or as an exporter for Prometheus and the console."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection
from contextlib import closing

import click
from confluent_kafka import KafkaException
from rich.live import Live

from pipeline import logs
from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.lag_view import Changes, Row, Trends, drawn, rows
from pipeline.cli.output import console, emit, remark, table
from pipeline.cli.stopping import stop_on_signals
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clients import Extra
from pipeline.kafka.topology import TOPICS_FILE, Topology, load
from pipeline.ops.lag_expected import expected_groups
from pipeline.ops.lag_history import History
from pipeline.ops.lag_parties import JoinedParties
from pipeline.ops.lag_poll import Poller, Scope, brokers_clock
from pipeline.ops.lag_report import document
from pipeline.ops.lag_rules import Limits
from pipeline.ops.lag_samples import Poll
from pipeline.ops.lag_service import LagService
from pipeline.ops.listening import parse_address
from pipeline.ops.serving import Serving
from pipeline.ops.targets import announced, targets_folder
from pipeline.settings import data_dir

WATCH_EVERY, SERVE_EVERY = 2.0, 10.0
"""Seconds between two polls, unless `--every` says otherwise."""
LOOK = 0.5
"""Seconds after which a served exporter looks whether it is to end."""
PROCESS = "lag"


@click.command()
@cluster.bootstrap
@click.option("--watch", "live", is_flag=True, help="Live: a table that renews itself; in a pipe, what changes.")
@click.option("--serve", metavar="HOST:PORT", help="Serve /metrics, /api/lag and /healthz there, as `monitor`.")
@click.option("--every", type=click.FloatRange(min=0.5), metavar="SECONDS", help="Between two polls. [2; --serve: 10]")
@click.option(
    "--late", type=float, default=Limits().late, metavar="SECONDS", show_default=True, help="Limit of rule 7."
)
@click.option(
    "--stalled", type=float, default=Limits().stalled, metavar="SECONDS", show_default=True, help="Limit of rule 3."
)
@options.as_json
def command(
    bootstrap: str, live: bool, serve: str | None, every: float | None, late: float, stalled: float, as_json: bool
) -> Exit:
    """Show how far behind every consumer group is, in offsets and seconds, and which is not all right and why.

    Groups are expected of the parties that have joined (hedx.trust) and are not suspended; where no anchor is, of
    HEDX_PARTIES or all of topics.yaml. Exits 10 when a group is not all right. One look has no past: that a group does not get on takes --watch or --serve to tell.
    """
    if live and serve:
        raise click.UsageError("--watch and --serve are two ways to run: give one")
    topology = load(TOPICS_FILE)
    extra = cluster.security("ops", "admin")
    scope = Scope(topology.cluster.prefix, expected_groups(()))
    with Poller(bootstrap, scope, extra) as poller, closing(Expected(bootstrap, topology, extra)) as expected:

        def poll() -> Poll:
            poller.scope = Scope(topology.cluster.prefix, expected_groups(expected.parties()))
            return poller.poll()

        period = every or (SERVE_EVERY if serve else WATCH_EVERY)
        history = History(Limits(late=late, stalled=stalled))
        service = LagService(poll, poller.replicas, history, topology.cluster.name, period, brokers_clock)
        if serve:
            return _serve(service, serve)
        if live:
            return _watch(service, as_json)
        return _once(poll, history, topology.cluster.name, as_json)


class Expected:
    """Whose groups are expected, anew at each poll: who has joined; where that is not to be known, who is named."""

    def __init__(self, bootstrap: str, topology: Topology, extra: Extra) -> None:
        installation = Installation(data_dir())
        self._joined = (
            JoinedParties(bootstrap, installation.anchor(), extra) if installation.is_set_up() else None
        )  # whoever set up the machine put the anchor there
        self._file = topology
        self._said = ""

    def parties(self) -> Collection[str]:
        """The parties. Raises KafkaException and Retryable when brokers do not answer at first."""
        if self._joined is None:
            return self._named("no anchor is here to read hedx.trust with")
        try:
            return self._joined.look()
        except ConfigError as error:
            return self._named(str(error))

    def close(self) -> None:
        """Let go of the connection."""
        if self._joined is not None:
            self._joined.close()

    def _named(self, why: str) -> Collection[str]:
        """Those of HEDX_PARTIES, else of topics.yaml; told once that it is not known who has joined."""
        codes = os.environ.get("HEDX_PARTIES", "")
        named = [code.strip() for code in codes.split(",") if code.strip()]
        if self._said != why:
            self._said = why
            remark(f"{why}: groups are expected of {'HEDX_PARTIES' if named else 'all parties of topics.yaml'}")
        return named or self._file.parties


def _once(poll: Callable[[], Poll], history: History, name: str, as_json: bool) -> Exit:
    try:
        judged = history.judge(poll())
    except KafkaException as error:
        raise ConfigError(f"the brokers do not tell: {error.args[0].str()}") from error
    if as_json:
        emit(document(judged, name), as_json)
    else:
        table(Row._fields, rows(judged))
    return Exit.FINE if judged.healthy else Exit.UNHEALTHY


def _watch(service: LagService, as_json: bool) -> Exit:
    """Poll until Ctrl-C or SIGTERM."""
    stop = stop_on_signals()
    screen = console(sys.stdout)
    if not sys.stdout.isatty() or as_json:
        changes = Changes()
        while not stop.is_set():
            service.once()
            if service.judged is not None:
                for change in changes.take(service.judged):
                    _line(change, as_json)
            stop.wait(service.every)
        return Exit.FINE
    trends = Trends()
    with Live(console=screen, auto_refresh=False, screen=True, vertical_overflow="crop") as display:
        while not stop.is_set():
            started = time.monotonic()
            service.once()
            if service.judged is not None:
                trends.take(service.judged)
                note = f"; {service.failures} polls failed" if service.failures else "; Ctrl-C ends it"
                display.update(drawn(service.judged, trends, screen.height, note), refresh=True)
            stop.wait(max(0.0, service.every - (time.monotonic() - started)))
    return Exit.FINE


def _line(change: dict[str, object], as_json: bool) -> None:
    if as_json:
        emit(change, as_json)
    else:
        emit(f"{change['status']!s:<8} {change['group']!s:<28} {change['lag'] or 0!s:>8}  {change['reason']}", as_json)
    sys.stdout.flush()


def _serve(service: LagService, where: str) -> Exit:
    """Serve until Ctrl-C or SIGTERM."""
    logs.configure(PROCESS)
    stop = stop_on_signals()
    with (
        Serving(parse_address(where), service.routes(), cluster.transport("monitor")) as serving,
        announced(targets_folder(data_dir()), PROCESS, serving.address),
        service,
    ):
        remark(f"lag is served at {serving.scheme}://{serving.address}/metrics; Ctrl-C ends it")
        while not stop.is_set():
            service.wait(LOOK)
    return Exit.FINE
