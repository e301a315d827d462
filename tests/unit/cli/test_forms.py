"""`hedx apply form`, and forms that are workbooks, as an official uses them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.demo.application import Sample
from pipeline.province.form_xlsx_writing import form_workbook
from tests.network import Network
from tests.unit.cli.test_apply import CATALOG
from tests.unit.domain.samples import a_child, a_person, a_row, an_application


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command with --json said."""
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def filed(home: Network, sample: Sample) -> str:
    """An application that is filed and not yet answered; its id."""
    home.file(sample.application, sample.persons)
    return sample.application["application_id"]


def check(form: Path, *more: str) -> int:
    return run(["apply", "check", str(form), "--catalog", str(CATALOG), "--party", "37", "--lang", "en", *more])


def test_a_workbook_with_its_roster_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file is enough; a roster file beside it as well is one too many."""
    app = an_application(person_count=2, schedule=[a_row(), a_row(row=2, provider="00", category="marriage")])
    form = tmp_path / "form.xlsx"
    form.write_bytes(form_workbook(app, [a_person(), a_child()]))
    assert check(form) == Exit.FINE
    assert capsys.readouterr().out.strip() == "Checked and sound: 2 persons, 1 households, 2 schedule rows."
    assert check(form, "--roster", str(form), "--json") == Exit.FAILED
    assert [fault["code"] for fault in said(capsys)["faults"]] == ["roster_twice"]


def test_a_form_without_any_roster_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The roster may be on a sheet or in a file, but it must be somewhere."""
    form = tmp_path / "form.xlsx"
    form.write_bytes(form_workbook(an_application()))
    assert check(form, "--json") == Exit.FAILED
    assert [(fault["code"], fault["field"]) for fault in said(capsys)["faults"]] == [("file_missing", "roster")]


def test_the_template_is_a_workbook_and_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty form to fill in; a filled-in one of the same name is safe."""
    form = tmp_path / "form.xlsx"
    assert run(["apply", "form", "template", "-o", str(form)]) == Exit.FINE
    assert run(["apply", "form", "template", "-o", str(form)]) == Exit.FAILED
    assert run(["apply", "form", "template", "-o", str(tmp_path / "form.yaml")]) == Exit.USAGE
    capsys.readouterr()
    assert check(form, "--json") == Exit.FAILED
    assert "schedule_empty" in [fault["code"] for fault in said(capsys)["faults"]]


@pytest.mark.parametrize("kind", ["yaml", "xlsx"])
def test_an_exported_form_can_be_filed_again(
    filed: str,
    sample: Sample,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file says what was filed; with the roster it is a whole application."""
    form = tmp_path / f"form.{kind}"
    extra = ["--with-roster"] if kind == "xlsx" else []
    arguments = ["apply", "form", "export", filed, "--format", kind, "-o", str(form), *extra]
    assert run(arguments) == Exit.FINE
    assert form.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert run(["apply", "check", str(form), "--catalog", str(sample.catalog), "--json"]) == (
        Exit.FINE if extra else Exit.FAILED
    )
    report = said(capsys)
    assert [fault["code"] for fault in report["faults"]] == ([] if extra else ["file_missing"])
    assert report["persons"] == (len(sample.persons) if extra else 0)


def test_a_roster_is_not_exported_unasked(
    filed: str,
    sample: Sample,
    tmp_path: Path,
) -> None:
    """A form names the lead person and nobody else; YAML has no place for a roster at all."""
    form = tmp_path / "form.xlsx"
    assert run(["apply", "form", "export", filed, "--format", "xlsx", "-o", str(form)]) == Exit.FINE
    with zipfile.ZipFile(form) as archive:
        text = b"".join(archive.read(name) for name in archive.namelist()).decode(errors="replace")
    assert sample.persons[1]["document_number"] not in text
    assert sample.persons[1]["name"] not in text
    assert run(["apply", "form", "export", filed, "--format", "yaml", "--with-roster", "-o", "x"]) == Exit.USAGE


def test_every_form_written_is_logged_and_known_to_shredding(
    filed: str,
    home: Network,
    sample: Sample,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What left the store is in the access log; shredding lists the files that are out of reach."""
    page = tmp_path / "form.html"
    assert run(["apply", "form", "print", filed, "-o", str(page), "--json"]) == Exit.FINE
    handed = said(capsys)
    assert page.stat().st_mode & 0o777 == 0o600
    assert "云南省大理白族自治州民政局" in page.read_text(encoding="utf-8")
    assert run(["access", "list", "--json"]) == Exit.FINE
    acts = {entry["number"]: entry for entry in said(capsys)}
    assert (acts[handed["access"]]["act"], acts[handed["access"]]["detail"]["sha256"]) == (
        "form_exported",
        handed["sha256"],
    )
    assert sample.persons[0]["name"] not in json.dumps(acts, ensure_ascii=False)
