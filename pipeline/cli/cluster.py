"""The option that says which Kafka a command talks to."""

from __future__ import annotations

import click

from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.settings import broker_dir


def _resolve(_: click.Context, __: click.Parameter, value: str | None) -> str:
    return value or EmbeddedBroker(broker_dir()).bootstrap


bootstrap = click.option(
    "--bootstrap",
    envvar="HEDX_BOOTSTRAP",
    metavar="HOST:PORT",
    callback=_resolve,
    help="The cluster; by default HEDX_BOOTSTRAP, else the embedded broker that runs.",
)
"""Gives the command `bootstrap: str`. A ConfigError says what to do when no broker is named and none runs."""
