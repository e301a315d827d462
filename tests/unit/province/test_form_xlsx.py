"""The form as a workbook: written and read back, filled in by hand, and hostile ones refused before they are parsed."""

from __future__ import annotations

import datetime as dt
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from pipeline.domain.records import Fault
from pipeline.province.form_xlsx import FORM_SHEET, LABELS, ROSTER_SHEET, SCHEDULE_SHEET, read_roster_book
from pipeline.province.form_xlsx_writing import form_workbook, template_workbook
from pipeline.province.forms import LoadedForm, load_form, write_roster_csv
from pipeline.province.roster_files import roster_lines
from pipeline.province.workbook_files import FILE_MIB, UNPACKED_MIB
from tests.unit.domain.consents import a_consent
from tests.unit.domain.samples import ADULT_ID, TODAY, a_child, a_person, a_release, a_row, an_application

SCHEDULE = [
    a_row(),
    a_row(row=2, provider="00", category="social_insurance", period={"kind": "day", "start": "2026-09-30", "end": "2026-09-30"}),
    a_row(row=3, provider="37", period={"kind": "range", "start": "2025-01-01", "end": "2026-10-31"}),
]  # fmt: skip
APP = an_application(person_count=2, schedule=SCHEDULE)
PERSONS = [a_person(), a_child()]


def load(form: Path, roster: Path | None = None) -> LoadedForm:
    """The application of these files, as the province's check reads them."""
    return load_form(
        form, roster, release=a_release(), today=TODAY, requester="37", application_id=APP["application_id"]
    )


def codes(faults: list[Fault]) -> list[str]:
    return [fault["code"] for fault in faults]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound workbook with its roster in it."""
    file = tmp_path / "form.xlsx"
    file.write_bytes(form_workbook(APP, PERSONS, a_release()))
    return file


def change(path: Path, edit: Callable[[Workbook], object]) -> None:
    """Open the workbook as an office's program does, change it, save it."""
    book = load_workbook(path)
    edit(book)
    book.save(path)


