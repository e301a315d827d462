"""Forms and rosters as people write them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain.faults import FAULTS
from pipeline.domain.records import Fault
from pipeline.domain.wording import explain
from pipeline.province.form_files import FORM_MIB
from pipeline.province.forms import LoadedForm, load_form, write_form_yaml, write_roster_csv
from tests.unit.domain.consents import a_consent
from tests.unit.domain.samples import (
    ADULT_ID,
    TODAY,
    a_child,
    a_person,
    a_release,
    a_row,
    an_application,
)
from tests.unit.domain.spoilt import CASES, CERTIFICATE, INFANT, PERMIT

APP = an_application(person_count=2)
PERSONS = [a_person(), a_child()]


class Desk:
    """A folder with a sound form and roster, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.form, self.roster = folder / "form.yaml", folder / "roster.csv"
        write_form_yaml(self.form, APP, a_release())
        write_roster_csv(self.roster, PERSONS, APP["roster_date"], APP["roster_dataset"])

    def load(self) -> LoadedForm:
        return load_form(
            self.form,
            self.roster,
            release=a_release(),
            today=TODAY,
            requester="37",
            application_id=APP["application_id"],
        )

    def faults(self) -> list[Fault]:
        loaded = self.load()
        assert (loaded.application is None) == bool(loaded.faults) == (not loaded.roster)
        return loaded.faults

    def change_form(self, old: str, new: str) -> None:
        text = self.form.read_text(encoding="utf-8")
        assert old in text
        self.form.write_text(text.replace(old, new, 1), encoding="utf-8")

    def change_roster(self, old: str, new: str) -> None:
        text = self.roster.read_text(encoding="utf-8-sig")
        assert old in text
        self.roster.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def drop_column(desk: Desk, name: str) -> None:
    """Take a column out of the roster, header and cells."""
    lines = [line.split(",") for line in desk.roster.read_text(encoding="utf-8-sig").splitlines()]
    place = lines[2].index(name)
    kept = lines[:2] + [line[:place] + line[place + 1 :] for line in lines[2:]]
    desk.roster.write_text("\n".join(map(",".join, kept)), encoding="utf-8")


def drop_header(desk: Desk) -> None:
    """Take the header line out of the roster."""
    lines = desk.roster.read_text(encoding="utf-8-sig").splitlines()
    desk.roster.write_text("\n".join(lines[:2] + lines[3:]), encoding="utf-8")


Spoil = Callable[[Desk], Any]

