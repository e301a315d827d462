"""`hedx signer`: a party's private keys in a process of their own."""

from __future__ import annotations

import click

from pipeline import logs
from pipeline.center.installation import Installation
from pipeline.cli import options
from pipeline.cli.output import emit
from pipeline.cli.stopping import stop_on_signals
from pipeline.settings import data_dir
from pipeline.signer.client import SOCKET, open_identity


@click.group()
def command() -> None:
    """A party's private keys, used in a process that hands none of them out.

    Every worker starts one for itself. `run` is for keys that belong to another Unix user than the workers.
    """


@command.command()
@options.member
@click.option("--user", "users", multiple=True, help="A user whose workers may use the keys (repeatable).")
def run(party: str, users: tuple[str, ...]) -> None:
    """Listen on parties/<party>/signer.sock until stopped; workers find it there."""
    from pipeline.signer import daemon

    logs.configure(f"signer.{party}", structured=False)
    installation = Installation(data_dir())
    stop = stop_on_signals()
    daemon.run(installation.identity_folder(party), installation.party(party) / SOCKET, users, stop.is_set)


@command.command()
@options.member
@options.as_json
def status(party: str, as_json: bool) -> None:
    """Start or find a party's signer and show how well its memory is protected."""
    with open_identity(Installation(data_dir()).identity_folder(party)) as identity:
        dumpable, core, locked = identity.protection()
    emit({"party": identity.party, "dumpable": dumpable, "core_limit": core, "memory_locked": locked}, as_json)