def repack(path: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """Change the parts of the archive itself."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


# -- what is written is read back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("consent", [None, a_consent()])
def test_a_written_workbook_is_the_same_application(tmp_path: Path, consent: Any) -> None:
    """Form, schedule, unit's consent and roster come back as they were."""
    app = an_application(person_count=2, schedule=SCHEDULE, unit_consent=consent)
    file = tmp_path / "form.xlsx"
    file.write_bytes(form_workbook(app, PERSONS, a_release()))
    loaded = load(file)
    assert (loaded.faults, loaded.application, loaded.roster) == ([], app, PERSONS)


def test_a_workbook_takes_a_roster_in_a_file_of_its_own(tmp_path: Path) -> None:
    """The roster may stay a CSV file, or be a workbook itself."""
    form, csv, book = tmp_path / "form.xlsx", tmp_path / "roster.csv", tmp_path / "roster.xlsx"
    form.write_bytes(form_workbook(APP))
    write_roster_csv(csv, PERSONS, APP["roster_date"], APP["roster_dataset"])
    book.write_bytes(form_workbook(APP, PERSONS))
    assert load(form, csv).roster == PERSONS
    assert load(form, book).roster == PERSONS
    assert codes(load(form).faults) == ["file_missing"]


def test_two_rosters_are_one_too_many(path: Path, tmp_path: Path) -> None:
    """Nobody guesses which of two lists is meant."""
    csv = tmp_path / "roster.csv"
    write_roster_csv(csv, PERSONS, APP["roster_date"], APP["roster_dataset"])
    assert codes(load(path, csv).faults) == ["roster_twice"]


def test_the_template_filled_in_is_an_application(tmp_path: Path) -> None:
    """An official types into the empty form: words, a number, dates as date cells, and leaves blank lines."""
    file = tmp_path / "form.xlsx"
    file.write_bytes(template_workbook())

    def fill(book: Workbook) -> None:
        form, schedule, roster = book[FORM_SHEET], book[SCHEDULE_SHEET], book[ROSTER_SHEET]
        typed: dict[str, Any] = {
            "审批机关": APP["approving_authority"], "业务类别": APP["business_category"], "用途": APP["purpose"],
            "牵头人": APP["lead_person"], "人数": 2, "已取得书面授权": "是", "名单提交日期": dt.date(2026, 11, 20),
            "电子数据名称": APP["roster_dataset"], "联系人": "李四", "联系电话": APP["contact_phone"], "申请日期": "2026年11月23日",
            "提交部中心解封": False,
        }  # fmt: skip
        for row in form.iter_rows():
            if str(row[0].value) in typed:
                row[1].value = typed[str(row[0].value)]
        schedule["B2"], schedule["C2"] = "全國", "戶籍"
        schedule["B4"], schedule["C4"], schedule["D4"] = "部中心", "社会保险", dt.date(2026, 9, 30)
        schedule["B5"], schedule["C5"], schedule["D5"] = "山东", "户籍", "2025/01/01-2026/10/31"
        for number, line in enumerate(roster_lines(PERSONS, APP["roster_date"], APP["roster_dataset"]), 1):
            for column, text in enumerate(line, 1):
                roster.cell(number, column, text)

    change(file, fill)
    loaded = load(file)
    assert (loaded.faults, loaded.application, loaded.roster) == ([], APP, PERSONS)


def test_an_untouched_template_says_what_is_missing(tmp_path: Path) -> None:
    """No crash and no roster invented: the faults are those of an empty form."""
    file = tmp_path / "form.xlsx"
    file.write_bytes(template_workbook())
    found = load(file).faults
    assert {"missing", "schedule_empty", "file_missing"} <= set(codes(found))
    assert "addressee" not in {fault["field"] for fault in found}


def test_nothing_that_people_wrote_becomes_a_formula(tmp_path: Path) -> None:
    """A text that begins like a formula is written as the text it is, and read as that."""
    app = an_application(purpose='=HYPERLINK("http://x")', approving_authority="+民政局", person_count=2)
    file = tmp_path / "form.xlsx"
    file.write_bytes(form_workbook(app, PERSONS, a_release()))
    assert all(cell.data_type != "f" for sheet in load_workbook(file) for row in sheet.iter_rows() for cell in row)
    loaded = load(file).application
    assert loaded is not None
    assert loaded["purpose"] == app["purpose"]


def test_every_label_of_the_annex_has_a_line(path: Path) -> None:
    """The sheet shows each field once, in the order of the form."""
    column = [row[0].value for row in load_workbook(path)[FORM_SHEET].iter_rows(min_row=2)]
    assert column == list(LABELS)


# -- how people fill it in wrong ------------------------------------------------------------------------------------


def put(sheet: str, cell: str, value: str | float) -> Callable[[Workbook], None]:
    def edit(book: Workbook) -> None:
        book[sheet][cell] = value

    return edit


MISTAKES: list[tuple[str, str, Callable[[Workbook], object]]] = [
    ("cell_formula", "form", put(FORM_SHEET, "B5", "=1+1")),
    ("cell_formula", "form", put(SCHEDULE_SHEET, "C2", '=HYPERLINK("http://example.invalid","户籍")')),
    ("cell_formula", "form", put(ROSTER_SHEET, "B4", "=SUM(1,2)")),
    ("cell_error", "form", put(FORM_SHEET, "C9", "#REF!")),
    ("sheet_unknown", "form", lambda book: book.create_sheet("Sheet1")),
    ("sheet_missing", "form", lambda book: book.remove(book[SCHEDULE_SHEET])),
    ("sheet_missing", "form", lambda book: book.remove(book[FORM_SHEET])),
    (
        "key_unknown",
        "form",
        lambda book: book[FORM_SHEET].append(["备注", "无"]),
    ),
    ("key_repeated", "form", lambda book: book[FORM_SHEET].append(["用途", "别的"])),
    ("header_missing", "schedule", lambda book: book[SCHEDULE_SHEET].delete_rows(1)),
    ("column_unknown", "schedule", put(SCHEDULE_SHEET, "E1", "备注")),
    ("column_repeated", "schedule", put(SCHEDULE_SHEET, "E1", "时间范围")),
    ("document_scientific", "document_number", put(ROSTER_SHEET, "E4", float(ADULT_ID[:17] + "0"))),
    ("document_scientific", "document_number", put(ROSTER_SHEET, "E4", int(ADULT_ID[:17] + "0"))),
    ("period_format", "period", put(SCHEDULE_SHEET, "D2", "去年")),
    ("roster_label_missing", "roster.date", put(ROSTER_SHEET, "B1", "")),
]


@pytest.mark.parametrize(("code", "field", "edit"), MISTAKES, ids=[f"{m[0]}-{n}" for n, m in enumerate(MISTAKES)])
def test_each_mistake_in_a_workbook_is_told(
    path: Path, code: str, field: str, edit: Callable[[Workbook], object]
) -> None:
    """Each slip has its code and place, and nothing of the application is handed out."""
    change(path, edit)
    loaded = load(path)
    assert (code, field) in {(fault["code"], fault["field"]) for fault in loaded.faults}
    assert (loaded.application, loaded.roster) == (None, [])


def test_a_formula_is_named_by_its_cell(path: Path) -> None:
    """The official finds it at once."""
    change(path, put(SCHEDULE_SHEET, "C2", "=A1"))
    told = next(fault for fault in load(path).faults if fault["code"] == "cell_formula")
    assert told["args"] == {"sheet": SCHEDULE_SHEET, "cell": "C2"}


def test_too_many_rows_are_refused(path: Path) -> None:
    """A sheet is bounded by rows, wherever the last one stands."""
    change(path, put(SCHEDULE_SHEET, "B1002", "全国"))
    assert codes(load(path).faults) == ["sheet_too_large", "file_missing"]


# -- hostile files --------------------------------------------------------------------------------------------------


def add(name: str, data: bytes = b"<x/>") -> Callable[[dict[str, bytes]], object]:
    return lambda parts: parts.update({name: data})


def external_link(parts: dict[str, bytes]) -> None:
    parts["xl/worksheets/_rels/sheet1.xml.rels"] = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1"'
        b' Type="x" Target="http://example.invalid/" TargetMode=\'External\'/></Relationships>'
    )


