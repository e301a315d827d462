"""`hedx schemas check | release | list | doc`: the Avro schemas as code."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path

import click

from pipeline.cli import options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.codec import reference, releases, schemas
from pipeline.codec.findings import Finding
from pipeline.domain.errors import ConfigError

_directory = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=schemas.directory,
    show_default="those of this installation",
    help="Folder of the .avsc files and released.json.",
)


@click.group()
def command() -> None:
    """Avro schemas as code: check them against the released versions, release new ones, print the reference."""


@command.command("check")
@_directory
@options.as_json
def check(directory: Path, as_json: bool) -> Exit:
    """Check every schema; exits 1 on a fault, 2 when all is well but a version is not released yet."""
    current, released = _read(directory)
    faults, pending = releases.check(current, released), releases.unreleased(current, released)
    if as_json:
        rows = [{"place": fault.place, "message": fault.message} for fault in faults]
        emit({"records": len(current.records), "faults": rows, "unreleased": pending}, as_json)
    else:
        emit([*map(str, faults), *(f"{name}: this version is not released" for name in pending)], as_json)
        emit({"records": len(current.records), "faults": len(faults), "unreleased": len(pending)}, as_json)
    return Exit.FAILED if faults else Exit.DRIFT if pending else Exit.FINE


@command.command("release")
@_directory
@click.option(
    "--replace", is_flag=True, help="Forget all earlier versions instead of staying compatible; before 1.0 only."
)
@options.as_json
def release(directory: Path, replace: bool, as_json: bool) -> Exit:
    """Pin the current versions in released.json, if they pass the check; exits 1 and pins nothing if they do not."""
    current, released = _read(directory)
    if replace:
        _refuse_after_1_0()
    faults = releases.check(current, {} if replace else released)
    if faults:
        _explain(faults)
        return Exit.FAILED
    pending = releases.unreleased(current, released)
    releases.save(
        directory / "released.json", releases.replaced(current) if replace else releases.extended(current, released)
    )
    emit({"released": pending}, as_json)
    return Exit.FINE


@command.command("list")
@_directory
@options.as_json
def show(directory: Path, as_json: bool) -> Exit:
    """Every record with its schema id, its number of fields and of released versions."""
    current, released = _read(directory)
    pending = releases.unreleased(current, released)
    rows = [
        {
            "record": name,
            "schema_id": current.fingerprint(name)[: schemas.ID_SIZE].hex(),
            "fields": len(current.sources[name]["fields"]),
            "released_versions": len(released.get(name, ())),
            "current_released": name not in pending,
        }
        for name in current.records
    ]
    emit(rows, as_json)
    return Exit.FINE


@command.command("doc")
@_directory
def doc(directory: Path) -> Exit:
    """Print the reference of all records and fields as Markdown (docs/records.md is made with it)."""
    click.echo(reference.markdown(schemas.SchemaSet.load(directory)), nl=False)
    return Exit.FINE


def _read(directory: Path) -> tuple[schemas.SchemaSet, dict[str, list[schemas.Schema]]]:
    return schemas.SchemaSet.load(directory), schemas.load_released(directory / "released.json")


def _explain(faults: list[Finding]) -> None:
    for fault in faults:
        remark(str(fault))
    remark(f"{len(faults)} faults; nothing was released")


def _refuse_after_1_0() -> None:
    version = installed_version("hedx")
    if int(version.partition(".")[0]) >= 1:
        raise ConfigError(
            f"--replace is for versions before 1.0, this is {version}: others hold data of released versions"
        )
