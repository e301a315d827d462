"""`hedx apply`: applications (查询申请), from the requester's side."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from pipeline.cli import copying, filing, forms, handover, options, rechecking, withdrawing
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit
from pipeline.domain.parties import PROVINCES, provider_from
from pipeline.domain.records import Fault
from pipeline.domain.wording import Language, explain, explain_reason, label, location
from pipeline.kafka.clock import wall_clock
from pipeline.province.catalog_files import load_release
from pipeline.province.evidence_files import read_folder
from pipeline.province.evidence_filing import with_evidence
from pipeline.province.forms import LoadedForm, load_form
from pipeline.province.rule_files import load_rule_book
from pipeline.settings import data_dir
from pipeline.stages.clock import local_date

_FILE = click.Path(path_type=Path)
_SAID: Final = {
    "zh": (
        "检查通过：{persons} 人，{households} 户，附表 {rows} 行。",
        "发现 {faults} 处错误，申请未提交。",
    ),
    "en": (
        "Checked and sound: {persons} persons, {households} households, {rows} schedule rows.",
        "{faults} faults; nothing was filed.",
    ),
}
_HELD: Final = {
    "zh": "提交后须经部中心人工审核，原因：",
    "en": "Once filed it will be held for an officer of the center, because:",
}


@click.group()
def command() -> None:
    """Applications (查询申请), from the requester's side."""


def _province(_: click.Context, __: click.Parameter, text: str) -> str:
    try:
        code = provider_from(text)
    except ValueError:
        code = ""
    if code not in PROVINCES:
        raise click.BadParameter(f"{text} is not a province: give its code or name, e.g. 37 or 山东")
    return code


party_option = click.option(
    "--party", envvar="HEDX_PARTY", required=True, callback=_province, help="The province that asks (or HEDX_PARTY)."
)


@command.command()
@click.argument("form", type=_FILE)
@click.option(
    "--roster", type=_FILE, help="The persons asked about, CSV or XLSX; not needed where FORM has a sheet 名单."
)
@click.option(
    "--catalog", type=click.Path(path_type=Path, exists=True), multiple=True, required=True,
    help="A party's catalog file, or a folder of them (repeatable).",
)  # fmt: skip
@click.option("--evidence", type=_FILE, help="A folder with the documents (查询依据性文件): what is missing is told.")
@party_option
@options.lang
@options.as_json
def check(
    form: Path,
    roster: Path | None,
    catalog: Sequence[Path],
    evidence: Path | None,
    party: str,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Check a FORM (YAML or XLSX) and its roster; list every fault of both at once. Files nothing."""
    loaded = load_form(
        form,
        roster,
        release=load_release(catalog),
        today=local_date(wall_clock()),
        requester=party,
        application_id=str(uuid.uuid4()),
        rules=load_rule_book(data_dir() / "rules").for_party(party),
    )
    if evidence is not None:
        loaded = with_evidence(loaded, read_folder(evidence))
    emit(as_data(loaded, lang) if as_json else "\n".join(as_report(loaded, lang)), as_json)
    return Exit.FAILED if loaded.faults else Exit.FINE


def as_data(loaded: LoadedForm, lang: Language) -> dict[str, object]:
    """The result of a check for a program: ok, counts, and the faults with their wording."""
    return {
        "ok": not loaded.faults,
        "persons": loaded.persons_read,
        "households": len({person["household"] for person in loaded.roster}),
        "schedule_rows": len(loaded.application["schedule"]) if loaded.application else 0,
        "faults": [{**fault, "message": explain(fault, lang)} for fault in loaded.faults],
        "held": [{**fault, "message": explain(fault, lang)} for fault in loaded.held],
    }


def as_report(loaded: LoadedForm, lang: Language) -> list[str]:
    """The result of a check for a reader: one line when it is sound, else the faults under form, schedule, roster."""
    fine, faulty = _SAID[lang]
    if loaded.application is not None:
        households = len({person["household"] for person in loaded.roster})
        rows = len(loaded.application["schedule"])
        return [fine.format(persons=len(loaded.roster), households=households, rows=rows), *held_lines(loaded, lang)]
    lines = [faulty.format(faults=len(loaded.faults))]
    for part in ("form", "schedule", "roster", "evidence"):
        found = [fault for fault in loaded.faults if _part(fault) == part]
        if found:
            lines += ["", f"{label(part, lang)} ({len(found)})"]
            lines += [f"  {_line(fault, part, lang)}" for fault in found]
    return lines


def held_lines(loaded: LoadedForm, lang: Language) -> list[str]:
    """That an officer of the center will decide, and why; nothing when it starts by itself."""
    if not loaded.held:
        return []
    return [_HELD[lang], *(f"  {explain(fault, lang)}" for fault in loaded.held)]


def _part(fault: Fault) -> str:
    if fault["number"] is not None:
        return "roster"
    if fault["row"] is not None:
        return "schedule"
    return next(
        (part for part in ("schedule", "roster", "evidence") if location(fault, "en") == label(part, "en")), "form"
    )


def _line(fault: Fault, part: str, lang: Language) -> str:
    return explain_reason(fault, lang) if location(fault, lang) == label(part, lang) else explain(fault, lang)


command.add_command(filing.submit)
command.add_command(filing.status)
command.add_command(forms.form)
command.add_command(copying.copy)
command.add_command(rechecking.recheck)
command.add_command(rechecking.differences)
command.add_command(handover.export)
command.add_command(handover.shred)
command.add_command(withdrawing.withdraw)
command.add_command(withdrawing.extension)
