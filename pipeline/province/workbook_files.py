"""Spreadsheets that people send (XLSX): looked through as an archive first, then read as cells of text, within bounds.

A workbook is a zip of XML, so it can be a bomb, can hold programs, and can reach out to other files and machines. Nothing is
parsed before the archive is bounded and has only parts that a plain table has; no formula is ever worth a value.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from openpyxl import load_workbook

from pipeline.domain.faults import fault, shown
from pipeline.domain.records import Fault

FILE_MIB: Final = 16
UNPACKED_MIB: Final = 96
_MIB: Final = 1024 * 1024
MOST_PARTS: Final = 200
WIDEST: Final = 64
"""Columns that are looked at; no sheet of ours has a quarter of them."""
_EXACT: Final = 10**15
"""From here on a number cell no longer holds every digit that was typed."""

_PLAIN: Final = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|docProps/[\w.]+\.xml|docMetadata/[\w.]+\.xml|customXml/[\w./]+\.(xml|rels)"
    r"|xl/(workbook|styles|sharedStrings|metadata|calcChain)\.xml|xl/_rels/workbook\.xml\.rels"
    r"|xl/theme/(_rels/)?theme\d*\.xml(\.rels)?|xl/worksheets/(_rels/)?sheet\d+\.xml(\.rels)?"
    r"|xl/printerSettings/printerSettings\d+\.bin|xl/comments\d*\.xml|xl/comments/comment\d+\.xml"
    r"|xl/drawings/(commentsDrawing|vmlDrawing)\d+\.vml|xl/threadedComments/threadedComment\d+\.xml|xl/persons/person\d*\.xml"
)
"""The parts of a workbook that is a table, with what offices' programs add to it. Macros, links, media, objects: none."""
_ENCODING: Final = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([^"']+)["']""")


class UnreadableWorkbook(Exception):
    """The file is refused; `fault` says why. Nothing of it was taken."""

    def __init__(self, found: Fault) -> None:
        super().__init__(found["code"])
        self.fault = found


Sheet = list[list[str]]
"""The cells of a sheet by row, as texts; empty cells are empty texts."""


def is_workbook(path: Path) -> bool:
    """Whether a file is to be read as a workbook: by its name."""
    return path.suffix.lower() in (".xlsx", ".xlsm", ".xltx", ".xls", ".et")


def read_workbook(path: Path, what: str, known: Mapping[str, int]) -> tuple[dict[str, Sheet], list[Fault]]:
    """The sheets of a workbook by name, and the faults of single cells. `known`: sheet → most rows it may have.

    `what` is the field that a fault names: `form` or `roster`. Raises UnreadableWorkbook.
    """
    data = _bounded(path, what)
    _look_through(data, what)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
        strangers = [name for name in book.sheetnames if name.strip() not in known]
        faults = [fault("sheet_unknown", field=what, sheet=shown(name)) for name in strangers]
        sheets: dict[str, Sheet] = {}
        for sheet in book.worksheets:
            name = sheet.title.strip()
            if name in known:
                sheets[name] = _rows(sheet, name, known[name], what, faults)
        book.close()
    except UnreadableWorkbook:
        raise
    except Exception as error:  # whatever openpyxl says of a damaged file
        raise UnreadableWorkbook(fault("workbook_broken", field=what)) from error
    return sheets, faults


def _bounded(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MIB * _MIB + 1)
    except OSError:
        raise UnreadableWorkbook(fault("file_missing", field=what)) from None
    if len(data) > FILE_MIB * _MIB:
        raise UnreadableWorkbook(fault("file_too_large", field=what, limit=FILE_MIB))
    return data


def _look_through(data: bytes, what: str) -> None:
    """The archive without its meaning: how large it gets, which parts it has, and that no part reaches out."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            names = [part.filename for part in parts]
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > UNPACKED_MIB * _MIB:
                raise UnreadableWorkbook(fault("workbook_too_large", field=what, limit=UNPACKED_MIB))
            for name in names:
                if not _PLAIN.fullmatch(name):
                    raise UnreadableWorkbook(fault("workbook_active", field=what, part=shown(name)))
            if len(set(map(str.lower, names))) < len(names):
                raise UnreadableWorkbook(fault("workbook_broken", field=what))
            for part in parts:
                if not part.filename.endswith(".bin"):
                    _check_xml(part.filename, archive.read(part), what)
    except UnreadableWorkbook:
        raise
    except Exception as error:  # a dozen kinds for what is no zip, damaged or locked
        raise UnreadableWorkbook(fault("workbook_broken", field=what)) from error


def _check_xml(name: str, content: bytes, what: str) -> None:
    """No document type (entities multiply), no other encoding to hide one in, no link out of the file, no macros."""
    declared = _ENCODING.match(content.removeprefix(b"\xef\xbb\xbf"))
    if b"\0" in content or (declared and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")):
        raise UnreadableWorkbook(fault("workbook_broken", field=what))
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnreadableWorkbook(fault("workbook_active", field=what, part=shown(name)))
    if name.endswith(".rels"):
        links = ET.fromstring(content)  # noqa: S314 - bounded, and without a document type
        if any(link.get("TargetMode", "").strip().lower() == "external" for link in links.iter()):
            raise UnreadableWorkbook(fault("workbook_active", field=what, part=shown(name)))
    if name == "[Content_Types].xml" and b"macroenabled" in content.lower():
        raise UnreadableWorkbook(fault("workbook_active", field=what, part=shown(name)))


def _rows(sheet: Any, name: str, most: int, what: str, faults: list[Fault]) -> Sheet:
    rows: Sheet = []
    for number, cells in enumerate(sheet.iter_rows(max_row=most + 1, max_col=WIDEST), 1):
        if number > most:
            raise UnreadableWorkbook(fault("sheet_too_large", field=what, sheet=name, limit=most))
        rows.append([_text(cell, name, what, faults) for cell in cells])
    return rows


def _text(cell: Any, sheet: str, what: str, faults: list[Fault]) -> str:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type in ("f", "e"):
        code = "cell_formula" if cell.data_type == "f" else "cell_error"
        faults.append(fault(code, field=what, sheet=sheet, cell=cell.coordinate))
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")
    return str(value).strip()


def _number(value: float) -> str:
    """A number as it was typed, as far as the cell still knows: what lost digits is shown as such, and refused by review."""
    if abs(value) >= _EXACT:
        return f"{value:.5E}"
    return str(int(value)) if value == int(value) else repr(value)
