"""Article 9 (形式审查): consistency and completeness, what an officer decides, and that doubtful applications may be refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from pipeline.center import desk
from pipeline.center.desk import Outcome
from pipeline.codec import framing
from pipeline.crypto.bundles import SealedBundle, parse_bundle
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.rules import OwnRules, RuleBook, tighten
from pipeline.province import access
from pipeline.province.database import access_log
from pipeline.province.filing import Filing
from pipeline.stages import topics
from pipeline.stages.effects import Output
from tests.forgery import Opened, send, take_apart
from tests.network import Network, shipped_rules
from tests.officer import (
    DOUBTFUL,
    center_case,
    decide,
    decision,
    events_of,
    local_history,
    notices,
    on_desk,
    outcome,
    withdraw,
)
from tests.scenario import (
    REQUESTER,
    assert_equals_oracle,
    bundles_in,
    codes,
    kept,
    network_for,
    schedule_of,
    with_form,
)

TWO_PERSONS = RuleBook(shipped_rules().base, {REQUESTER: tighten(shipped_rules().base, OwnRules(two_person=True))})


@pytest.fixture
def doubtful(sample: Sample) -> Sample:
    """The sample with a purpose that the rules hold for an officer."""
    return with_form(sample, purpose=DOUBTFUL)


def held(sample: Sample, folder: Path, rules: RuleBook | None = None) -> Network:
    """A network on which the application has come in and waits on the desk."""
    network = network_for(sample, folder, rules=rules)
    network.file(sample.application, sample.persons, section_size=5)
    network.run()
    assert len(on_desk(network)) == 1
    assert asked(network, sample) == 0, "nobody is asked before the center has decided"
    return network


def asked(network: Network, sample: Sample) -> int:
    """Request bundles that have gone out to providers."""
    return sum(len(bundles_in(network, party, "requests", "request")) for party in sample.parties)


# ---- the desk -----------------------------------------------------------------------------------------------------------------


def test_what_the_rules_doubt_waits_and_is_completed_when_an_officer_approves(tmp_path: Path, doubtful: Sample) -> None:
    """Held with its reasons and the requester told; approved it is answered as if it had never waited."""
    network = held(doubtful, tmp_path)
    [waiting] = on_desk(network)
    assert waiting.requester == REQUESTER
    assert [fault["code"] for fault in waiting.item["faults"]] == ["hold_purpose"]
    assert waiting.item["persons"] == len(doubtful.persons)
    assert waiting.item["stage"] == "open"
    case = network.case(doubtful.application)
    assert case.state == "held"
    [notice] = notices(network, doubtful.application, "held")
    assert [fault["code"] for fault in notice["faults"]] == ["hold_purpose"]
    assert notice["due"] == waiting.item["due"]
    assert decide(network, doubtful.application, "approve") == Outcome(True, "started")
    assert on_desk(network) == []
    assert_equals_oracle(network, doubtful)
    assert codes(network) == []
    assert [(e["kind"], e["by"], e["code"]) for e in events_of(network, doubtful.application, "held", "approved")] == [
        ("held", "policy", "hold_purpose"),
        ("approved", "officer:wang", None),
    ]
    history = local_history(network.case(doubtful.application))
    assert [state for _, state, _ in history[:5]] == ["filed", "under_review", "held", "accepted", "started"]


def test_a_doubtful_application_is_refused_with_the_officers_reason(tmp_path: Path, doubtful: Sample) -> None:
    """对于有疑问的查询申请…可以拒绝: signed, with the reason for the requester alone; nobody was asked anything."""
    network = held(doubtful, tmp_path)
    reason = "用途与业务类别不符，请核实第 3 号后重新提交"
    assert decide(network, doubtful.application, "reject", reason=reason) == Outcome(True, "rejected")
    case = network.case(doubtful.application)
    rejection = case.rejection()
    assert rejection is not None
    assert [(fault["code"], fault["args"]) for fault in rejection["faults"]] == [
        ("refused_by_officer", {"reason": reason})
    ]
    assert case.state == "rejected"
    assert on_desk(network) == []
    assert asked(network, doubtful) == 0
    assert kept(network, "applications", b"s") == 0, "the roster is let go of"
    told = b"".join(message.value or b"" for message in network.broker.messages(topics.EVENTS))
    assert reason.encode() not in told, "facts hold codes, never an officer's words"


def test_an_officer_may_hold_again_for_another_reason(tmp_path: Path, doubtful: Sample) -> None:
    """The requester hears the new reason; the application stays where it is, since when it waits included."""
    network = held(doubtful, tmp_path)
    since = on_desk(network)[0].item["since"]
    network.clock.advance(3600)
    assert decide(network, doubtful.application, "hold", reason="请补充委托书编号") == Outcome(True, "held")
    [waiting] = on_desk(network)
    assert [fault["code"] for fault in waiting.item["faults"]] == ["hold_officer"]
    assert notices(network, doubtful.application, "held")[-1]["faults"][0]["args"] == {"reason": "请补充委托书编号"}
    assert waiting.item["since"] == since
    assert len(notices(network, doubtful.application, "held")) == 2
    assert decide(network, doubtful.application, "approve") == Outcome(True, "started")


def test_two_officers_decide_where_the_rules_ask_for_it(tmp_path: Path, doubtful: Sample) -> None:
    """双人审核: one approval starts nothing, the same officer's second one neither, another officer's does."""
    network = held(doubtful, tmp_path, TWO_PERSONS)
    assert decide(network, doubtful.application, "approve", officer="wang") == Outcome(True, "second_officer_needed")
    assert asked(network, doubtful) == 0
    assert [a["officer"] for a in on_desk(network)[0].item["approvals"]] == ["wang"]
    assert decide(network, doubtful.application, "approve", officer="Ｗang ") == Outcome(False, "second_officer_needed")
    assert asked(network, doubtful) == 0
    assert decide(network, doubtful.application, "approve", officer="li") == Outcome(True, "started")
    assert_equals_oracle(network, doubtful)
    assert [change["by"] for change in center_case(network, doubtful.application).state["history"]][2:4] == [
        "officer:wang",
        "officer:li",
    ]


def test_a_new_hold_drops_the_first_approval(tmp_path: Path, doubtful: Sample) -> None:
    """Who approved before the doubt came up has to approve again."""
    network = held(doubtful, tmp_path, TWO_PERSONS)
    decide(network, doubtful.application, "approve", officer="wang")
    decide(network, doubtful.application, "hold", officer="zhao")
    assert on_desk(network)[0].item["approvals"] == []
    assert decide(network, doubtful.application, "approve", officer="li") == Outcome(True, "second_officer_needed")
    assert decide(network, doubtful.application, "approve", officer="wang") == Outcome(True, "started")


def test_one_officers_rejection_is_enough(tmp_path: Path, doubtful: Sample) -> None:
    """Two persons guard what starts, not what is refused."""
    network = held(doubtful, tmp_path, TWO_PERSONS)
    assert decide(network, doubtful.application, "reject") == Outcome(True, "rejected")


@pytest.mark.parametrize(
    ("officer", "account"),
    [
        ("li  wei", "user:b"),
        ("Li\u200bWei", "user:b"),
        ("LiWei", "user:b"),
        ("user:Ｌi wei", "user:b"),
        ("wang", "user:a"),
    ],
)
def test_one_person_is_not_two_by_spelling_or_by_another_name_from_one_account(
    officer: str, account: str, tmp_path: Path, doubtful: Sample
) -> None:
    """双人审核: blanks, invisible characters, width and case make no second officer, nor does one account."""
    network = held(doubtful, tmp_path, TWO_PERSONS)
    decide(network, doubtful.application, "approve", officer="Li Wei", account="user:a")
    again = decide(network, doubtful.application, "approve", officer=officer, account=account)
    assert again == Outcome(False, "second_officer_needed")
    assert [(a["officer"], a["account"]) for a in on_desk(network)[0].item["approvals"]] == [("Li Wei", "user:a")]
    other = decide(network, doubtful.application, "approve", officer="wang", account="user:b")
    assert other == Outcome(True, "started")


def test_a_decision_is_about_the_application_that_was_seen(tmp_path: Path, doubtful: Sample) -> None:
    """Another mandate under the same id is another application: what was decided about the first does not count for it."""
    network = held(doubtful, tmp_path)
    mandate = network.case(doubtful.application).mandate_digest
    assert [one.digest for one in on_desk(network)] == [mandate]
    place = (REQUESTER, doubtful.application["application_id"])
    assert desk.seen(on_desk(network), *place, mandate.hex()[:8]) == mandate
    with pytest.raises(ConfigError, match="was shown"):
        desk.seen(on_desk(network), *place, "00000000")
    for what in ("approve", "reject", "hold"):
        outdated = decide(network, doubtful.application, what, mandate_digest=bytes(32))
        assert outdated == Outcome(False, "decision_outdated")
    assert decide(network, doubtful.application, "approve", mandate_digest=mandate) == Outcome(True, "started")


def test_a_decision_about_what_is_not_held_changes_nothing_and_says_so(tmp_path: Path, sample: Sample) -> None:
    """Accepted by the rules, or unknown: the officer reads why; nothing is put aside in silence."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    before = center_case(network, sample.application).state
    for what in ("approve", "reject", "hold", "delay"):
        assert decide(network, sample.application, what, until=network.clock() + 1) == Outcome(
            False, "application_not_held"
        )
    assert center_case(network, sample.application).state == before
    unknown = with_form(sample, application_id="7c2c1f7e-0000-4000-8000-000000000000")
    assert decide(network, unknown.application, "approve") == Outcome(False, "application_unknown")
    assert codes(network) == []


