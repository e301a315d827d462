"""Dossiers on a screen."""

from __future__ import annotations

from typing import Any, cast

import pytest
from rich.cells import cell_len

from pipeline.cli.dossier_table import cell, in_order, reasons, show_coverage, show_dossiers, show_statuses
from pipeline.domain.dossiers import Dossier, PersonResults, Result

UNTIL = 1_896_084_000_000
"""2030-01-31 18:00 in China."""


def a_result(status: str, entries: int = 0, **changes: Any) -> Result:
    result: dict[str, Any] = {
        "row": 1, "category": "vehicles", "provider": "37", "status": status, "code": None, "until": None,
        "as_of": None, "coverage": None, "accepted_coverage": None, "coverage_differs": [], "note": None,
        "entries": [{}] * entries,
    }  # fmt: skip
    return cast("Result", {**result, **changes})


def a_dossier(household: str, *people: tuple[str, list[Result]]) -> Dossier:
    persons = [
        PersonResults(
            number=n, name=name, document_type="resident_id", document_number="", relation="户主", results=results
        )
        for n, (name, results) in enumerate(people, 1)
    ]
    return Dossier(household=household, persons=persons)


@pytest.fixture
def dossiers() -> list[Dossier]:
    """Two persons of one household and one of another; four categories, one of them not in Art. 3."""
    return [
        a_dossier(
            "H1",
            ("阿依古丽·买买提", [a_result("found", 2), a_result("refused", category="business", code="sharing_suspended")]),
            ("王[b]明", [a_result("no_record"), a_result("unavailable", category="education", until=UNTIL)]),
        ),
        a_dossier("H2", ("李四", [a_result("no_record", category="farm_subsidy"), a_result("expired")])),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("results", "shown"),
    [
        ([], ""),
        ([a_result("no_record")], "·"),
        ([a_result("found", 2), a_result("found", 3), a_result("no_record")], "5"),
        ([a_result("refused")], "拒"),
        ([a_result("no_record"), a_result("refused")], "·拒"),
        ([a_result("found", 1), a_result("unavailable"), a_result("expired"), a_result("unavailable")], "1缺逾"),
        ([a_result("withdrawn")], "撤"),
    ],
)
def test_a_cell_sums_what_was_found_and_marks_what_is_open(results: list[Result], shown: str) -> None:
    """Several providers are one cell: their records together, then each open status once."""
    assert cell(results, "zh") == shown


def test_marks_are_letters_in_english() -> None:
    """R refused, U unavailable, E expired, W withdrawn."""
    statuses = ("withdrawn", "expired", "unavailable", "refused")
    assert cell([a_result(status) for status in statuses], "en") == "RUEW"


def test_categories_come_in_the_order_of_article_3() -> None:
    """Those the article does not name follow, by id."""
    assert in_order({"zebras", "education", "farm_subsidy", "marriage"}) == [
        "marriage", "education", "farm_subsidy", "zebras"]  # fmt: skip


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_table_is_a_line_a_person(dossiers: list[Dossier], capsys: pytest.CaptureFixture[str], lang: Any) -> None:
    """Columns line up, the household stands once, text in brackets is text, and no line is wider than 100 columns."""
    show_dossiers(dossiers, {"farm_subsidy": "农业补贴"}, lang)
    title, head, *people, legend = capsys.readouterr().out.split("\n\n")[0].strip().splitlines()
    assert [line.split()[0] for line in people] == ["H1", "王[b]明", "H2"]
    assert {cell_len(line) for line in (head, *people)} == {cell_len(head)}
    assert cell_len(head) <= 100
    if lang == "zh":
        assert title == "家庭经济状况档案"
        assert head.split() == ["户号", "姓名", "关系", "工商", "车船", "教育", "农业补贴"]
        assert "拒 拒绝提供" in legend
    else:
        assert head.split()[-1] == "farm_subsidy"
        assert "R refused" in legend


def test_statuses_are_counted_by_category_and_provider(
    dossiers: list[Dossier], capsys: pytest.CaptureFixture[str]
) -> None:
    """Only statuses that occur have a column, and what has no answer says why."""
    show_statuses(dossiers, {}, "zh")
    lines = [line.split() for line in capsys.readouterr().out.strip().splitlines()]
    assert lines[1] == ["内容类别", "提供方", "有记录", "查无记录", "拒绝提供", "暂不可用", "未反馈", "原因"]
    assert lines[2] == ["工商登记", "山东", "1", "提供方暂停共享此类信息"]
    assert lines[3] == ["车船", "山东", "1", "1", "1"]
    assert lines[4] == ["教育", "山东", "1", "2030-01-31", "18:00", "前暂停服务"]


def test_a_reason_is_told_once_and_with_its_time() -> None:
    """Many persons share a reason; a time is China's."""
    results = [a_result("refused", code="not_identifiable")] * 2 + [a_result("unavailable", code="moving", until=UNTIL)]
    assert reasons(results, "en") == (
        "without a document the register cannot identify the person; moving (until 2030-01-31 18:00)"
    )


def test_no_record_is_never_shown_without_coverage_and_date(capsys: pytest.CaptureFixture[str]) -> None:
    """Each statement once, by category and provider; and an answer from less than was promised says so, found or not."""
    about: dict[str, Any] = {"as_of": "2026-10-31", "coverage": "山东省车辆"}
    stale = {**about, "as_of": "2025-01-31", "coverage_differs": ["as_of_earlier"]}
    persons = [(f"人{n}", [a_result("no_record", **about)]) for n in range(3)]
    persons += [
        ("王五", [a_result("no_record", category="medical", **stale)]),
        ("李四", [a_result("found", 1, **stale)]),
    ]
    show_coverage([a_dossier("H1", *persons)], {}, "zh")
    lines = [line.split() for line in capsys.readouterr().out.strip().splitlines()]
    assert lines == [
        ["覆盖范围和截止日期（“查无记录”以此为限）"],
        ["内容类别", "提供方", "覆盖", "截至", "与受理时目录不符"],
        ["车船", "山东", "山东省车辆", "2025-01-31", "数据截止日期早于受理时的目录"],
        ["车船", "山东", "山东省车辆", "2026-10-31"],
        ["医疗", "山东", "山东省车辆", "2025-01-31", "数据截止日期早于受理时的目录"],
    ]
    show_coverage([a_dossier("H1", ("人", [a_result("found", 1, **about)]))], {}, "zh")
    assert capsys.readouterr().out == ""
