"""The wording of faults in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain.faults import FAULTS, fault
from pipeline.domain.records import Fault
from pipeline.domain.wording import LABELS, Language, explain, explain_reason, fault_table, label, location
from tests.unit.domain.samples import ADULT_ID, CHILD_ID, OTHER_ID
from tests.unit.domain.spoilt import CASES, CERTIFICATE, PERMIT

SECRETS = {
    ADULT_ID, CHILD_ID, OTHER_ID, str(CERTIFICATE["document_number"]), str(PERMIT["document_number"]),
    "王小明", "王小花", "李四", "86012345", "1980-05-06", "SQ-2026",
}  # fmt: skip
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_code_is_worded_in_both_languages(code: str, lang: Language) -> None:
    """Each code makes a sentence of its own language with every placeholder filled."""
    wording = FAULTS[code]
    args: dict[str, Any] = dict.fromkeys(wording.placeholders(), "3")
    sentence = explain(fault(code, field=wording.field or "purpose", **args), lang)
    assert not re.search(r"[{}?]", sentence)
    assert bool(CHINESE.search(sentence.replace("全国", "").replace("部中心", ""))) == (lang == "zh")


def test_both_languages_use_the_same_placeholders() -> None:
    """A placeholder that only one language has would be lost to the other's reader, or break it."""
    for code, wording in FAULTS.items():
        in_english = set(re.findall(r"{(\w+)}", wording.en)) - {"label"}
        assert in_english == wording.placeholders(), code


def test_every_field_has_a_name_in_both_languages() -> None:
    """Whatever field a fault sits in, a reader is told its name and not its identifier."""
    fields = {wording.field for wording in FAULTS.values() if wording.field} | {field for _, field, _ in CASES}
    assert fields <= LABELS.keys()


@pytest.mark.parametrize("found", [found for _, _, check in CASES for found in check()], ids=lambda f: str(f["code"]))
def test_no_wording_repeats_a_person(found: Fault) -> None:
    """Neither the fault nor its sentences hold a name, number or date of a person of the roster."""
    everything = repr(found) + explain(found, "zh") + explain(found, "en")
    assert not [secret for secret in SECRETS if secret in everything]


@pytest.mark.parametrize(
    ("found", "zh", "en"),
    [
        (fault("document_check_digit", 12), "名单第 12 号\uff1a证件号码校验码不正确", "roster number 12: document number has a wrong check digit"),
        (fault("document_check_digit", 3, field="guardian_document_number"), "名单第 3 号\uff1a监护人证件号码校验码不正确",
         "roster number 3: guardian's document number has a wrong check digit"),
        (fault("provider_does_not_offer", row=2, provider="37", category="cremation", offered_by="00,32"),
         "附表第 2 行\uff1a山东不提供“遗体火化”\uff1b提供单位\uff1a部中心、江苏",
         "schedule row 2: Shandong does not offer cremation (cremation); it is offered by: the Ministry's center, Jiangsu"),
        (fault("roster_empty"), "名单\uff1a名单中没有人员", "the roster: the roster has no persons"),
        (fault("mandate_differs", key="purpose"), "申请表\uff1a申请表与签名委托的“用途”不一致", "the form: form and signed mandate differ in purpose"),
    ],
)  # fmt: skip
def test_sentences_name_place_field_and_reason(found: Fault, zh: str, en: str) -> None:
    """Codes of providers and categories become the names that officials know."""
    assert explain(found, "zh") == zh
    assert explain(found, "en") == en


def test_a_fault_from_a_newer_center_or_a_hostile_one_is_still_told() -> None:
    """A rejection may hold codes and args of which this release knows nothing; none breaks the report."""
    newer: Fault = {"code": "moon_phase", "field": "purpose", "number": None, "row": None, "args": {}}
    assert "moon_phase" in explain(newer, "zh")
    assert "purpose" in explain(newer, "en")
    odd: Fault = {
        "code": "roster_count",
        "field": "x",
        "number": None,
        "row": 1,
        "args": {"label": "{0}", "form": "{9}"},
    }
    assert "{9}" in explain_reason(odd, "zh")
    assert location(odd, "zh") == "附表第 1 行"
    assert label("x") == "x"
    assert "moon" in explain(fault("provider_does_not_offer", row=1, provider="moon", category="cheese", offered_by=""))


def test_the_documented_table_is_the_table() -> None:
    """docs/faults.md is made from the code and has not been left behind."""
    page = Path(__file__).resolve().parents[3] / "docs" / "faults.md"
    assert page.read_text(encoding="utf-8") == fault_table()