@pytest.mark.parametrize("withdrawn_first", [True, False])
def test_a_decision_and_a_withdrawal_that_cross_leave_one_of_the_two(
    tmp_path: Path, doubtful: Sample, withdrawn_first: bool
) -> None:
    """Whichever comes first at the application's own partition counts, and the officer is told which."""
    network = held(doubtful, tmp_path)
    if withdrawn_first:
        withdraw(network, doubtful.application)
        network.run()
        record = decision(network, doubtful.application, "approve")
        network.run()
        assert outcome(network, record) == Outcome(False, "application_not_held")
        assert asked(network, doubtful) == 0
    else:
        record = decision(network, doubtful.application, "approve")
        withdraw(network, doubtful.application)
        network.run()
        assert outcome(network, record) == Outcome(True, "started")
    assert center_case(network, doubtful.application).state["state"] == "withdrawn"
    assert network.case(doubtful.application).state == "withdrawn"
    assert on_desk(network) == [], "what is withdrawn waits for nobody"
    assert codes(network) == []


def test_a_decision_that_is_sent_twice_counts_once(tmp_path: Path, doubtful: Sample) -> None:
    """A producer that is not sure sends again; two persons are still two."""
    network = held(doubtful, tmp_path, TWO_PERSONS)
    record = decision(network, doubtful.application, "approve", officer="wang")
    output: Output = desk.as_output(record)
    network.broker.produce(output.topic, output.key, output.value)
    network.run()
    assert asked(network, doubtful) == 0
    assert len(on_desk(network)[0].item["approvals"]) == 1


