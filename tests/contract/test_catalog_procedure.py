"""The catalog's way from report to release on the in-memory network, and applications in flight meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.center.cataloguing import accept, plan, refuse, report_named, reports_on
from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry, CatalogReport
from pipeline.province import outbox
from pipeline.province.catalog_reports import file_report
from pipeline.province.database import transaction
from pipeline.stages import topics
from pipeline.stages.acts import post_act, sign_act
from pipeline.stages.cataloguing import LARGEST
from pipeline.stages.local import Posted
from tests import catalog_desk as desk
from tests import forgery
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


def kept_acts(network: Network, party: str, typ: str) -> list[bytes]:
    """The signed acts of one type that a party has kept."""
    rows = network.parties[party].store.connection.execute("SELECT signed FROM act WHERE typ = ? ORDER BY at", (typ,))
    return [raw for (raw,) in rows]


def act_of(raw: bytes) -> dict[str, Any]:
    """What an act says."""
    return framing.decode(cose.decode(raw).payload)[1]


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


def test_a_report_under_a_used_number_is_refused_and_takes_no_others_place(network: Network) -> None:
    """What an officer was shown as 37/1, and accepted, are these bytes; others under the number are refused, signed."""
    desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2, update_cycle="每日"))
    desk.accept_all(network)
    member = network.parties["37"]
    other = CatalogReport(party="37", number=1, entries=[], retire=["medical"], at=network.clock())
    raw = sign_act("catalog-report", other, member.identity.signer, CENTER, network.clock())
    with transaction(member.store.connection) as db:
        outbox.put(db, [Posted("requests", post_act(raw, "37", CENTER, "", ""))])
    before = desk.on_desk(network)
    network.run()
    assert desk.on_desk(network) == before
    assert [taken.name for taken in desk.preview(network).taken] == ["37/1"]
    refused = [act_of(raw) for raw in kept_acts(network, "37", "catalog-decision")]
    assert [(one["report"], one["accepted"], one["release"]) for one in refused] == [
        (cose.decode(raw).digest, False, None)
    ]
    assert "第1号" in refused[0]["reason"]
    network.run()
    assert codes(network) == []


def test_an_officer_decides_on_the_report_that_was_shown(network: Network) -> None:
    """The digest that `show` printed, or how it begins, is the report's own, or nothing is decided."""
    digest = desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2, update_cycle="每日")).hex()
    found = desk.on_desk(network)
    assert report_named(found, "37/1", digest[:8].upper()).act.digest.hex() == digest
    for other in ("", digest[1:9], digest + "00"):
        with pytest.raises(ConfigError, match="not the one that was shown"):
            report_named(found, "37/1", other)


def test_a_newer_report_takes_the_place_of_the_partys_older_one(network: Network) -> None:
    """However many a party sends, one of it waits; a report larger than parties may send is refused, signed."""
    for day in range(1, 6):
        desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2, as_of=f"2026-11-0{day}"))
    assert [reported.name for reported in desk.on_desk(network)] == ["37/5"]
    entries = [a_new_entry(network, "37", f"category_{n}", "长" * 150) for n in range(600)]
    huge = CatalogReport(party="37", number=6, entries=entries, retire=[], at=network.clock())
    raw = sign_act("catalog-report", huge, network.identities["37"].signer, CENTER, network.clock())
    assert LARGEST < len(raw) < 900 * 1024
    forgery.send(network, "37", CENTER, "requests", post_act(raw, "37", CENTER, "", ""))
    network.run()
    assert [reported.name for reported in desk.on_desk(network)] == ["37/5"]
    [refused] = [act_of(raw) for raw in kept_acts(network, "37", "catalog-decision")]
    assert (refused["report"], refused["accepted"]) == (cose.decode(raw).digest, False)


def test_a_report_whose_signature_does_not_hold_stops_no_other_and_is_refused(network: Network) -> None:
    """Whatever stands on the desk: officers see it, cannot accept it, and refuse it."""
    desk.report(network, "37", desk.entry_of(network, "37", "medical", version=2, update_cycle="每日"))
    desk.report(network, "00", desk.entry_of(network, "00", "marriage", version=2, update_cycle="每日"))
    rows = desk.table(network, topics.DESK)
    item: Any = framing.decode_as("DeskItem", rows[b"catalog/37/1"])
    too_early = framing.encode("DeskItem", {**item, "since": item["since"] - 400_000})
    garbage = framing.encode("DeskItem", {**item, "party": "00", "subject": b"nothing"})
    found = reports_on({**rows, b"catalog/37/1": too_early, b"catalog/00/3": garbage}, network.reference.trust)
    assert [(one.name, one.unverified) for one in found] == [
        ("00/1", None),
        ("00/3", "cbor_invalid"),
        ("37/1", "certificate_expired"),
    ]
    with pytest.raises(ConfigError, match="does not hold"):
        accept(found[2], network.reference.current, desk.OFFICER, network.clock())
    for bad in (found[1], found[2]):
        written = refuse(bad, desk.OFFICER, "签名无效", network.identities[CENTER].signer, network.clock())
        assert (topics.DESK, bad.key, None) in [(one.topic, one.key, one.value) for one in written]


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
    assert [reported.name for reported in desk.on_desk(network)] == ["37/2"]
    writes = [m for m in network.broker.messages(topics.DESK) if (m.key or b"").startswith(b"catalog/")]
    assert len([m for m in writes if m.value is not None]) == 2


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
