"""`hedx backup`: a copy of this installation's folder, and an installation out of a copy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from pipeline.cli import options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.ops import backup
from pipeline.settings import data_dir

_copy = click.argument("copy", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER")


@click.group()
def command() -> None:
    """Back-ups of HEDX_HOME (docs/backup.md): made while everything runs, checked, restored into an empty folder."""


@command.command()
@_copy
@options.as_json
def make(copy: Path, as_json: bool) -> None:
    """Bring the copy in FOLDER up to this installation. Passphrases are not in it: keep them apart."""
    if not data_dir().is_dir():
        raise ConfigError(f"{data_dir()} is not there: set HEDX_HOME to the folder of this installation")
    made = backup.make(data_dir(), copy, wall_clock())
    emit(asdict(made) if as_json else {**asdict(made), "apart": len(made.apart)}, as_json)
    if not as_json:
        remark("not in the copy, and needed with it: " + ", ".join(made.apart))


@command.command()
@_copy
@options.as_json
def check(copy: Path, as_json: bool) -> Exit:
    """Look at every file of the copy in FOLDER; exits 2 when something is missing, altered or damaged."""
    faults = list(backup.check(copy))
    emit({"sound": not faults, "faults": faults} if as_json else faults or ["sound"], as_json)
    return Exit.DRIFT if faults else Exit.FINE


@command.command()
@_copy
@options.as_json
def restore(copy: Path, as_json: bool) -> None:
    """Make an installation in HEDX_HOME, which must be empty, out of the copy in FOLDER; tells what is to be put there besides."""
    apart = backup.restore(copy, data_dir())
    emit({"restored": str(data_dir()), "apart": apart} if as_json else apart, as_json)
    if not as_json:
        remark(f"restored into {data_dir()}; these come from where they are kept apart, mode 0600")