def test_a_reason_with_somebodys_number_is_not_taken(tmp_path: Path, doubtful: Sample) -> None:
    """Reasons travel and are kept in clear: a number as long as a person's is refused at the stage as at the command."""
    network = held(doubtful, tmp_path)
    number = next(p["document_number"] for p in doubtful.persons if p["document_type"] == "resident_id")
    assert decide(network, doubtful.application, "reject", reason=f"请核实 {number}") is None
    assert codes(network) == ["record_out_of_bounds"]
    assert len(on_desk(network)) == 1


def test_a_mandate_that_ran_out_on_the_desk_is_not_carried_out(tmp_path: Path, doubtful: Sample) -> None:
    """Providers would not answer it any more: the requester is told to file again."""
    network = held(doubtful, tmp_path)
    network.pass_time(91 * 24 * 3600)
    assert len(on_desk(network)) == 1
    assert decide(network, doubtful.application, "approve") == Outcome(True, "rejected")
    rejection = network.case(doubtful.application).rejection()
    assert rejection is not None
    assert [fault["code"] for fault in rejection["faults"]] == ["mandate_over"]
    assert asked(network, doubtful) == 0


def test_an_officer_sees_the_form_and_only_on_demand_the_roster_and_is_logged_first(
    tmp_path: Path, doubtful: Sample
) -> None:
    """What lies sealed at the center opens for the review; who opened what is written down before it is shown."""
    network = held(doubtful, tmp_path)
    case = center_case(network, doubtful.application)
    center, trust, now = network.identities[CENTER], network.reference.trust, network.clock()
    with closing(access_log(tmp_path / "access.db")) as log:
        form, persons = desk.open_logged(case, center, trust, log, roster=False, now=now, by="user:wang")
        assert form == doubtful.application
        assert persons == []
        form, persons = desk.open_logged(case, center, trust, log, roster=True, now=now, by="user:wang")
        assert persons == list(doubtful.persons)
        rows = access.entries(log)
        assert [(row.actor, row.act, row.detail["what"], row.purpose) for row in rows] == [
            ("user:wang", "read", "form", DOUBTFUL),
            ("user:wang", "read", "roster", DOUBTFUL),
        ]
        log.execute("CREATE TRIGGER full BEFORE INSERT ON access BEGIN SELECT RAISE(ABORT, 'no space left'); END")
        with pytest.raises(Exception, match="no space left"):
            desk.open_logged(case, center, trust, log, roster=True, now=now)
    decide(network, doubtful.application, "reject")
    with pytest.raises(ConfigError, match="not kept"):
        desk.open_roster(center_case(network, doubtful.application), center, trust)