WRITING: list[tuple[str, str, Spoil]] = [
    ("file_missing", "form", lambda desk: desk.form.unlink()),
    ("file_missing", "roster", lambda desk: desk.roster.unlink()),
    ("file_too_large", "form", lambda desk: desk.form.write_bytes(b"#" * (FORM_MIB * 1024 * 1024 + 1))),
    ("file_encoding", "form", lambda desk: desk.form.write_bytes(b"\xff\xff\xff")),
    ("file_encoding", "roster", lambda desk: desk.roster.write_bytes("户编号".encode("utf-16"))),
    ("file_syntax", "form", lambda desk: desk.form.write_text("附表: [", encoding="utf-8")),
    ("file_syntax", "form", lambda desk: desk.form.write_text("- 附表", encoding="utf-8")),
    ("file_syntax", "form", lambda desk: desk.form.write_text("a: &x 1\nb: *x", encoding="utf-8")),
    ("file_syntax", "form", lambda desk: desk.form.write_text("[a]: 1", encoding="utf-8")),
    ("file_syntax", "form", lambda desk: desk.form.write_text("a: 1\n---\nb: 2", encoding="utf-8")),
    ("file_syntax", "form", lambda desk: desk.form.write_text("[" * 5000, encoding="utf-8")),
    ("file_syntax", "roster", lambda desk: desk.change_roster("王小花", '"王小花')),
    ("key_unknown", "form", lambda desk: desk.change_form("用途:", "备注: 无\n用途:")),
    ("key_unknown", "form", lambda desk: desk.change_form("  范围:", "  期限: 一年\n  范围:")),
    ("key_unknown", "form", lambda desk: desk.change_form("  时间范围: ''", "  时间范围: ''\n  备注: 无")),
    ("key_repeated", "form", lambda desk: desk.change_form("用途:", "用途: 别的\n用途:")),
    ("key_repeated", "form", lambda desk: desk.change_form("用途:", "purpose: 别的\n用途:")),
    ("value_shape", "form", lambda desk: desk.change_form("人数: 2", "人数: [2]")),
    ("value_shape", "form", lambda desk: desk.change_form("联系人: 李四", "联系人: {姓名: 李四}")),
    ("value_shape", "form", lambda desk: desk.change_form("  时间范围: ''", "  时间范围: {自: 2025}")),
    ("choice", "consent.held", lambda desk: desk.change_form("已取得: 是", "已取得: 也许")),
    ("choice", "seal_to_center", lambda desk: desk.change_form("提交部中心解封: 否", "提交部中心解封: 随便")),
    ("person_count", "person_count", lambda desk: desk.change_form("人数: 2", "人数: 两人")),
    ("person_count", "person_count", lambda desk: desk.change_form("人数: 2", "人数: \uff12")),
    ("missing", "person_count", lambda desk: desk.change_form("人数: 2", "人数:")),
    ("missing", "form_date", lambda desk: desk.change_form("日期: '2026-11-23'", "日期: ~")),
    ("period_impossible", "period", lambda desk: desk.change_form("时间范围: ''", "时间范围: 2025/02/30")),
    ("period_format", "period", lambda desk: desk.change_form("时间范围: ''", "时间范围: 2025-02-01")),
    ("schedule_empty", "schedule", lambda desk: desk.change_form(
        "附表:\n- 信息提供方: 全国\n  内容类别: 户籍\n  时间范围: ''", "附表:")),
    ("column_unknown", "roster", lambda desk: desk.change_roster("授权日期", "授权日期,手机")),
    ("column_repeated", "roster", lambda desk: desk.change_roster("授权日期", "授权日期,姓名")),
    ("column_missing", "consent_reference", lambda desk: drop_column(desk, "授权书编号")),
    ("column_missing", "name", lambda desk: drop_column(desk, "姓名")),
    ("header_missing", "roster", drop_header),
    ("row_width", "roster", lambda desk: desk.change_roster(",2026-11-02", ",2026-11-02,多")),
    ("roster_label_missing", "roster.date", lambda desk: desk.change_roster("提交日期,2026-11-20", "")),
    ("roster_label_missing", "roster.dataset", lambda desk: desk.change_roster("电子数据,历下区低保申请名单", "电子数据,")),
    ("roster_date_differs", "roster.date", lambda desk: desk.change_roster("2026-11-20", "2026-11-19")),
    ("roster_dataset_differs", "roster.dataset", lambda desk: desk.change_roster("历下区", "市中区")),
    ("number_repeated", "number", lambda desk: desk.change_roster("2,H1,王小花", "二,H1,王小花")),
    ("consent_narrower", "consent_scope", lambda desk: desk.change_roster("全国各核对机构", "山东省")),
    ("consent_narrower", "consent.scope", lambda desk: desk.change_form("全国各核对机构", "山东省")),
    ("lead_person_absent", "lead_person", lambda desk: desk.change_form("牵头人: 王小明", "牵头人: 王小")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "field", "spoil"), WRITING, ids=[f"{c}-{f}" for c, f, _ in WRITING])
def test_each_mistake_of_writing_is_told_once(desk: Desk, code: str, field: str, spoil: Spoil) -> None:
    """One mistake gives one fault with its code and field; what follows from it is not alleged as well."""
    spoil(desk)
    assert {(found["code"], found["field"]) for found in desk.faults()} == {(code, field)}


def test_every_code_of_the_table_is_reached() -> None:
    """No wording waits for a fault that nothing reports, and nothing reports one without wording.

    What is reported elsewhere (rules, evidence, workbooks, stages) is reached by the tests of that.
    """
    pipeline = Path(__file__).resolve().parents[3] / "pipeline"
    read_here = {path for pattern in ("domain/review*", "province/*_files*") for path in pipeline.glob(f"{pattern}.py")}
    read_here -= {*pipeline.glob("province/evidence_*.py"), pipeline / "province" / "workbook_files.py"}
    tables = {pipeline / "domain" / "faults.py", pipeline / "domain" / "wording.py"}
    reported, named = set[str](), set[str]()
    for path in set(pipeline.rglob("*.py")) - read_here - tables:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        named |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        reported.update(_codes_in(nodes))
    assert reported <= FAULTS.keys()
    assert FAULTS.keys() - {code for code, _, _ in CASES} - {code for code, _, _ in WRITING} <= named


def _codes_in(nodes: list[ast.AST]) -> list[str]:
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    named = [
        call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "fault" and call.args
    ]
    return [str(code.value) for code in named if isinstance(code, ast.Constant)]


