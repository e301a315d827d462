"""Which Kafka a command talks to, and as whom."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.kafka.clients import Extra
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.security import client_security
from pipeline.settings import broker_dir, data_dir

OPERATOR = "admin"
"""The principal that may change the cluster."""


def resolve(value: str | None) -> str:
    """The cluster named, else the embedded broker that runs. Raises ConfigError when none does."""
    return value or EmbeddedBroker(broker_dir()).bootstrap


def _resolve(_: click.Context, __: click.Parameter, value: str | None) -> str:
    return resolve(value)


bootstrap = click.option(
    "--bootstrap",
    envvar="HEDX_BOOTSTRAP",
    metavar="HOST:PORT",
    callback=_resolve,
    help="The cluster; by default HEDX_BOOTSTRAP, else the embedded broker that runs.",
)
"""Gives the command `bootstrap: str`. A ConfigError says what to do when no broker is named and none runs."""

bootstrap_later = click.option(
    "--bootstrap",
    envvar="HEDX_BOOTSTRAP",
    metavar="HOST:PORT",
    help="The cluster, where one is needed; by default HEDX_BOOTSTRAP, else the embedded broker that runs.",
)
"""Gives the command `bootstrap: str | None`, to `resolve` when the cluster is needed."""


def transport(principal: str) -> Path:
    """Folder of a principal's TLS files in HEDX_HOME."""
    return Installation(data_dir()).transport(principal)


def security(*principals: str) -> Extra:
    """Client settings as the first of `principals` whose TLS files are in HEDX_HOME.

    Raises ConfigError, naming the first one's folder, when none is there and `HEDX_SECURITY` is not `plaintext`.
    """
    folders = [transport(principal) for principal in principals]
    return client_security(next(filter(Path.is_dir, folders), folders[0]))


def readers_security() -> Extra:
    """Client settings for a command that only reads what all parties may read: as any principal of this machine."""
    parties = sorted(path.name for path in transport("").glob("P*"))
    return security("center", "ops", *parties)
