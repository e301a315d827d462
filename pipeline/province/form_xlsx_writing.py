"""Writing the application form (查询申请) as a workbook that `form_xlsx` reads back: a filed one, or an empty template."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.domain.catalog import BASIC_CATEGORIES, Release
from pipeline.domain.parties import EVERYONE_NAME, MINISTRY_NAME, PROVINCES
from pipeline.domain.printing import visible
from pipeline.domain.records import Application, Person
from pipeline.domain.review import ADDRESSEE, CONSENT_SCOPE, LEGAL_BASIS
from pipeline.province.form_writing import form_content
from pipeline.province.form_xlsx import FORM_SHEET, LABELS, NOTES_SHEET, ROSTER_SHEET, SCHEDULE_SHEET
from pipeline.province.roster_files import roster_lines

TITLE: Final = "居民家庭经济状况信息部省联网查询申请"
ANNEX_NOTES: Final = (
    "本表必须依据信息资源目录进行填写。",
    "信息提供方为必填项，用来确定对应查询内容的提供方，填写内容限定为“全国”、“部中心”和省份名称。如填“全国”，表示需要所有能够"
    "提供“内容类别”对应信息的单位进行查询；如填“部中心”，表示需要部收入认定中心提供“内容类别”对应的信息；如填“山东”，表示需要"
    "山东省民政厅低收入家庭经济状况核对指导中心提供“内容类别”对应的信息。",
    "内容类别为必填项，用来确定所要查询内容的类别。由于部收入认定中心和各省份所能提供的信息存在差异，因此具体内容项以资源目录"
    "所列为准。",
    "时间范围表示查询的时间范围，如查询某一天的信息，则填写具体日期，格式为YYYY/MM/DD，如查询某一时间段的信息，则填写起始和截止"
    "日期，格式为YYYY/MM/DD-YYYY/MM/DD，如查询最新数据，则不填写任何内容。",
)
"""The annex's notes to 附表, in the regulation's own words."""
_HINTS: Final = (
    "只填写各表的空白格；不要使用公式、宏、图片和外部链接，否则整份申请不予接收。",
    "市、县单位查询（第三条）时填写“申请层级”以下各项，本级查询不填。",
    "名单可填在“名单”表，也可另附 CSV 文件；证件号码一列须为文本格式。",
)
TEMPLATE_ROWS: Final = 10
_EDGE: Final = Side(style="thin", color="999999")
_BOX: Final = Border(left=_EDGE, right=_EDGE, top=_EDGE, bottom=_EDGE)
_HEAD: Final = PatternFill("solid", fgColor="E8EEF4")
_WRAP: Final = Alignment(wrap_text=True, vertical="center")


def form_workbook(
    application: Application, persons: Iterable[Person] | None = None, release: Release | None = None
) -> bytes:
    """A filed form as a workbook; with its roster on a sheet of its own where `persons` are given."""
    content = form_content(application, release)
    roster = (
        None
        if persons is None
        else list(roster_lines(persons, application["roster_date"], application["roster_dataset"]))
    )
    return _workbook(content, roster)


def template_workbook() -> bytes:
    """An empty form: the annex's labels and notes, what is always the same filled in, lists to choose from."""
    content: dict[str, object] = {
        "addressee": ADDRESSEE,
        "legal_basis": LEGAL_BASIS,
        "consent": {"scope": CONSENT_SCOPE},
    }
    content["schedule"] = [{"provider": "", "category": "", "period": ""}] * TEMPLATE_ROWS
    return _workbook(content, list(roster_lines([], "", "")))


def _workbook(content: Mapping[str, object], roster: Sequence[Sequence[str]] | None) -> bytes:
    book = Workbook()
    _form_sheet(book, content)
    _schedule_sheet(book, content["schedule"])  # type: ignore[arg-type]
    if roster is not None:
        _roster_sheet(book, roster)
    notes = _sheet(book, NOTES_SHEET, (6, 110))
    for number, note in enumerate((*ANNEX_NOTES, *_HINTS), 1):
        _put(notes, number, 1, str(number))
        _put(notes, number, 2, note)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def _form_sheet(book: Workbook, content: Mapping[str, object]) -> None:
    sheet = _sheet(book, FORM_SHEET, (22, 60))
    _put(sheet, 1, 1, TITLE).font = Font(bold=True, size=14)
    for row, (label, place) in enumerate(LABELS.items(), 2):
        value: object = content
        for key in place:
            value = value.get(key, "") if isinstance(value, Mapping) else ""
        _put(sheet, row, 1, label, head=True)
        _put(sheet, row, 2, str(value), box=True)
        if label in ("已取得书面授权", "提交部中心解封"):
            _choose(sheet, f"B{row}", ("是", "否"))
        if label == "申请层级":
            _choose(sheet, f"B{row}", ("市级", "县级"))


def _schedule_sheet(book: Workbook, rows: Sequence[Mapping[str, str]]) -> None:
    sheet = _sheet(book, SCHEDULE_SHEET, (8, 16, 22, 28))
    for column, word in enumerate(("序号", "信息提供方", "内容类别", "时间范围"), 1):
        _put(sheet, 1, column, word, head=True)
    for number, row in enumerate(rows, 1):
        for column, text in enumerate((str(number), row["provider"], row["category"], row["period"]), 1):
            _put(sheet, number + 1, column, text, box=True)
    last = len(rows) + 1
    _choose(sheet, f"B2:B{last}", (EVERYONE_NAME, MINISTRY_NAME, *(party.name for party in PROVINCES.values())))
    _choose(sheet, f"C2:C{last}", [name for name, _ in BASIC_CATEGORIES.values()], strict=False)
    sheet.freeze_panes = "A2"


def _roster_sheet(book: Workbook, lines: Sequence[Sequence[str]]) -> None:
    sheet = _sheet(book, ROSTER_SHEET, (10, 20, 12, 18, 22, 12, 12, 12, 22, 18, 10, 18, 12))
    for row, cells in enumerate(lines, 1):
        for column, text in enumerate(cells, 1):
            _put(sheet, row, column, text, head=row == 3 or (row < 3 and column == 1))
    for column in range(1, len(lines[2]) + 1):  # numbers typed later stay texts, too
        sheet.column_dimensions[get_column_letter(column)].number_format = "@"
    sheet.freeze_panes = "A4"


def _sheet(book: Workbook, title: str, widths: Sequence[int]) -> Worksheet:
    blank = book.active if book.sheetnames == ["Sheet"] else book.create_sheet()
    assert isinstance(blank, Worksheet)
    blank.title = title
    for column, width in enumerate(widths, 1):
        blank.column_dimensions[get_column_letter(column)].width = width
    return blank


def _put(sheet: Worksheet, row: int, column: int, text: str, *, head: bool = False, box: bool = False) -> Cell:
    """A cell that is a text, whatever it begins with: nothing that people wrote becomes a formula."""
    cell = sheet.cell(row, column, visible(text))
    assert isinstance(cell, Cell)
    cell.data_type = "s"
    cell.number_format = "@"
    cell.alignment = _WRAP
    if head:
        cell.font, cell.fill = Font(bold=True), _HEAD
    if head or box:
        cell.border = _BOX
    return cell


def _choose(sheet: Worksheet, cells: str, words: Sequence[str], *, strict: bool = True) -> None:
    """A list to choose from; where not `strict` (the catalog may have more), other words are allowed."""
    rule = DataValidation(type="list", formula1=f'"{",".join(words)}"', allow_blank=True, showErrorMessage=strict)
    sheet.add_data_validation(rule)
    rule.add(cells)
