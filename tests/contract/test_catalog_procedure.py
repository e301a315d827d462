"""The catalog's way from report to release on the in-memory network, and applications in flight meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.center.cataloguing import accept, plan, refuse
from pipeline.codec import framing
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry, CatalogReport
from pipeline.province import outbox
from pipeline.province.catalog_reports import file_report
from pipeline.province.database import transaction
from pipeline.stages import topics
from pipeline.stages.acts import post_act, sign_act
from pipeline.stages.local import Posted
from tests import catalog_desk as desk
from tests.network import Network
from tests.scenario import (
    assert_equals_oracle,
    codes,
    is_certified,
    network_for,
    schedule_of,
    small_sample,
    standing,
    with_form,
)

ITEMS = [{"item": "amount", "name": "金额", "type": "decimal", "required": True}]


@pytest.fixture
def network(tmp_path: Path, sample: Sample) -> Network:
    """The sample's parties, with release 1 in force."""
    return network_for(sample, tmp_path)


def a_new_entry(network: Network, party: str, category: str, name: str) -> CatalogEntry:
    """What a party offers in a category that nobody has offered yet."""
    base = desk.entry_of(network, party, "education", name=name, items=ITEMS)
    return cast("CatalogEntry", {**base, "category": category})


def test_a_report_becomes_part_of_the_next_release_and_its_party_is_told(network: Network) -> None:
    """Signed by the party, accepted by an officer, published with a number; the signed decision comes back."""
    before = network.reference.current
    assert before is not None
    fresh = a_new_entry(network, "37", "farm_subsidy", "农业补贴")
    newer = desk.entry_of(network, "37", "medical", version=2, as_of="2026-11-01")
    digest = desk.report(network, "37", fresh, newer, retire=["education"])
    [reported] = desk.on_desk(network)
    assert (reported.name, reported.act.digest, reported.item["faults"]) == ("37/1", digest, [])
    assert [own.decision for own in desk.told(network, "37")] == [None]

    desk.accept_all(network)
    assert network.reference.current is before
    planned = desk.publish(network)
    network.run()
    after = network.reference.current
    assert after is not None
    assert (after.number, planned.number) == (2, 2)
    assert after.entry("37", "farm_subsidy")["release"] == 2
    assert after.entry("37", "medical")["as_of"] == "2026-11-01"
    assert ("37", "education") not in after.entries
    others = {key: {**e, "release": 0} for key, e in after.entries.items() if key[0] != "37"}
    assert others == {key: {**e, "release": 0} for key, e in before.entries.items() if key[0] != "37"}
    assert desk.on_desk(network) == []
    [own] = desk.told(network, "37")
    assert own.decision is not None
    assert (own.decision["accepted"], own.decision["release"], own.decision["report"]) == (True, 2, digest)
    assert codes(network) == []


def test_the_founding_release_is_made_of_reports_like_any_other(network: Network) -> None:
    """Before it there is nothing to compare with: all that parties report is new."""
    desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2))
    desk.report(network, "32", desk.entry_of(network, "32", "education", version=2))
    desk.accept_all(network)
    planned = plan(None, desk.on_desk(network), [])
    assert (planned.number, planned.faults, planned.changes.changed) == (1, [], [])
    added = [(entry["provider"], entry["category"]) for entry in planned.changes.added]
    assert added == [("32", "education"), ("37", "medical")]


def test_a_refused_report_changes_nothing_and_says_why(network: Network) -> None:
    """The officer's reason reaches the party, signed; and no other party."""
    desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2, update_cycle="每日"))
    [reported] = desk.on_desk(network)
    center = network.identities[CENTER].signer
    desk.write(network, refuse(reported, desk.OFFICER, "与我省来函不符", center, network.clock()))
    network.run()
    assert desk.on_desk(network) == []
    [own] = desk.told(network, "37")
    assert own.decision is not None
    assert (own.decision["accepted"], own.decision["reason"], own.decision["release"]) == (
        False,
        "与我省来函不符",
        None,
    )
    assert desk.told(network, "32") == []
    with pytest.raises(ConfigError, match="nothing is changed"):
        desk.publish(network)


