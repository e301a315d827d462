"""`hedx province`: one party's adapter."""

from __future__ import annotations

import logging

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.stopping import stop_on_signals
from pipeline.crypto.certificates import common_name
from pipeline.settings import data_dir


@click.group()
def command() -> None:
    """A province's adapter: outbox, provider, delivery. The center's own resources (部中心) are party 00."""


@command.command()
@options.party
@cluster.bootstrap
def run(party: str, bootstrap: str) -> None:
    """Run the adapter of one party until stopped: it sends, answers and receives."""
    from pipeline.app import run_province

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    run_province(
        party, Installation(data_dir()), bootstrap, stop_on_signals(), extra=cluster.security(common_name(party))
    )