def entities(parts: dict[str, bytes]) -> None:
    name = "xl/worksheets/sheet1.xml"
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    head, found, rest = parts[name].partition(b"?>")
    parts[name] = head + b"?>" + bomb + rest if found else bomb + head


def other_encoding(parts: dict[str, bytes]) -> None:
    name = "xl/worksheets/sheet1.xml"
    text = parts[name].decode().removeprefix('<?xml version="1.0" encoding="UTF-8"?>')
    parts[name] = ('<?xml version="1.0" encoding="utf-16"?>' + text).encode("utf-16")


def macro_type(parts: dict[str, bytes]) -> None:
    name = "[Content_Types].xml"
    parts[name] = parts[name].replace(b"spreadsheetml.sheet.main+xml", b"ms-excel.sheet.macroEnabled.main+xml")


HOSTILE: list[tuple[str, Callable[[dict[str, bytes]], object]]] = [
    ("workbook_active", add("xl/vbaProject.bin")),
    ("workbook_active", add("xl/externalLinks/externalLink1.xml")),
    ("workbook_active", add("xl/embeddings/oleObject1.bin")),
    ("workbook_active", add("xl/activeX/activeX1.xml")),
    ("workbook_active", add("xl/connections.xml")),
    ("workbook_active", add("xl/media/image1.png")),
    ("workbook_active", add("../../etc/cron.d/x")),
    ("workbook_active", add("xl/macrosheets/sheet1.xml")),
    ("workbook_active", external_link),
    ("workbook_active", entities),
    ("workbook_active", macro_type),
    ("workbook_broken", other_encoding),
    ("workbook_broken", add("docProps/App.xml")),
    ("workbook_broken", lambda parts: parts.pop("xl/workbook.xml")),
    ("workbook_broken", lambda parts: parts.update({"xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row"})),
    ("workbook_too_large", lambda parts: parts.update({f"customXml/a{n}.xml": b"<x/>" for n in range(200)})),
    ("workbook_too_large", add("customXml/zeros.xml", b" " * (UNPACKED_MIB * 1024 * 1024))),
]


