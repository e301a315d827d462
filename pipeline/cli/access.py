"""`hedx access`: the access log of a party, or of the center (Art. 11)."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from pipeline.center.installation import Installation
from pipeline.center.opening import ACCESS_LOG
from pipeline.cli import options
from pipeline.cli.output import emit
from pipeline.domain.parties import CENTER, is_provider
from pipeline.province import access
from pipeline.province.access import AccessEntry
from pipeline.province.database import access_log, connect
from pipeline.settings import data_dir
from pipeline.stages.clock import local_time


def _owner(_: click.Context, __: click.Parameter, text: str) -> str:
    if text != CENTER and not is_provider(text):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, 00 for 部中心, or center")
    return text


@click.group()
def command() -> None:
    """The access log: every opening, reading and export, for whom and for which purpose."""


@command.command("list")
@click.option("--application", "application_id", help="Only what was done with this application.")
@click.option("--party", envvar="HEDX_PARTY", required=True, callback=_owner, help="Whose log (or HEDX_PARTY).")
@options.as_json
def list_(application_id: str | None, party: str, as_json: bool) -> None:
    """List the log in order. It has no gaps: a number that is missing was taken out."""
    installation = Installation(data_dir())
    if party == CENTER:
        connection = access_log(installation.party(CENTER) / ACCESS_LOG)
    else:
        connection = connect(installation.store(party))
    with closing(connection):
        found = access.entries(connection, application_id)
    emit([_data(entry) if as_json else _words(entry) for entry in found], as_json)


def _data(entry: AccessEntry) -> dict[str, Any]:
    names = ("number", "at", "actor", "act", "application_id", "requester", "unit", "purpose", "detail")
    return {name: getattr(entry, name) for name in names}


def _words(entry: AccessEntry) -> dict[str, object]:
    """For a terminal."""
    detail = ", ".join(f"{name} {value}" for name, value in entry.detail.items())
    return {**_data(entry), "at": local_time(entry.at), "detail": detail}