def test_all_faults_of_all_files_come_in_one_report(desk: Desk) -> None:
    """Form, schedule and roster are told together, in this order, and nothing of the application is handed out."""
    desk.change_form("审批机关: 济南市历下区民政局", "审批机关:")
    desk.change_form("用途:", "备注: 无\n用途:")
    desk.change_form("人数: 2", "人数: 3")
    desk.change_form("  时间范围: ''", "  时间范围: 2025/02/30\n- 信息提供方: 火星\n  内容类别: 飞机")
    desk.change_roster(ADULT_ID, "370102198005061234")
    desk.change_roster("授权日期", "授权日期,手机")
    desk.change_roster("SQ-2026-0001", "")
    loaded = desk.load()
    assert loaded.application is None
    assert loaded.roster == []
    assert loaded.persons_read == 2
    assert [(f["code"], f["number"], f["row"]) for f in loaded.faults] == [
        ("key_unknown", None, None),
        ("column_unknown", None, None),
        ("missing", None, None),
        ("roster_count", None, None),
        ("period_impossible", None, 1),
        ("provider_unknown", None, 2),
        ("category_unknown", None, 2),
        ("missing", 1, None),
        ("document_check_digit", 1, None),
    ]


def test_an_unreadable_form_does_not_hide_the_rosters_faults(desk: Desk) -> None:
    """One file that cannot be read does not cost a second round for the other."""
    desk.form.unlink()
    desk.change_roster(ADULT_ID, "370102198005061234")
    assert [f["code"] for f in desk.faults()] == ["file_missing", "document_check_digit"]


def test_keys_are_told_as_they_stand_in_the_file(desk: Desk) -> None:
    """An official looks for the word that was written."""
    desk.change_form("  时间范围: ''", "  时间范围: ''\n  备注: 无")
    desk.change_form("  范围:", "  期限: 一年\n  范围:")
    assert [explain(f) for f in desk.faults()] == [
        "申请表\uff1a申请表中有未知的项目\uff1a授权.期限",
        "附表第 1 行\uff1a申请表中有未知的项目\uff1a备注",
    ]


def test_a_person_in_place_of_the_header_is_not_repeated(desk: Desk) -> None:
    """A roster without header line starts with a person; the report does not tell who."""
    drop_header(desk)
    report = repr(desk.faults()) + "".join(map(explain, desk.faults()))
    assert "header_missing" in report
    assert "王小" not in report
    assert ADULT_ID not in report


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
def test_files_of_chinese_offices_are_read_in_their_encodings(desk: Desk, encoding: str) -> None:
    """UTF-8 with or without a mark, and what spreadsheets on Chinese systems write."""
    desk.roster.write_bytes(desk.roster.read_text(encoding="utf-8-sig").encode(encoding))
    desk.form.write_bytes(desk.form.read_text(encoding="utf-8").encode(encoding))
    assert desk.faults() == []
    assert desk.load().application == APP
    assert desk.load().roster == PERSONS


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_form_and_roster_read_back_as_written(desk: Desk, lang: Literal["zh", "en"]) -> None:
    """With Chinese labels and with English keys, with every document type and every form of period."""
    persons = [
        *PERSONS,
        a_person(number=3, name="买买提·艾力", relation="配偶", **{**PERMIT, "document_number": "USA110123456789"}),
        a_child(number=4, name="王新", **INFANT),
        a_child(number=5, name="王南", **CERTIFICATE),
    ]
    app = an_application(
        person_count=5,
        seal_to_center=True,
        schedule=[
            a_row(),
            a_row(row=2, provider="37", period={"kind": "day", "start": "2025-01-02", "end": "2025-01-02"}),
            a_row(row=3, provider="00", category="social_insurance",
                  period={"kind": "range", "start": "2025-01-02", "end": "2025-12-31"}),
        ],
    )  # fmt: skip
    write_form_yaml(desk.form, app, a_release() if lang == "zh" else None, lang)
    write_roster_csv(desk.roster, persons, app["roster_date"], app["roster_dataset"], lang)
    loaded = desk.load()
    assert loaded.faults == []
    assert loaded.application == app
    assert loaded.roster == persons


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(authority=words, reference=words, household=words, scope=st.sampled_from(["是", "no", "~", "1e3", "2026-01-01"]))
def test_any_words_survive_the_files(desk: Desk, authority: str, reference: str, household: str, scope: str) -> None:
    """Quotes, colons, commas, formula signs, and words that YAML likes to change, come back unchanged."""
    app = an_application(approving_authority=authority, purpose=f"x{scope}", business_category=f"{scope}x")
    person = a_person(consent_reference=reference, household=household)
    write_form_yaml(desk.form, app)
    write_roster_csv(desk.roster, [person], app["roster_date"], app["roster_dataset"])
    loaded = desk.load()
    if authority.strip() in ("~", "null"):
        assert [f["field"] for f in loaded.faults] == ["approving_authority"]
    else:
        assert loaded.faults == []
        assert loaded.application == app
        assert loaded.roster == [person]


