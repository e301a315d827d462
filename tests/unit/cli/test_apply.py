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