@pytest.mark.parametrize("what", ["hold", "reject"])
def test_an_officers_words_stand_in_what_the_requester_gets_and_nowhere_else(
    what: Literal["hold", "reject"], tmp_path: Path, doubtful: Sample
) -> None:
    """A reason may name somebody after all: not on the desk, in no state and no fact; its way there is the center's own topic."""
    network = held(doubtful, tmp_path)
    words = "张三丰之妻李四已改嫁"
    decide(network, doubtful.application, what, reason=words)
    network.clock.advance(7 * 24 * 3600)
    network.run()
    stages = ("intake", "applications", "collect", "join")
    inside = {topics.DESK, topics.APPLICATIONS, topics.EVENTS, topics.RESULTS, topics.JOIN, topics.DEAD_LETTERS}
    inside |= {topics.changelog(stage) for stage in stages}
    inside |= {inbox(party, kind) for party in (CENTER, *network.parties) for kind in ("requests", "responses")}
    found = {t for t in inside for m in network.broker.messages(t) if words.encode() in (m.value or b"")}
    assert found == {topics.APPLICATIONS, inbox(REQUESTER, "responses")}


def test_the_desk_holds_nobodys_name_or_number(tmp_path: Path, doubtful: Sample) -> None:
    """Not on the desk's topic, not in the stage's state, not in the notices: only codes, counts and sealed bytes."""
    network = held(doubtful, tmp_path)
    decide(network, doubtful.application, "hold", reason="请核实第 2 号的授权书")
    for topic in (topics.DESK, topics.EVENTS, topics.changelog("applications")):
        assert not any("授权书".encode() in (m.value or b"") for m in network.broker.messages(topic)), topic
    written = b"".join(
        m.value or b""
        for topic in (topics.DESK, topics.APPLICATIONS, topics.EVENTS, topics.changelog("applications"))
        for m in network.broker.messages(topic)
    )
    for person in doubtful.persons:
        assert person["name"].encode() not in written
        assert not person["document_number"] or person["document_number"].encode() not in written


# ---- the rules ----------------------------------------------------------------------------------------------------------------


