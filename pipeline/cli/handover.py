"""`hedx apply export | shred`: results to the entrusting unit, and what an application leaves when it is done with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import options
from pipeline.cli.filing import offline_trust
from pipeline.cli.output import emit, remark
from pipeline.kafka.clock import wall_clock
from pipeline.province import shredding
from pipeline.province.casefile import CaseFile
from pipeline.province.database import connect
from pipeline.province.handover import Kind, hand_over, hand_over_partial, hand_over_sealed, refuse_partial_pack
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages.clock import local_time


@contextmanager
def opened_case(party: str, application_id: str) -> Iterator[CaseFile]:
    """An application in the party's store, with the identity that opens it, for as long as the block."""
    installation = Installation(data_dir())
    with (
        open_identity(installation.identity_folder(party)) as identity,
        closing(connect(installation.store(party))) as connection,
    ):
        yield CaseFile(connection, application_id, offline_trust(installation, party), identity)


@click.command()
@click.argument("application_id")
@click.option("--unit", required=True, help="The entrusting unit (委托单位) that gets it, as the application names it.")
@click.option("--purpose", help="The purpose (用途), to be held against the application's.")
@click.option("--sealed", is_flag=True, help="A pack for the unit that holds the reply key: hedx unit open.")
@click.option("--partial", is_flag=True, help="What is here before the certificate, every part of it marked.")
@click.option("--format", "kind", type=click.Choice(["json", "csv"]), default="json", help="What to write.")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="The file to write.")
@options.party
@options.as_json
def export(
    application_id: str,
    unit: str,
    purpose: str | None,
    sealed: bool,
    partial: bool,
    kind: Kind,
    output: Path,
    party: str,
    as_json: bool,
) -> None:
    """Write the dossiers of a complete application, for the entrusting unit it was filed for and no other (Art. 11).

    Its certificate is verified first; before there is one, only --partial writes anything, and says on every part that it
    is not the result. Every export is in the access log, and so is every one that is refused.
    """
    with opened_case(party, application_id) as case:
        if sealed and partial:
            refuse_partial_pack(case)
        if partial:
            handed = hand_over_partial(case, output, kind, unit=unit, purpose=purpose)
        elif sealed:
            handed = hand_over_sealed(case, output, unit=unit, purpose=purpose)
        else:
            handed = hand_over(case, output, kind, unit=unit, purpose=purpose)
    found: dict[str, object] = {"file": str(output), "sha256": handed.sha256, "access": handed.number}
    emit(found if sealed else {"dossiers": handed.households, **found}, as_json)


@click.command()
@click.argument("application_id")
@click.option("--yes", is_flag=True, help="Do not ask for the application's id again.")
@options.party
@options.as_json
def shred(application_id: str, yes: bool, party: str, as_json: bool) -> None:
    """Destroy the keys of an application and what they open: reply key, salts, persons, form, answers.

    Mandate, acceptance, certificates and digests stay, and still verify. Lists the files that were exported: they are out
    of reach, and so are back-ups of the folder `keys`.
    """
    if not yes and click.prompt("this cannot be undone; type the application's id", err=True) != application_id:
        raise click.UsageError("not the application's id; nothing was destroyed")
    with opened_case(party, application_id) as case:
        exports = shredding.shred(case, wall_clock())
    if exports:
        remark(f"{len(exports)} exported files are out of reach:")
    files = [
        {"file": e.path, "unit": e.unit, "at": e.at if as_json else local_time(e.at), "act": e.act, "sha256": e.sha256}
        for e in exports
    ]
    if as_json:
        emit({"application_id": application_id, "state": "shredded", "out_of_reach": files}, as_json)
    else:
        emit(files or "shredded; nothing of it was exported", as_json)