def test_the_ministrys_center_reports_like_any_provider(network: Network) -> None:
    """部中心 (00) has no mandates to sign, but resources to report."""
    desk.report(network, "00", desk.entry_of(network, "00", "marriage", version=2, update_cycle="实时"))
    desk.accept_all(network)
    desk.publish(network)
    network.run()
    current = network.reference.current
    assert current is not None
    assert current.entry("00", "marriage")["update_cycle"] == "实时"
    assert [own.decision is not None for own in desk.told(network, "00")] == [True]


def test_a_report_with_faults_can_only_be_refused(network: Network) -> None:
    """The desk says what is wrong; an adapter that does not ask first changes nothing."""
    desk.report(network, "37", desk.entry_of(network, "37", "medical", update_cycle="每日"))
    [reported] = desk.on_desk(network)
    assert [fault["code"] for fault in reported.item["faults"]] == ["catalog_version"]
    with pytest.raises(ConfigError, match="1 faults"):
        accept(reported, network.reference.current, desk.OFFICER, network.clock())


def test_nobody_reports_for_another_party(network: Network) -> None:
    """Neither in the report's own name, which is no act of the sender, nor by an entry in it."""
    desk.report(network, "32", desk.entry_of(network, "37", "medical", version=2))
    [reported] = desk.on_desk(network)
    assert [fault["code"] for fault in reported.item["faults"]] == ["catalog_foreign"]
    member = network.parties["32"]
    forged = CatalogReport(party="37", number=9, entries=[], retire=["medical"], at=network.clock())
    raw = sign_act("catalog-report", forged, member.identity.signer, CENTER, network.clock())
    with transaction(member.store.connection) as db:
        outbox.put(db, [Posted("requests", post_act(raw, "32", CENTER, "", ""))])
    network.run()
    assert codes(network) == ["act_invalid"]
    assert [reported.name for reported in desk.on_desk(network)] == ["32/1"]


def test_a_report_under_a_used_number_is_not_taken_for_the_accepted_one(network: Network) -> None:
    """What an officer accepted is these bytes: others in their place wait for an officer again."""
    desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2, update_cycle="每日"))
    desk.accept_all(network)
    member = network.parties["37"]
    other = CatalogReport(party="37", number=1, entries=[], retire=["medical"], at=network.clock())
    raw = sign_act("catalog-report", other, member.identity.signer, CENTER, network.clock())
    with transaction(member.store.connection) as db:
        outbox.put(db, [Posted("requests", post_act(raw, "37", CENTER, "", ""))])
    network.run()
    [reported] = desk.on_desk(network)
    assert not reported.is_accepted
    assert desk.preview(network).taken == []


def test_reports_that_fit_the_catalog_and_not_each_other_are_not_published(network: Network) -> None:
    """Two parties give one new name to two categories: the release that holds both is refused before it is written."""
    for party, category in (("37", "boats"), ("32", "fishing_boats")):
        desk.report(network, party, a_new_entry(network, party, category, "渔船"))
    desk.accept_all(network)
    planned = desk.preview(network)
    assert {fault["code"] for _, fault in planned.faults} == {"catalog_name_taken"}
    with pytest.raises(ConfigError, match="faults stand against release 2"):
        desk.publish(network)


def test_reports_are_numbered_by_party_and_reach_the_desk_once(network: Network) -> None:
    """However often the outbox sends them."""
    member = network.parties["37"]
    for cycle in ("每日", "每周"):
        entry = desk.entry_of(network, "37", "medical", version=2, update_cycle=cycle)
        file_report(member.store, member.identity, [entry], [], network.clock())
    network.run()
    network.pass_time(40)
    assert [reported.name for reported in desk.on_desk(network)] == ["37/1", "37/2"]
    writes = [m for m in network.broker.messages(topics.DESK) if (m.key or b"").startswith(b"catalog/")]
    assert len(writes) == 2


def test_what_parties_report_leaves_facts_without_words(network: Network) -> None:
    """hedx.events says that, by whom and how much; reasons are for the party alone."""
    desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2, update_cycle="每日"))
    desk.accept_all(network)
    desk.publish(network)
    network.run()
    events: list[Any] = [framing.decode(m.value or b"")[1] for m in network.broker.messages(topics.EVENTS)]
    told = {(e["kind"], e["party"], e["by"], e["code"]) for e in events if e["kind"].startswith("catalog_")}
    assert told == {
        ("catalog_reported", "37", "37", None),
        ("catalog_accepted", "37", desk.OFFICER, None),
        ("catalog_published", None, desk.OFFICER, "2"),
    }


