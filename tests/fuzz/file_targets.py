"""Targets that are files: what offices and operators write, in whatever encoding, with whatever program."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.domain.wording import explain
from pipeline.kafka import topology
from pipeline.kafka.topic_rules import validate
from pipeline.province.catalog_files import load_entries
from pipeline.province.form_xlsx_writing import form_workbook
from pipeline.province.forms import load_form, write_roster_csv
from pipeline.province.provider_files import load_provider
from pipeline.province.roster_files import read_roster
from pipeline.province.rule_files import base_file, load_base, load_own
from pipeline.province.text_files import YamlError, parse_yaml
from tests.fuzz import genuine, world
from tests.fuzz.harness import Target, misconfigured, must, proportionate
from tests.vectors import scenario


@cache
def folder() -> Path:
    """Where this process puts the files it reads."""
    return Path(_made().name)


@cache
def _made() -> TemporaryDirectory[str]:
    """Removed when the process ends."""
    return TemporaryDirectory(prefix="hedx-fuzz-")


def file(name: str, data: bytes) -> Path:
    """`data` as a file."""
    path = folder() / name
    path.write_bytes(data)
    return path


def read_application(data: bytes) -> None:
    """Form and roster, with a NUL line between: an application without faults, or faults with words for people."""
    form, _, roster = data.partition(b"\n\0\n")
    loaded = load_form(
        file("form.yaml", form),
        file("roster.csv", roster),
        release=world.release(),
        today=world.TODAY,
        requester="37",
        application_id=scenario.APPLICATION_ID,
    )
    must((loaded.application is None) == bool(loaded.faults), "half an application")
    for fault in loaded.faults:
        must(explain(fault), "a fault without words")
    said = sum(len(str(fault)) for fault in loaded.faults)
    proportionate(said, len(data), 2000)


def read_workbook(data: bytes) -> None:
    """A workbook whole, or the XML of its first sheet, which the harness packs into a sound one: as application-files."""
    path = file("form.xlsx", data if data.startswith(b"PK") else _packed(data))
    loaded = load_form(
        path,
        None,
        release=world.release(),
        today=world.TODAY,
        requester="37",
        application_id=scenario.APPLICATION_ID,
    )
    must((loaded.application is None) == bool(loaded.faults), "half an application")
    must(all(explain(fault) for fault in loaded.faults), "a fault without words")
    proportionate(sum(len(str(fault)) for fault in loaded.faults), path.stat().st_size, 2000)


@cache
def sound_parts() -> dict[str, bytes]:
    """The parts of a sound workbook."""
    with zipfile.ZipFile(io.BytesIO(form_workbook(genuine.application(), genuine.persons()))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


FIRST_SHEET = "xl/worksheets/sheet1.xml"


def _packed(sheet: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {**sound_parts(), FIRST_SHEET: sheet}.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _rules(path: Path) -> object:
    base = load_base(base_file())
    return load_own(path, base), load_base(path)


def read_yaml(data: bytes) -> None:
    """A form's YAML: words only, and as many of them as the text has; or the line where it stops being YAML."""
    text = data.decode("utf-8", "replace")
    try:
        document = parse_yaml(text)
    except YamlError as error:
        must(
            1 <= error.line <= text.count("\n") + text.count("\r") + text.count("\x85") + 2 + len(text), "no such line"
        )
    else:
        proportionate(len(repr(document.content)), len(data), 16)


def read_names(data: bytes) -> None:
    """A roster, whole: what was read can be written so that no cell is a formula, and reads back the same."""
    draft = read_roster(file("roster.csv", data))
    if draft.readable and not draft.faults and all(_writable(person["document_type"]) for person in draft.persons):
        again = folder() / "again.csv"
        write_roster_csv(again, draft.persons, draft.roster_date or "", draft.roster_dataset or "")
        for line in csv.reader(io.StringIO(again.read_text(encoding="utf-8-sig"), newline="")):
            must(not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in line), "a formula in a roster")
        must(read_roster(again).persons == draft.persons, "a roster changes when it is written")


def operator_file(name: str, load: Callable[[Path], object]) -> Callable[[bytes], None]:
    """A reader of an operator's file: what it says, or ConfigError."""

    def read(data: bytes) -> None:
        """An operator's file: what it says, or a ConfigError that says what is wrong."""
        misconfigured(lambda: load(file(name, data)))

    return read


def _topics(path: Path) -> object:
    return validate(topology.load(path))


def _writable(document_type: str) -> bool:
    return document_type in ("resident_id", "residence_permit", "birth_certificate", "none")


TARGETS = [
    Target("application-files", "province.forms.load_form", read_application, 4, 8192, structured=False),
    Target("form-workbook", "province.forms.load_form of XLSX", read_workbook, 4, 16384, structured=False),
    Target("form-yaml", "province.text_files.parse_yaml", read_yaml, 2, 4096, structured=False),
    Target("roster-csv", "province.roster_files.read_roster", read_names, 2, 8192, structured=False),
    Target(
        "catalog-file",
        "province.catalog_files.load_entries",
        operator_file("c.yaml", load_entries),
        2,
        structured=False,
    ),
    Target(
        "provider-file",
        "province.provider_files.load_provider",
        operator_file("p.yaml", load_provider),
        2,
        structured=False,
    ),
    Target(
        "rule-file",
        "province.rule_files.load_own, load_base",
        operator_file("37.yaml", _rules),
        2,
        structured=False,
    ),
    Target(
        "topics-file",
        "kafka.topology.load, topic_rules",
        operator_file("topics.yaml", _topics),
        2,
        16384,
        structured=False,
    ),
]
__all__ = ["TARGETS"]