def test_no_cell_of_a_written_roster_starts_a_formula(desk: Desk) -> None:
    """A spreadsheet that opens the file runs nothing; reading it gives the text back."""
    person = a_person(consent_reference='=HYPERLINK("http://x")', household="+1", relation="@x")
    write_roster_csv(desk.roster, [person], APP["roster_date"], "-x")
    cells = desk.roster.read_text(encoding="utf-8-sig").replace('"', "").replace("\r\n", ",").split(",")
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    desk.change_form("电子数据: 历下区低保申请名单", "电子数据: -x")
    desk.change_form("人数: 2", "人数: 1")
    assert desk.load().roster == [person]


def test_what_spreadsheets_do_to_rosters_is_undone(desk: Desk) -> None:
    """Padded lines, empty lines, dates without zeros, apostrophes before numbers, small x, spaces around."""
    desk.roster.write_text(
        "#提交日期,2026/11/20,,,,,,,,\n电子数据,历下区低保申请名单,,,,,,,,\n,,,,,,,,,\n"
        "户编号,姓名,身份证号,与户主关系,授权书编号,授权人,授权范围,授权日期,,\n"
        f" H1 , 王小明 ,'{ADULT_ID.lower()},户主,SQ-1,本人,全国,2026/11/2,,\n,,,,,,,,,\n",
        encoding="gb18030",
    )
    desk.change_form("人数: 2", "人数: 1")
    loaded = desk.load()
    assert loaded.faults == []
    assert loaded.roster == [a_person(consent_reference="SQ-1")]


def test_the_form_may_leave_out_what_the_annex_prints(desk: Desk) -> None:
    """The legal basis is printed on the form, and results go to the requester only unless it says otherwise."""
    form = yaml.safe_load(desk.form.read_text(encoding="utf-8"))
    del form["查询依据"], form["提交部中心解封"]
    form["受理单位"] += "\uff1a"
    desk.form.write_text(yaml.safe_dump(form, allow_unicode=True), encoding="utf-8")
    assert desk.load().application == APP


def test_a_form_in_traditional_characters_is_the_same_form(desk: Desk) -> None:
    """Labels, provider, category and the words the annex prints are read in either script (Art. 8)."""
    plain = desk.load().application
    for old, new in (
        ("受理单位: 民政部低收入家庭认定指导中心", "受理單位: 民政部低收入家庭認定指導中心："),
        ("查询依据: 《社会救助暂行办法》(国务院令第649号)", "查詢依據: 《社會救助暫行辦法》(國務院令第649號)"),
        ("审批机关", "審批機關"),
        ("业务类别", "業務類別"),
        ("授权", "授權"),
        ("范围: 全国各核对机构", "範圍: 全國各核對機構"),
        ("信息提供方: 全国", "信息提供方: 全國"),
        ("内容类别: 户籍", "內容類別: 戶籍"),
        ("联系电话", "聯繫電話"),
    ):
        desk.change_form(old, new)
    assert desk.faults() == []
    assert desk.load().application == plain


def test_a_county_form_is_read_and_written(tmp_path: Path) -> None:
    """市县单位 with the consent of its province, in both languages, comes back as it was (Art. 3)."""
    app = an_application(person_count=2, unit_consent=a_consent())
    for lang, level in (("zh", "申请层级: 市级"), ("en", "level: city")):
        desk = Desk(tmp_path)
        write_form_yaml(desk.form, app, a_release(), cast("Literal['zh', 'en']", lang))
        assert desk.load().application == app
        desk.change_form(level.replace("市级", "县级").replace("city", "county"), level)
        changed = desk.load().application
        assert changed is not None
        assert changed["unit_consent"] == {**a_consent(), "level": "city"}


@pytest.mark.parametrize(
    "block", ["", "市县单位: ''\n", "市县单位:\n  申请层级: 省级\n", "市县单位:\n  单位名称: ''\n"]
)
def test_a_province_asks_for_itself_when_the_block_is_blank(desk: Desk, block: str) -> None:
    """部省联网查询主要服务于省级民政部门: that is the rule, a unit the exception."""
    desk.form.write_text(desk.form.read_text(encoding="utf-8") + block, encoding="utf-8")
    application = desk.load().application
    assert application is not None
    assert application["unit_consent"] is None


def test_a_county_form_without_its_consent_is_told_all_that_is_missing(desk: Desk) -> None:
    """One level filled in makes the whole consent necessary; unknown keys in it are told."""
    desk.form.write_text(
        desk.form.read_text(encoding="utf-8") + "市县单位:\n  申请层级: 县级\n  电话: 1\n", encoding="utf-8"
    )
    found = {(fault["code"], fault["field"]) for fault in desk.faults()}
    keys = ("unit", "authority", "document", "reason", "date", "valid_until")
    assert found == {("missing", f"unit_consent.{key}") for key in keys} | {("key_unknown", "form")}
