"""The roster (被查询人员名单) as a CSV file, as offices make it with a spreadsheet.

The first lines say which roster it is (提交日期, 电子数据), then the header, then one person a line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from pipeline.domain.faults import fault, shown
from pipeline.domain.identity import normal_number
from pipeline.domain.periods import written_date
from pipeline.domain.records import Fault, Person
from pipeline.domain.wording import LABELS
from pipeline.province.text_files import read_text

ROSTER_MIB: Final = 64

REQUIRED: Final = (
    "household", "name", "document_number", "relation",
    "consent_reference", "consent_by", "consent_scope", "consent_date",
)  # fmt: skip
COLUMNS: Final = (
    "number", "household", "name", "document_type", "document_number", "relation", "birth_date", "guardian_name",
    "guardian_document_number", "consent_reference", "consent_by", "consent_scope", "consent_date",
)  # fmt: skip

_HEADER: Final = {
    **{word.lower(): column for column in COLUMNS for word in (column, *LABELS[column])},
    "户号": "household",
    "家庭编号": "household",
    "身份证号": "document_number",
    "身份证号码": "document_number",
    "公民身份号码": "document_number",
    "监护人身份证号": "guardian_document_number",
    "授权范围": "consent_scope",
}
_PREAMBLE: Final = {
    "提交日期": "roster.date",
    "名单提交日期": "roster.date",
    "roster_date": "roster.date",
    "电子数据": "roster.dataset",
    "电子数据名称": "roster.dataset",
    "roster_dataset": "roster.dataset",
}
DOCUMENT_WORDS: Final = {
    "": "resident_id",
    "居民身份证": "resident_id",
    "身份证": "resident_id",
    "居住证": "residence_permit",
    "港澳台居民居住证": "residence_permit",
    "外国人永久居留身份证": "residence_permit",
    "外国人永久居留证": "residence_permit",
    "出生医学证明": "birth_certificate",
    "无": "none",
    "无证件": "none",
}
_CONSENT_BY: Final = {"本人": "self", "监护人": "guardian"}
_NATIONWIDE: Final = frozenset(("全国各核对机构", "全国", "nationwide"))
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass
class RosterDraft:
    """A roster as far as it could be read. `spoilt`: columns already faulted, which the review need not repeat."""

    roster_date: str | None = None
    roster_dataset: str | None = None
    persons: list[Person] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    spoilt: set[str] = field(default_factory=set)
    readable: bool = False


def read_roster(path: Path) -> RosterDraft:
    """Read a roster; its faults of writing are in the draft, those of meaning are the review's."""
    draft = RosterDraft()
    text = read_text(path, "roster", ROSTER_MIB)
    if not isinstance(text, str):
        draft.faults.append(text)
        return draft
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = list(reader)
    except csv.Error:
        draft.faults.append(fault("file_syntax", field="roster", line=reader.line_num))
        return draft
    return roster_of(lines)


def roster_of(lines: Iterable[Sequence[str]]) -> RosterDraft:
    """The roster in a table of cells, from whatever kind of file; empty lines are passed over."""
    draft = RosterDraft()
    _read_lines([cells for line in lines if any(cells := [cell.strip() for cell in line])], draft)
    return draft


def write_roster_csv(
    path: Path,
    persons: Iterable[Person],
    roster_date: str,
    roster_dataset: str,
    lang: Literal["zh", "en"] = "zh",
) -> None:
    """Write a roster that `read_roster` reads back and that a spreadsheet opens without running anything in it."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        for line in roster_lines(persons, roster_date, roster_dataset, lang):
            writer.writerow([safe_cell(cell) for cell in line])


def roster_lines(
    persons: Iterable[Person], roster_date: str, roster_dataset: str, lang: Literal["zh", "en"] = "zh"
) -> Iterator[list[str]]:
    """The lines of a roster's table: which roster it is, the header, the persons."""
    yield ["提交日期" if lang == "zh" else "roster_date", roster_date]
    yield ["电子数据" if lang == "zh" else "roster_dataset", roster_dataset]
    yield [LABELS[column][0] if lang == "zh" else column for column in COLUMNS]
    for person in persons:
        yield [_written(person, column, lang) for column in COLUMNS]


