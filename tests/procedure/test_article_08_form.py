"""Article 8 and the annex: the form as a file, on paper, and what it must say before a query."""

from __future__ import annotations

import json
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from openpyxl import load_workbook

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.demo.application import Sample
from pipeline.province.form_print import form_html
from pipeline.province.form_xlsx import FORM_SHEET, NOTES_SHEET, SCHEDULE_SHEET
from pipeline.province.form_xlsx_writing import form_workbook
from tests.scenario import REQUESTER

REGULATION = (Path(__file__).parent / "regulation.txt").read_text(encoding="utf-8")
ANNEX = REGULATION.split("附件\n")[1]
QUOTES = str.maketrans("「」“”,。、:;", '""""，。、：；')


def same_words(traditional: str, simplified: str) -> bool:
    """Whether two texts are the same in the two scripts.

    They have one length; a character that is in the simplified standard set (GB 2312) stays as it is; any other always
    becomes the same character of that set. No table of characters is needed to find a word added, left out or changed.
    """
    left, right = (unicodedata.normalize("NFKC", text.translate(QUOTES)).replace(" ", "") for text in (traditional, simplified))  # fmt: skip
    pairs = dict(zip(left, right, strict=False))
    return len(left) == len(right) and all(
        a == b if _is_simplified(a) else pairs[a] == b and _is_simplified(b) for a, b in zip(left, right, strict=True)
    )


def _is_simplified(character: str) -> bool:
    if character == "於":  # in the set as a surname
        return False
    try:
        return bool(character.encode("gb2312"))
    except UnicodeEncodeError:
        return False


class _Text(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self._style = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data


def notes_of_annex() -> list[str]:
    """The four notes below 附表, without their numbers."""
    lines = [line for line in ANNEX.splitlines() if line]
    start = next(n for n, line in enumerate(lines) if line.startswith("註"))
    return [line.split(".", 1)[1] for line in lines[start : start + 4]]


def test_the_template_has_the_annexs_notes_word_by_word(tmp_path: Path) -> None:
    """Nothing of the notes is added, left out or moved; only the script differs."""
    path = tmp_path / "form.xlsx"
    assert run(["apply", "form", "template", "-o", str(path)]) == Exit.FINE
    shown = [row[1].value for row in load_workbook(path)[NOTES_SHEET].iter_rows(max_row=4)]
    for note, text in zip(notes_of_annex(), shown, strict=True):
        assert same_words(note, str(text)), note
    assert not same_words(notes_of_annex()[0], str(shown[0]).replace("必须", "应当")), "the comparison can fail"


def test_the_paper_is_the_annexs_letter(sample: Sample) -> None:
    """Every sentence of the sample letter stands on the printed page, its blanks filled in."""
    app = sample.application
    text = _Text(form_html(app)).text
    letter = [line for line in ANNEX.split("附表\n")[0].splitlines() if line.strip()]
    body = next(line for line in letter if "審批機關" in line)
    fixed = [part for part in body.split("\u3000\u3000") if len(part) > 5]
    assert len(fixed) >= 3
    for part in fixed:
        words = part.strip().strip("。,")
        assert any(same_words(words, text[at : at + len(words)]) for at in range(len(text))), words
    for value in (app["approving_authority"], app["business_category"], app["lead_person"], str(app["person_count"])):
        assert value in text


def test_the_form_says_what_the_article_asks_for(sample: Sample, tmp_path: Path) -> None:
    """明确所属业务类别、查询人数、查询信息资源、查询起止时间: all of it is in the workbook, and read back from it."""
    path = tmp_path / "form.xlsx"
    path.write_bytes(form_workbook(sample.application, sample.persons))
    book = load_workbook(path)
    fields = {row[0].value: row[1].value for row in book[FORM_SHEET].iter_rows(min_row=2)}
    assert (fields["业务类别"], fields["人数"]) == ("最低生活保障", str(len(sample.persons)))
    assert [cell.value for cell in book[SCHEDULE_SHEET][1]] == ["序号", "信息提供方", "内容类别", "时间范围"]
    assert run(["apply", "check", str(path), "--catalog", str(sample.catalog), "--party", REQUESTER]) == Exit.FINE


@pytest.mark.parametrize(
    ("label", "field"), [("业务类别", "business_category"), ("人数", "person_count"), ("用途", "purpose")]
)
def test_a_form_that_leaves_it_open_is_not_filed(
    sample: Sample, tmp_path: Path, label: str, field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of them missing is told by name before anything is sent."""
    path = tmp_path / "form.xlsx"
    path.write_bytes(form_workbook(sample.application, sample.persons))
    book = load_workbook(path)
    for row in book[FORM_SHEET].iter_rows():
        if row[0].value == label:
            row[1].value = None
    book.save(path)
    capsys.readouterr()
    arguments = ["apply", "check", str(path), "--catalog", str(sample.catalog), "--party", REQUESTER, "--json"]
    assert run(arguments) == Exit.FAILED
    assert [(f["code"], f["field"]) for f in json.loads(capsys.readouterr().out)["faults"]] == [("missing", field)]


@pytest.mark.parametrize("provider", ["全國", "部中心", "山東", "山東省", "山東省民政廳低收入家庭經濟狀況核對指導中心"])
def test_the_provider_column_takes_the_annexs_words(
    sample: Sample, tmp_path: Path, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Note 2: 「全國」、「部中心」和省份名稱, as the regulation itself writes them (Art. 7: whom to ask)."""
    category = {"全國": "社會保險", "部中心": "婚姻登記"}.get(provider, "車船")
    path = tmp_path / "form.xlsx"
    path.write_bytes(
        form_workbook({**sample.application, "schedule": sample.application["schedule"][:1]}, sample.persons)
    )
    book = load_workbook(path)
    book[SCHEDULE_SHEET]["B2"], book[SCHEDULE_SHEET]["C2"] = provider, category
    book.save(path)
    arguments = ["apply", "check", str(path), "--catalog", str(sample.catalog), "--party", REQUESTER, "--json"]
    assert run(arguments) == Exit.FINE
    capsys.readouterr()
    book[SCHEDULE_SHEET]["B2"] = "山東省濟南市"
    book.save(path)
    assert run(arguments) == Exit.FAILED
    assert [f["code"] for f in json.loads(capsys.readouterr().out)["faults"]] == ["provider_unknown"]