@pytest.mark.parametrize(("code", "alter"), HOSTILE, ids=[f"{code}-{n}" for n, (code, _) in enumerate(HOSTILE)])
def test_a_hostile_workbook_is_refused_whole(
    path: Path, code: str, alter: Callable[[dict[str, bytes]], object]
) -> None:
    """Macros, links, objects, entities, bombs: one fault, and not a cell of it is read."""
    repack(path, alter)
    found = load(path).faults
    assert [fault["code"] for fault in found if fault["field"] == "form"] == [code]
    assert read_roster_book(path).persons == []
    assert codes(read_roster_book(path).faults) == [code]


def test_a_lying_archive_gets_no_further_than_it_says(path: Path) -> None:
    """A part whose stated size is a lie is cut there and found damaged: it is never unpacked whole."""
    repack(path, add("customXml/zeros.xml", b" " * 4_000_000))
    data = bytearray(path.read_bytes())
    real, small = struct.pack("<I", 4_000_000), struct.pack("<I", 10)
    while (at := data.find(real)) >= 0:
        data[at : at + 4] = small
    path.write_bytes(bytes(data))
    assert codes(load(path).faults)[0] == "workbook_broken"


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "受理单位: 民政部".encode()],
    ids=["empty", "cut", "old-or-encrypted", "text"],
)
def test_what_is_no_workbook_is_told_so(tmp_path: Path, content: bytes) -> None:
    """An old .xls, a locked file, or text under the wrong name."""
    file = tmp_path / "form.xlsx"
    file.write_bytes(content)
    assert codes(load(file).faults)[0] == "workbook_broken"


def test_a_file_too_large_or_absent_is_not_opened(tmp_path: Path) -> None:
    """The size is looked at before anything else."""
    file = tmp_path / "form.xlsx"
    assert codes(load(file).faults)[0] == "file_missing"
    file.write_bytes(bytes(FILE_MIB * 1024 * 1024 + 1))
    assert codes(load(file).faults)[0] == "file_too_large"


def test_a_sparse_sheet_is_bounded(path: Path) -> None:
    """A row numbered beyond all bounds, or a cell in the last column, costs no memory for what is not there."""

    def far(parts: dict[str, bytes]) -> None:
        name = "xl/worksheets/sheet2.xml"
        cell = b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
        assert b"</sheetData>" in parts[name]
        parts[name] = parts[name].replace(b"</sheetData>", cell)

    repack(path, far)
    assert codes(load(path).faults)[0] == "sheet_too_large"


def test_a_damaged_archive_never_raises(path: Path) -> None:
    """Any byte changed gives a sound application or faults, never an error."""
    sound = path.read_bytes()
    for at in range(0, len(sound), max(1, len(sound) // 150)):
        spoilt = bytearray(sound)
        spoilt[at] ^= 0x41
        path.write_bytes(bytes(spoilt))
        loaded = load(path)
        assert (loaded.application is None) == bool(loaded.faults)


def test_an_archive_of_archives_is_not_followed(path: Path) -> None:
    """A zip within the zip is a part that no table has."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x", b"x")
    repack(path, add("xl/more.zip", inner.getvalue()))
    assert codes(load(path).faults)[0] == "workbook_active"