def safe_cell(text: str) -> str:
    """Text for a cell of a CSV file: what a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read_lines(lines: list[list[str]], draft: RosterDraft) -> None:
    start = 0
    while start < len(lines) and (label := _PREAMBLE.get(lines[start][0].lstrip("#").strip().lower())):
        value = _plain(lines[start][1]) if len(lines[start]) > 1 else ""
        if label == "roster.date":
            draft.roster_date = written_date(value)
        else:
            draft.roster_dataset = value
        start += 1
    for where, stated in (("roster.date", draft.roster_date), ("roster.dataset", draft.roster_dataset)):
        if not stated:
            draft.faults.append(fault("roster_label_missing", field=where))
    draft.roster_date, draft.roster_dataset = draft.roster_date or None, draft.roster_dataset or None
    columns = _read_header(lines[start] if start < len(lines) else [], draft)
    if columns is None:
        return
    draft.readable = True
    for position, cells in enumerate(lines[start + 1 :], 1):
        draft.persons.append(_person(position, cells, columns, draft))


def _read_header(cells: Sequence[str], draft: RosterDraft) -> list[str | None] | None:
    while cells and not cells[-1]:
        cells = cells[:-1]
    columns = [_HEADER.get(cell.lower()) for cell in cells]
    known = [column for column in columns if column]
    if len(set(known) & set(REQUIRED)) * 2 < len(REQUIRED):
        # Perhaps a person stands where the header should: nothing of the line may be repeated.
        draft.faults.append(fault("header_missing"))
        return None
    for position, (cell, column) in enumerate(zip(cells, columns, strict=True), 1):
        if column is None:
            draft.faults.append(fault("column_unknown", column=shown(cell) or position))
    for column in dict.fromkeys(known):
        if known.count(column) > 1:
            draft.faults.append(fault("column_repeated", column=column))
    for column in REQUIRED:
        if column not in known:
            draft.faults.append(fault("column_missing", field=column))
            draft.spoilt.add(column)
    return columns


def _person(position: int, cells: Sequence[str], columns: Sequence[str | None], draft: RosterDraft) -> Person:
    row: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=False):
        if column:
            row.setdefault(column, _plain(cell))
    number = _number(row.get("number", ""), position, draft)
    if any(cells[len(columns) :]):
        draft.faults.append(fault("row_width", number))
    kind = row.get("document_type", "")
    scope = row.get("consent_scope", "")
    given_by = row.get("consent_by", "")
    person: dict[str, Any] = {
        "number": number,
        "household": row.get("household", ""),
        "name": row.get("name", ""),
        "document_type": DOCUMENT_WORDS.get(kind, kind),
        "document_number": _document(row.get("document_number", "")),
        "relation": row.get("relation", ""),
        "birth_date": written_date(row.get("birth_date", "")) or None,
        "guardian_name": row.get("guardian_name") or None,
        "guardian_document_number": _document(row.get("guardian_document_number", "")) or None,
        "consent_reference": row.get("consent_reference", ""),
        "consent_by": _CONSENT_BY.get(given_by, given_by),
        "consent_scope": "nationwide" if scope in _NATIONWIDE else scope and "narrower",
        "consent_date": written_date(row.get("consent_date", "")),
    }
    return cast("Person", person)


def _number(text: str, position: int, draft: RosterDraft) -> int:
    if not text:
        return position
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    draft.faults.append(fault("number_repeated", position))
    return position


def _plain(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell


def _document(text: str) -> str:
    # Spreadsheets mark a number kept as text with an apostrophe, and some exports leave it in.
    return normal_number(text.removeprefix("'"))


def _written(person: Person, column: str, lang: str) -> str:
    held = person[column]  # type: ignore[literal-required]
    value = "" if held is None else str(held)
    if lang == "en":
        return value
    if column == "document_type":
        return next(word for word, kind in DOCUMENT_WORDS.items() if word and kind == value)
    if column == "consent_by":
        return next((word for word, who in _CONSENT_BY.items() if who == value), value)
    return "全国各核对机构" if column == "consent_scope" and value == "nationwide" else value
