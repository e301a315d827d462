"""`hedx metrics`: which figures there are, and a Prometheus that collects them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import options
from pipeline.cli.output import emit, remark
from pipeline.domain.errors import ConfigError
from pipeline.kafka.security import is_plaintext
from pipeline.ops import prometheus_files
from pipeline.ops.metric_names import METRICS
from pipeline.settings import data_dir


@click.group()
def command() -> None:
    """Figures of every process: their names, and what Prometheus needs to collect them.

    A process gives them where HEDX_METRICS=HOST:PORT says (port 0: any free one), over mutual TLS.
    """


@command.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """Name, kind, source, labels and meaning of every metric (docs/metrics.md)."""
    rows = [asdict(metric) for metric in METRICS]
    if not as_json:
        rows = [
            {"name": row["name"], "kind": row["kind"], "source": row["source"], "labels": " ".join(row["labels"])}
            for row in rows
        ]
    emit(rows, as_json)


@command.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Where to write them; made where it is missing, closed to others.",
)
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Rules to evaluate, a file or a folder of *.yml, such as deploy/prometheus/rules; may be given again.",
)
@click.option(
    "--interval", type=click.IntRange(1, 3600), default=15, show_default=True, help="Seconds between two scrapes."
)
@options.as_json
def prometheus(out: Path, rules: tuple[Path, ...], interval: int, as_json: bool) -> None:
    """Write prometheus.yml for the processes of HEDX_HOME, and monitor's certificate with a key that Prometheus can read."""
    if not data_dir().is_dir():
        raise ConfigError(f"{data_dir()} is not there: set HEDX_HOME to the folder of this installation")
    written = prometheus_files.write(Installation(data_dir()), out, rules, interval)
    if not is_plaintext():
        remark(
            f"{out / prometheus_files.KEY} lies in clear: whoever reads it can fetch this exchange's figures and pass for a "
            "server of them, and, where brokers share a name with it, of Kafka, until hedx doctor says so. It has no right on Kafka, and "
            "neither reads nor signs a message. Give monitor's certificate names that no broker has."
        )
    files = [str(path) for path in written]
    emit({"files": files} if as_json else files, as_json)
