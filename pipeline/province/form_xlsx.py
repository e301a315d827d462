"""The application form (查询申请) as a workbook: the sheets 查询申请, 附表 and, where wanted, 名单; written and read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.domain.characters import simplified
from pipeline.domain.faults import fault, shown
from pipeline.domain.records import Fault
from pipeline.province.form_model import FORM_KEYS, PART_KEYS, ROW_KEYS
from pipeline.province.roster_files import RosterDraft, roster_lines, roster_of
from pipeline.province.workbook_files import Sheet, UnreadableWorkbook, read_workbook

FORM_SHEET, SCHEDULE_SHEET, ROSTER_SHEET, NOTES_SHEET = "查询申请", "附表", "名单", "填写说明"
ROWS: Final = {FORM_SHEET: 200, SCHEDULE_SHEET: 1_000, ROSTER_SHEET: 100_100, NOTES_SHEET: 200}

LABELS: Final[dict[str, tuple[str, ...]]] = {
    "受理单位": ("addressee",),
    "查询依据": ("legal_basis",),
    "审批机关": ("approving_authority",),
    "业务类别": ("business_category",),
    "用途": ("purpose",),
    "牵头人": ("lead_person",),
    "人数": ("person_count",),
    "已取得书面授权": ("consent", "held"),
    "授权范围": ("consent", "scope"),
    "名单提交日期": ("roster", "date"),
    "电子数据名称": ("roster", "dataset"),
    "联系人": ("contact_name",),
    "联系电话": ("contact_phone",),
    "申请日期": ("form_date",),
    "提交部中心解封": ("seal_to_center",),
    "申请层级": ("unit_consent", "level"),
    "市县单位名称": ("unit_consent", "unit"),
    "同意单位": ("unit_consent", "authority"),
    "同意文件文号": ("unit_consent", "document"),
    "特殊需要": ("unit_consent", "reason"),
    "同意日期": ("unit_consent", "date"),
    "同意有效期": ("unit_consent", "valid_until"),
}
"""Label in column A of 查询申请 → where column B's value stands in the form, in the order in which they are written."""

_PLACES: Final = {
    **LABELS,
    **{label: (key,) for label, key in FORM_KEYS.items() if key not in PART_KEYS},
    **{f"{part}.{key}": (part, key) for part, keys in PART_KEYS.items() for key in keys.values() if part != "schedule"},
    **{key: (key,) for key in FORM_KEYS.values() if key not in PART_KEYS},
}
_NUMBER: Final = frozenset(("序号", "行号", "row"))
_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass
class FormBook:
    """What a workbook holds: the form's content as its YAML would have it, and the roster where there is a sheet for it."""

    content: dict[str, Any] = field(default_factory=dict)
    roster: RosterDraft | None = None
    faults: list[Fault] = field(default_factory=list)
    readable: bool = True


def read_form_book(path: Path) -> FormBook:
    """Read a workbook; everything wrong with how it is written is in `faults`."""
    book = FormBook()
    try:
        sheets, book.faults = read_workbook(path, "form", ROWS)
    except UnreadableWorkbook as error:
        return FormBook(faults=[error.fault], readable=False)
    for name in (FORM_SHEET, SCHEDULE_SHEET):
        if name not in sheets:
            book.faults.append(fault("sheet_missing", field="form", sheet=name))
    book.content = _fields(sheets.get(FORM_SHEET, []), book.faults)
    book.content["schedule"] = _schedule(sheets.get(SCHEDULE_SHEET, []), book.faults)
    if _has_roster(sheets.get(ROSTER_SHEET, [])):
        book.roster = roster_of(sheets[ROSTER_SHEET])
    return book


def read_roster_book(path: Path) -> RosterDraft:
    """A roster in a workbook of its own, on the sheet 名单."""
    try:
        sheets, faults = read_workbook(path, "roster", ROWS)
    except UnreadableWorkbook as error:
        return RosterDraft(faults=[error.fault])
    if ROSTER_SHEET not in sheets:
        return RosterDraft(faults=[*faults, fault("sheet_missing", field="roster", sheet=ROSTER_SHEET)])
    draft = roster_of(sheets[ROSTER_SHEET])
    draft.faults[:0] = faults
    return draft


def _fields(rows: Sheet, faults: list[Fault]) -> dict[str, Any]:
    """Column A says what column B is; lines without a value, titles and remarks to the right are passed over."""
    content: dict[str, Any] = {}
    for number, cells in enumerate(rows, 1):
        written, value = [*cells, "", ""][:2]
        if not value:
            continue
        place = _PLACES.get(simplified(written).strip().rstrip(":"))
        if place is None:
            faults.append(fault("key_unknown", key=shown(written) or f"A{number}"))
            continue
        part = content
        for key in place[:-1]:
            part = part.setdefault(key, {})
        if place[-1] in part:
            faults.append(fault("key_repeated", key=shown(written)))
        part.setdefault(place[-1], value)
    return content


def _schedule(rows: Sheet, faults: list[Fault]) -> list[dict[str, str]]:
    lines = _filled(rows)
    if not lines:
        return []
    header = [simplified(cell).strip() for cell in lines[0]]
    columns = [ROW_KEYS.get(cell, cell if cell in ROW_KEYS.values() else None) for cell in header]
    if not any(columns):
        faults.append(fault("header_missing", field="schedule"))
        return []
    for cell, column in zip(header, columns, strict=True):
        if cell and column is None and cell not in _NUMBER:
            faults.append(fault("column_unknown", field="schedule", column=shown(cell)))
    for key in sorted({key for key in columns if key and columns.count(key) > 1}):
        faults.append(fault("column_repeated", field="schedule", column=key))
    return [_schedule_row(cells, columns) for cells in lines[1:] if _says_something(cells, columns)]


def _schedule_row(cells: Sequence[str], columns: Sequence[str | None]) -> dict[str, str]:
    row: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=True):
        if column:
            row.setdefault(column, cell)
    if day := _ISO.fullmatch(row.get("period", "")):  # a date cell
        row["period"] = "/".join(day.groups())
    return row


def _says_something(cells: Sequence[str], columns: Sequence[str | None]) -> bool:
    """A line of which only the number is filled in is a blank one of the printed table."""
    return any(cell for cell, column in zip(cells, columns, strict=True) if column)


def _has_roster(rows: Sheet) -> bool:
    """A sheet with the labels of the template and nothing else is no roster."""
    blank, filled = [line for line in roster_lines([], "", "") if any(line)], _filled(rows)
    written = [cells[: len(line)] for cells, line in zip(filled, blank, strict=False)]
    return bool(filled) and (len(filled) > len(blank) or written != blank)


def _filled(rows: Iterable[list[str]]) -> Sheet:
    return [cells for cells in rows if any(cells)]