def test_an_application_is_served_wholly_under_the_release_it_was_accepted_with(tmp_path: Path) -> None:
    """Release 2 comes in mid-flight, without 山东's vehicles and with other items in its social insurance.

    Were any stage to look at the newest release, vehicles would be `category_not_offered` or crash, and the answers on
    social insurance `answer_item_unknown`. The next application is under release 2, and there they are.
    """
    sample = small_sample(tmp_path, persons=30)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=15)
    network.run(without=("37",))
    insurance = desk.entry_of(network, "37", "social_insurance")
    fewer = [item for item in insurance["items"] if item["item"] != "employer"]
    desk_entry = desk.entry_of(network, "37", "social_insurance", version=2, items=fewer)
    desk.report(network, "37", desk_entry, retire=["vehicles"], without=["37"])
    desk.accept_all(network)

    planned = desk.preview(network)
    row = {"vehicles": 3, "social_insurance": 1}
    acceptance = network.case(sample.application).acceptance()
    assert acceptance is not None
    deadlines = {q["category"]: q["deadline"] for q in acceptance["sub_queries"] if q["provider"] == "37"}
    assert {(i.kind, i.asked.category, i.asked.row, i.asked.deadline, i.release) for i in planned.impacts} == {
        ("retired", "vehicles", row["vehicles"], deadlines["vehicles"], 1),
        ("changed", "social_insurance", row["social_insurance"], deadlines["social_insurance"], 1),
    }
    desk.publish(network)
    network.run()
    assert network.reference.current is not None
    assert network.reference.current.number == 2
    assert acceptance["catalog_release"] == 1
    assert is_certified(network, sample.application)
    assert_equals_oracle(network, sample)
    assert [own.decision["reason"] for own in desk.told(network, "37") if own.decision] == [
        "按此前版本受理的 1 件申请仍须按原目录反馈，最迟 2026-11-20"
    ]
    assert desk.preview(network).impacts == []

    second = sample.application.copy()
    second["application_id"] = "1b5ad0a4-4c5d-4f0e-9a55-3ac1a8d9a002"
    second["schedule"] = schedule_of(("全国", "social_insurance", ""))
    network.file(second, sample.persons)
    network.run()
    answered = standing(network, second).of("37", "social_insurance")
    assert ("refused", "answer_item_unknown") in answered


def test_what_waits_for_an_officer_is_under_its_release_too(tmp_path: Path) -> None:
    """Open is also what is not accepted yet: it will be accepted under the release that its mandate names."""
    sample = with_form(small_sample(tmp_path), purpose="助学贷款资格审核")
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=5)
    network.run()
    desk.report(network, "37", retire=["vehicles"])
    desk.accept_all(network)
    [one] = desk.open_applications(network)
    assert (one.requester, one.state, one.release) == (sample.application["requester"], "held", 1)
    [concerned] = desk.preview(network).impacts
    assert (concerned.kind, concerned.asked.provider, concerned.asked.deadline) == ("retired", "37", None)
    desk.publish(network)
    network.run()
    assert [own.decision["reason"] for own in desk.told(network, "37") if own.decision] == [
        "按此前版本受理的 1 件申请仍须按原目录反馈"
    ]


def test_what_is_closed_or_rejected_concerns_nobody(tmp_path: Path) -> None:
    """Only what is open is shown before publishing; a rejected application asks for nothing."""
    sample = small_sample(tmp_path)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=5)
    network.run(without=("37", "join", "collect"))
    assert [one.release for one in desk.open_applications(network)] == [1]
    network.run()
    assert is_certified(network, sample.application)
    rejected = {**sample.application, "application_id": "1b5ad0a4-4c5d-4f0e-9a55-3ac1a8d9a003", "person_count": 1}
    network.file(cast("Any", rejected), sample.persons)
    network.run()
    assert desk.open_applications(network) == []
