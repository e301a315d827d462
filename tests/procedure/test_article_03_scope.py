"""Article 3: what can be asked about, and that a city or county asks only with its province's consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.center.desk import Outcome
from pipeline.crypto.bundles import parse_bundle
from pipeline.demo.application import Sample
from pipeline.domain.catalog import BASIC_CATEGORIES, Release
from pipeline.domain.parties import CENTER, PROVINCES
from pipeline.domain.records import UnitConsent
from tests.forgery import send, take_apart
from tests.network import Network
from tests.officer import decide, on_desk
from tests.scenario import REQUESTER, assert_equals_oracle, network_for, with_form

REGULATION = (Path(__file__).parent / "regulation.txt").read_text(encoding="utf-8")
CONSENT: UnitConsent = {
    "level": "county",
    "unit": "大理白族自治州大理市民政局",
    "authority": "云南省民政厅",
    "document": "云民函〔2026〕88号",
    "reason": "辖区内有大量跨省务工家庭",
    "date": "2026-11-02",
    "valid_until": "2027-05-01",
}


def article(number: str) -> str:
    """The text of an article, as the regulation has it."""
    return REGULATION.split(f"第{number}條 ")[1].split("\n\n第")[0]


def of_county(sample: Sample, **changes: Any) -> Sample:
    """The sample, asked for by a county."""
    return with_form(sample, unit_consent={**CONSENT, **changes})


def test_the_articles_own_words_name_the_categories() -> None:
    """Each kind of information that the article lists is one that a form may ask for, in the article's own characters."""
    text = article("三")
    basic, other = text.split("等基礎信息")[0].split("居民家庭的")[1], text.split("以及")[1].split("等涉及")[0]
    names = f"{basic}、{other}".split("、")
    assert [Release.of(1, []).category_from(name) for name in names] == list(BASIC_CATEGORIES)


def test_a_county_asks_through_its_province_with_consent(tmp_path: Path, sample: Sample) -> None:
    """市、县有特殊需要的,须经省级民政部门同意: an officer looks at the need, and it is then answered like any other."""
    county = of_county(sample)
    network = network_for(county, tmp_path)
    network.file(county.application, county.persons)
    network.run()
    [waiting] = on_desk(network)
    assert [fault["code"] for fault in waiting.item["faults"]] == ["hold_unit_level"]
    assert decide(network, county.application, "approve") == Outcome(True, "started")
    assert_equals_oracle(network, county)
    assert network.case(county.application).mandate()["unit_consent"] == CONSENT, "every provider sees on what it rests"


def test_the_province_itself_needs_no_consent(network: Network, sample: Sample) -> None:
    """主要服务于省级民政部门: the rule starts without anybody's decision."""
    network.file(sample.application, sample.persons)
    network.run()
    assert on_desk(network) == []
    assert_equals_oracle(network, sample)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason": ""}, "missing"),
        ({"document": ""}, "missing"),
        ({"authority": "大理白族自治州民政局"}, "unit_consent_authority"),
        ({"authority": PROVINCES["37"].civil_affairs}, "unit_consent_authority"),
        ({"valid_until": "2026-11-19"}, "unit_consent_expired"),
        ({"date": "2026-11-21", "valid_until": "2026-12-31"}, "date_future"),
    ],
)
def test_the_center_itself_refuses_a_consent_that_does_not_hold(
    network: Network, sample: Sample, changes: dict[str, Any], code: str
) -> None:
    """No need, no document, another's consent, one that has run out: refused although the adapter did not look."""
    county = of_county(sample, **changes)
    network.file(county.application, county.persons)
    network.run()
    rejection = network.case(county.application).rejection()
    assert rejection is not None
    assert [fault["code"] for fault in rejection["faults"]] == [code]
    assert on_desk(network) == []


@pytest.mark.parametrize("shown", [None, {**CONSENT, "level": "city"}])
def test_a_county_cannot_hide_behind_its_province(network: Network, sample: Sample, shown: UnitConsent | None) -> None:
    """A form that names no unit, or another consent than was signed, contradicts the mandate: refused."""
    county = of_county(sample)
    requester = network.identities[REQUESTER]
    filing = network.file(county.application, county.persons)
    network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    for sealed in filing.bundles:
        opened = take_apart(parse_bundle(sealed.raw), network.identities[CENTER])
        opened.head["application"] = {**opened.head["application"], "unit_consent": shown}
        send(network, REQUESTER, CENTER, "requests", opened.seal(requester, network))
    network.run()
    rejection = network.case(county.application).rejection()
    assert rejection is not None
    assert [(fault["code"], fault["args"]) for fault in rejection["faults"]] == [
        ("mandate_differs", {"key": "unit_consent"})
    ]
