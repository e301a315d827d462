"""Results in files: nothing lost, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.domain.dossiers import Dossier
from pipeline.province.exports import COLUMNS, write_csv, write_json

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠SUM(A1)"]


def a_result(**changes: Any) -> dict[str, Any]:
    """One sub-query's result, found."""
    return {
        "row": 1, "category": "vehicles", "provider": "37", "status": "found", "code": None, "until": None,
        "as_of": "2026-10-31", "coverage": "山东省", "accepted_coverage": None, "coverage_differs": [], "note": None,
        "entries": [{"plate": "鲁A1"}], **changes,
    }  # fmt: skip


def dossiers(*results: dict[str, Any], **person: Any) -> list[Dossier]:
    """One household of one person with these results."""
    one = {
        "number": 1, "name": "王小明", "document_type": "resident_id", "document_number": "370102198005061233",
        "relation": "户主", "results": list(results), **person,
    }  # fmt: skip
    return cast("list[Dossier]", [{"household": "H1", "persons": [one]}])


def lines(path: Path) -> list[dict[str, str]]:
    """The file as a spreadsheet would read it."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_item_found_has_a_line_and_so_has_what_was_not_found(tmp_path: Path) -> None:
    """Entries are numbered; a sub-query without any has one line of its own."""
    entries = [{"plate": "鲁A1", "kind": "轿车"}, {"plate": "鲁A2", "kind": None}]
    refused = a_result(row=2, provider="32", status="refused", code="sharing_suspended", as_of=None, entries=[])
    write_csv(tmp_path / "d.csv", dossiers(a_result(entries=entries), refused))
    rows = lines(tmp_path / "d.csv")
    assert [(r["row"], r["entry"], r["item"], r["value"]) for r in rows] == [
        ("1", "1", "plate", "鲁A1"),
        ("1", "1", "kind", "轿车"),
        ("1", "2", "plate", "鲁A2"),
        ("1", "2", "kind", ""),
        ("2", "", "", ""),
    ]
    assert (rows[4]["status"], rows[4]["code"], rows[4]["provider_name"]) == ("refused", "sharing_suspended", "江苏")
    assert {(r["name"], r["document_number"]) for r in rows} == {("王小明", "370102198005061233")}


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_starts_a_formula(tmp_path: Path, text: str) -> None:
    """Whoever got a name, an item or a value into a register gets no code into an official's spreadsheet."""
    spoilt = a_result(entries=[{"plate": text, text: "x"}], coverage=text)
    write_csv(tmp_path / "d.csv", dossiers(spoilt, name=text, relation=text))
    with (tmp_path / "d.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{text}" in cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")) for cell in cells)


def test_quotes_commas_and_line_ends_stay_in_their_cell(tmp_path: Path) -> None:
    """The file reads back cell by cell."""
    awkward = '地址,"院内"\n二楼'
    write_csv(tmp_path / "d.csv", dossiers(a_result(entries=[{"address": awkward}])))
    [row] = lines(tmp_path / "d.csv")
    assert row["value"] == awkward
    assert tuple(row) == COLUMNS


def test_what_nobody_can_see_is_written_out(tmp_path: Path) -> None:
    """A number turned around, a terminal's sequence: in CSV as text, in JSON escaped, so that it says the same."""
    hostile = "\u202e370\x1b[2J\x00"
    held = dossiers(a_result(entries=[{"plate": hostile}]), name=hostile)
    write_csv(tmp_path / "d.csv", held, {"用途": hostile})
    write_json(tmp_path / "d.json", held, {"purpose": hostile})
    for name in ("d.csv", "d.json"):
        text = (tmp_path / name).read_text(encoding="utf-8-sig")
        assert not {"\u202e", "\x1b", "\x00"} & {*text}
        assert r"\u202e370\u001b[2J\u0000" in text
    assert json.loads((tmp_path / "d.json").read_text(encoding="utf-8")) == {"purpose": hostile, "dossiers": held}


def test_spreadsheets_see_that_it_is_unicode(tmp_path: Path) -> None:
    """A byte-order mark, or Chinese comes out as noise."""
    write_csv(tmp_path / "d.csv", dossiers(a_result()))
    assert (tmp_path / "d.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_json_holds_dossiers_and_what_they_are_about(tmp_path: Path) -> None:
    """As they are, in readable Chinese."""
    held = dossiers(a_result(entries=[{"plate": "=1+1", "count": 3, "rural": True}]))
    write_json(tmp_path / "d.json", held, {"certificate": "ab"})
    text = (tmp_path / "d.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"certificate": "ab", "dossiers": held}
    assert "王小明" in text