def test_what_no_rule_doubts_never_sees_the_desk(tmp_path: Path, sample: Sample) -> None:
    """The fast way stays one step: reviewed, accepted and started by the rules at the same moment."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    facts = events_of(network, sample.application, "arrived", "accepted", "started")
    assert [(event["kind"], event["by"]) for event in facts] == [
        ("arrived", REQUESTER),
        ("accepted", "policy"),
        ("started", "policy"),
    ]
    assert len({event["at"] for event in facts}) == 1
    assert network.broker.messages(topics.DESK) == []


def test_a_business_may_not_ask_for_what_its_rules_leave_out(tmp_path: Path, sample: Sample) -> None:
    """高龄津贴 may not ask for 车船: refused by the rules, with row and category."""
    asked_too_much = with_form(
        sample, business_category="高龄津贴", schedule=schedule_of(("山东", "vehicles", ""), ("部中心", "marriage", ""))
    )
    network = network_for(asked_too_much, tmp_path)
    network.file(asked_too_much.application, asked_too_much.persons)
    network.run()
    rejection = network.case(asked_too_much.application).rejection()
    assert rejection is not None
    assert [(fault["code"], fault["row"]) for fault in rejection["faults"]] == [
        ("category_not_for_purpose", 1),
        ("category_not_for_purpose", 2),
    ]


def test_a_province_whose_own_rules_are_stricter_is_held_where_others_are_not(tmp_path: Path, sample: Sample) -> None:
    """Article 14: its own limit holds its applications, and its alone."""
    strict = tighten(shipped_rules().base, OwnRules(auto_most_persons=len(sample.persons) - 1))
    for province, expected in ((REQUESTER, "held"), ("37", "completed")):
        network = network_for(sample, tmp_path / province, rules=RuleBook(shipped_rules().base, {province: strict}))
        network.file(sample.application, sample.persons)
        network.run()
        wanted = {"held"} if expected == "held" else {"completed", "incomplete"}
        assert network.case(sample.application).state in wanted


# ---- consistency and completeness between application and roster ----------------------------------------------------------


def other_form(section: int, opened: Opened) -> None:
    """Section 2 brings the form with another contact."""
    if section == 2:
        opened.head["application"] = {**opened.head["application"], "contact_name": "李四"}


def refile(network: Network, filing: Filing, alter: Callable[[int, Opened], None]) -> None:
    """As a faulty adapter: send each section's bundle after `alter(section, opened)`."""
    requester, center = network.identities[REQUESTER], network.identities[CENTER]
    network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    sent: list[SealedBundle] = []
    for sealed in filing.bundles:
        opened = take_apart(parse_bundle(sealed.raw), center)
        alter(sealed.header.section, opened)
        sent.append(opened.seal(requester, network))
    send(network, REQUESTER, CENTER, "requests", *sent)


def test_sections_with_different_forms_are_no_application(tmp_path: Path, sample: Sample) -> None:
    """Also where they differ in what the signed mandate does not say: the center never sees one form for all."""
    network = network_for(sample, tmp_path)
    refile(network, network.file(sample.application, sample.persons, section_size=5), other_form)
    network.run()
    rejection = network.case(sample.application).rejection()
    assert rejection is not None
    assert [fault["code"] for fault in rejection["faults"]] == ["sections_differ"]


def test_a_roster_number_in_two_sections_is_told(tmp_path: Path, sample: Sample) -> None:
    """Numbers are how everybody later points at a person: each is one person's."""
    persons = [*sample.persons]
    persons[-1] = {**persons[-1], "number": 1}
    spoilt = replace(sample, persons=persons)
    network = network_for(spoilt, tmp_path)
    filing = network.file(spoilt.application, spoilt.persons, section_size=5)
    network.run()
    rejection = network.case(spoilt.application).rejection()
    assert rejection is not None
    assert [(f["code"], f["number"], f["args"]) for f in rejection["faults"]] == [
        ("number_in_two_sections", 1, {"first": "1", "second": str(len(filing.sections))})
    ]


def test_counts_for_the_rules_come_from_the_roster_itself(tmp_path: Path, sample: Sample) -> None:
    """Guarded persons and those without document are counted by intake as it opens each section."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=5)
    network.run()
    sections = [
        record
        for message in network.broker.messages(topics.APPLICATIONS)
        for name, record in [framing.decode(message.value or b"")]
        if name == "SectionReceived"
    ]
    assert sum(s["guarded_count"] for s in sections) == sum(p["consent_by"] == "guardian" for p in sample.persons)
    assert sum(s["undocumented_count"] for s in sections) == sum(p["document_type"] == "none" for p in sample.persons)
    assert sorted(n for s in sections for n in s["numbers"]) == [p["number"] for p in sample.persons]
    assert len({s["form_tag"] for s in sections}) == 1
