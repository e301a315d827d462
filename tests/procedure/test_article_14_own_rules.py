"""Article 14: a province makes rules of its own, under the regulation and never beyond it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.center.desk import Outcome
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.demo.application import Sample
from pipeline.domain.rules import RuleBook
from pipeline.province.forms import write_form_yaml, write_roster_csv
from pipeline.province.rule_files import load_rule_book
from tests.network import Network
from tests.officer import decide, on_desk
from tests.scenario import REQUESTER, assert_equals_oracle, network_for

STRICT = """
business:
  最低生活保障: [户籍, 婚姻登记, 社会保险, 工商登记, 车船, 教育]
auto_accept:
  most_persons: 5
two_person: true
"""
FORBIDS_VEHICLES = """
business:
  最低生活保障: [户籍, 婚姻登记, 社会保险, 工商登记, 教育]
"""


def book(folder: Path, text: str, party: str = REQUESTER) -> RuleBook:
    """The nation's rules with those of one province, read from its file."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / f"{party}.yaml").write_text(text, encoding="utf-8")
    return load_rule_book(folder / "rules")


def filed(sample: Sample, folder: Path, rules: RuleBook) -> Network:
    """The sample, filed with a center that has these rules."""
    network = network_for(sample, folder, rules=rules)
    network.file(sample.application, sample.persons)
    network.run()
    return network


def test_a_province_has_its_own_cases_looked_at(sample: Sample, tmp_path: Path) -> None:
    """Beyond its own limit two officers decide; then it is answered as ever."""
    network = filed(sample, tmp_path, book(tmp_path, STRICT))
    [waiting] = on_desk(network)
    assert [fault["code"] for fault in waiting.item["faults"]] == ["hold_persons"]
    assert decide(network, sample.application, "approve", officer="wang") == Outcome(True, "second_officer_needed")
    assert decide(network, sample.application, "approve", officer="li") == Outcome(True, "started")
    assert_equals_oracle(network, sample)


def test_a_province_forbids_itself_a_category(sample: Sample, tmp_path: Path) -> None:
    """What its own rules leave out is refused by the center, with the row; nobody is asked."""
    network = filed(sample, tmp_path, book(tmp_path, FORBIDS_VEHICLES))
    rejection = network.case(sample.application).rejection()
    assert rejection is not None
    assert [(fault["code"], fault["args"]["category"]) for fault in rejection["faults"]] == [
        ("category_not_for_purpose", "vehicles")
    ]
    row = rejection["faults"][0]["row"]
    assert sample.application["schedule"][(row or 0) - 1]["category"] == "vehicles"


def test_a_provinces_rules_are_its_own_only(sample: Sample, tmp_path: Path) -> None:
    """山东's strictness holds for 山东's applications; 云南's start as the nation's rules say."""
    network = filed(sample, tmp_path, book(tmp_path, STRICT, party="37"))
    assert on_desk(network) == []
    assert_equals_oracle(network, sample)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("most_persons: 200000\n", "53.yaml:1: most_persons"),
        ("business:\n  高龄津贴: [户籍, 不动产登记]\n", "53.yaml:2: business.高龄津贴"),
        ("business:\n  商业征信: [户籍]\n", "53.yaml:2: business.商业征信"),
        ("auto_accept:\n  levels: [province, city, county]\n", "53.yaml:2: auto_accept.levels"),
        ("spot_check:\n  per_mille: 0\n", "53.yaml:2: spot_check.per_mille"),
    ],
)
def test_rules_beyond_the_regulation_are_refused_with_their_line(
    tmp_path: Path, text: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """根据本办法: `hedx rules check` names each place that would allow more; nothing loads such a file."""
    (tmp_path / "53.yaml").write_text(text, encoding="utf-8")
    assert run(["rules", "check", str(tmp_path / "53.yaml")]) == Exit.FAILED
    assert capsys.readouterr().out.startswith(place)


def test_the_rules_in_force_can_be_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An official reads what holds for the province: its own where it has any, else the nation's."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    book(tmp_path, STRICT)
    shown = {}
    for party in (REQUESTER, "37"):
        assert run(["rules", "show", party, "--json"]) == Exit.FINE
        shown[party] = json.loads(capsys.readouterr().out)
    assert shown[REQUESTER]["sha256"] != shown["37"]["sha256"]
    assert (shown[REQUESTER]["two_person"], shown["37"]["two_person"]) == (True, False)
    assert (shown[REQUESTER]["auto_accept"]["most_persons"], shown["37"]["auto_accept"]["most_persons"]) == (5, 20_000)


def test_the_provinces_own_check_and_the_center_say_the_same(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever checks before filing hears what the center would say, from the same file."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    rules = book(tmp_path, FORBIDS_VEHICLES)
    app = sample.application
    form, roster = tmp_path / "form.yaml", tmp_path / "roster.csv"
    write_form_yaml(form, app)
    write_roster_csv(roster, sample.persons, app["roster_date"], app["roster_dataset"])
    files = [str(form), "--roster", str(roster), "--catalog", str(sample.catalog)]
    assert run(["apply", "check", *files, "--party", REQUESTER, "--json"]) == Exit.FAILED
    told = json.loads(capsys.readouterr().out)["faults"]
    rejection = filed(sample, tmp_path, rules).case(app).rejection()
    assert rejection is not None
    assert [(f["code"], f["row"], f["args"]) for f in told] == [
        (f["code"], f["row"], f["args"]) for f in rejection["faults"]
    ]
