"""`hedx apply form`: the 查询申请 as a file: an empty one, a filed one again as YAML or workbook, and on paper (Art. 8)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from pipeline.cli import options
from pipeline.cli.handover import opened_case
from pipeline.cli.output import emit
from pipeline.crypto.keystore import write_durably
from pipeline.domain.errors import ConfigError
from pipeline.province.form_print import form_html
from pipeline.province.form_writing import form_yaml
from pipeline.province.form_xlsx_writing import form_workbook, template_workbook
from pipeline.province.handover import note_file

_OUTPUT = click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="The file to write.")


@click.group("form")
def form() -> None:
    """The form (查询申请, Art. 8 and annex) as a file: template, export, print."""


@form.command()
@_OUTPUT
@options.as_json
def template(output: Path, as_json: bool) -> None:
    """Write an empty form, a workbook with the annex's labels and notes, the schedule and a sheet for the roster."""
    if output.suffix.lower() != ".xlsx":
        raise click.BadParameter("the template is a workbook: give a file name that ends in .xlsx")
    if output.exists():
        raise ConfigError(f"{output} is there already; nothing was written")
    write_durably(output, template_workbook())
    emit({"file": str(output)}, as_json)


@form.command()
@click.argument("application_id")
@click.option("--format", "kind", type=click.Choice(["yaml", "xlsx"]), required=True, help="What to write.")
@click.option("--with-roster", is_flag=True, help="The persons, too, on the sheet 名单 (xlsx only).")
@_OUTPUT
@options.party
@options.lang
@options.as_json
def export(
    application_id: str,
    kind: Literal["yaml", "xlsx"],
    with_roster: bool,
    output: Path,
    party: str,
    lang: Literal["zh", "en"],
    as_json: bool,
) -> None:
    """Write the form of an application again, as a file that can be filed. Mode 0600; it is in the access log."""
    if with_roster and kind != "xlsx":
        raise click.UsageError("--with-roster writes a sheet: --format xlsx")
    with opened_case(party, application_id) as case:
        application = case.form()
        if kind == "yaml":
            content = form_yaml(application, lang=lang)
        else:
            persons = [person for section in case.roster() for person in section] if with_roster else None
            content = form_workbook(application, persons)
        handed = note_file(case, "form_exported", output, content, {"format": kind, "roster": with_roster})
    emit({"file": str(output), "sha256": handed.sha256, "access": handed.number}, as_json)


@form.command("print")
@click.argument("application_id")
@_OUTPUT
@options.party
@options.as_json
def print_(application_id: str, output: Path, party: str, as_json: bool) -> None:
    """Write the whole application for paper: one HTML page to be printed or saved as PDF. Mode 0600; in the access log."""
    with opened_case(party, application_id) as case:
        content = form_html(case.form()).encode()
        handed = note_file(case, "form_exported", output, content, {"format": "html", "roster": False})
    emit({"file": str(output), "sha256": handed.sha256, "access": handed.number}, as_json)
