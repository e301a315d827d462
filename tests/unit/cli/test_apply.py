"""`hedx apply check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.province.forms import write_form_yaml, write_roster_csv
from tests.unit.domain.samples import a_child, a_person, a_row, an_application

CATALOG = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "catalog"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    app = an_application(person_count=2, schedule=[a_row(), a_row(row=2, provider="00", category="marriage")])
    write_form_yaml(tmp_path / "form.yaml", app)
    write_roster_csv(tmp_path / "roster.csv", [a_person(), a_child()], app["roster_date"], app["roster_dataset"])
    files = [str(tmp_path / "form.yaml"), "--roster", str(tmp_path / "roster.csv"), "--catalog", str(CATALOG)]
    return ["apply", "check", *files, "--party", "37"]


def spoil(arguments: list[str]) -> None:
    """An unknown provider in the form, a wrong check digit and an unknown column in the roster."""
    form, roster = Path(arguments[2]), Path(arguments[4])
    form.write_text(form.read_text(encoding="utf-8").replace("部中心\n", "火星\n"), encoding="utf-8")
    text = roster.read_text(encoding="utf-8").replace("SQ-2026-0001", "", 1).replace("授权日期", "授权日期,手机")
    roster.write_text(text, encoding="utf-8")


def test_a_sound_application_exits_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what would be filed."""
    assert run([*arguments, "--lang", "en"]) == Exit.FINE
    assert capsys.readouterr().out.strip() == "Checked and sound: 2 persons, 1 households, 2 schedule rows."


def test_faults_are_grouped_and_exit_1(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Chinese is the language of officials; schedule and roster have a heading each."""
    spoil(arguments)
    assert run([*arguments, "--lang", "zh"]) == Exit.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "发现 3 处错误\uff0c申请未提交。"
    assert lines[2] == "附表 (1)"
    assert "火星" in lines[3]
    assert lines[5:] == ["名单 (2)", "  名单中有未知的列\uff1a手机", "  名单第 1 号\uff1a授权书编号未填写"]


def test_json_is_one_document_with_codes_and_words(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A program gets the codes, a person behind it the sentence."""
    spoil(arguments)
    assert run([*arguments, "--json", "--lang", "en"]) == Exit.FAILED
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [(f["code"], f["number"], f["row"]) for f in report["faults"]] == [
        ("column_unknown", None, None),
        ("provider_unknown", None, 2),
        ("missing", 1, None),
    ]
    assert report["faults"][2]["message"] == "roster number 1: consent reference is missing"


def test_language_follows_the_locale(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """English in an English locale, Chinese otherwise."""
    spoil(arguments)
    for locale, first in (
        ("en_GB.UTF-8", "3 faults; nothing was filed."),
        ("C.UTF-8", "发现 3 处错误\uff0c申请未提交。"),
    ):
        monkeypatch.setenv("LC_ALL", locale)
        run(arguments)
        assert capsys.readouterr().out.splitlines()[0] == first


@pytest.mark.parametrize("party", ["00", "火星", "center"])
def test_only_a_province_asks(arguments: list[str], party: str) -> None:
    """部中心 and the center file nothing."""
    assert run([*arguments[:-1], party]) == Exit.USAGE


def own_rules(home: Path, text: str) -> None:
    """山东's own rules in this HEDX_HOME."""
    (home / "rules").mkdir()
    (home / "rules" / "37.yaml").write_text(text, encoding="utf-8")


def test_the_rules_of_the_province_refuse_a_category(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the center would reject, the province is told before it files; the row is named."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    own_rules(tmp_path, "business:\n  最低生活保障: [户籍]\n")
    assert run([*arguments, "--json", "--lang", "en"]) == Exit.FAILED
    [told] = json.loads(capsys.readouterr().out)["faults"]
    assert (told["code"], told["row"]) == ("category_not_for_purpose", 2)
    assert (
        told["message"] == "schedule row 2: by the rules, 最低生活保障 may not ask for marriage registration (marriage)"
    )


def test_what_will_be_held_is_a_remark_not_a_fault(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application is sound and can be filed; the official knows that an officer will look at it, and why."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    own_rules(tmp_path, "auto_accept:\n  most_persons: 1\n")
    assert run([*arguments, "--lang", "zh"]) == Exit.FINE
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "提交后须经部中心人工审核\uff0c原因\uff1a",
        "  申请表\uff1a人数超过 1 人\uff0c须经人工审核",
    ]
    assert run([*arguments, "--json"]) == Exit.FINE
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], [fault["code"] for fault in report["held"]]) == (True, ["hold_persons"])


def test_looser_rules_of_a_province_stop_the_check(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules that widen the regulation are not used, and not passed over either (Art. 14)."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    own_rules(tmp_path, "most_persons: 2000000\n")
    assert run(arguments) == Exit.FAILED
    assert "37.yaml:1: most_persons" in capsys.readouterr().err
