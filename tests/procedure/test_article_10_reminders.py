"""Article 10 (反馈期限): before a deadline the provider is reminded (催报), at the deadline it is noted, each once.

Dates are written out here, from the State Council's arrangement of 2026, not computed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import cbor2
import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.crypto import signed
from pipeline.crypto.bundles import Bundle, parse_bundle
from pipeline.demo.application import Sample, fill_in, write_databases
from pipeline.demo.population import generate
from pipeline.domain import joining, pressing
from pipeline.domain.records import CatalogEntry, LifecycleEvent, ReviewNotice
from pipeline.province.calendar_files import directory, load_calendar
from pipeline.province.catalog_files import load_entries
from pipeline.province.owing import Owed, owed
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages.acts import open_act, post_act, sign_act
from pipeline.stages.effects import Message
from tests.delaying import BECAUSE, away, back, reply
from tests.forgery import send
from tests.network import Clock, Network
from tests.officer import events_of, restart_applications
from tests.scenario import (
    FEEDBACK,
    PARTIES,
    REQUESTER,
    codes,
    inbox_messages,
    is_certified,
    local_codes,
    network_for,
)
from tests.unit.domain.sections import a_bundle, a_query, an_expectation

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"
ROWS = (("全国", "social_insurance", ""), ("山东", "vehicles", ""))
SILENT = ("37",)
"""A province whose adapter stands still."""
MS = 1000
HOUR = 3600


def at(written: str) -> int:
    """The instant (ms) of a time written in China."""
    return round(dt.datetime.fromisoformat(f"{written}+08:00").timestamp() * MS)


ACCEPTED = at("2026-02-13T15:00:00")
NEAR = at("2026-02-27T00:00:00")
"""Five working days from a Friday before the festival end on 27 February: that day is the last one."""
DUE = at("2026-02-27T23:59:59.999")
LAG = 2 * MS
"""How far the join's clock may be behind."""


@pytest.fixture(scope="module")
def winter(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """An application of 云南 of February 2026 that asks 山东 for two rows, and everybody for one of them."""
    databases = tmp_path_factory.mktemp("winter")
    population = generate(5, today=dt.date(2026, 2, 12), persons=12, home=REQUESTER)
    write_databases(databases, DEMO / "providers", PARTIES, population, 5, strangers=20)
    return fill_in(5, population, ROWS, list(PARTIES), DEMO / "providers", DEMO / "catalog", databases)


def accepted(sample: Sample, folder: Path, categories: Sequence[str], section_size: int = 500) -> Network:
    """Accepted into the festival; 37 stands still, with five working days for `categories` and an hour for others."""

    def limited(entry: CatalogEntry) -> CatalogEntry:
        if entry["provider"] != "37" or entry["category"] not in categories:
            return entry
        return {**entry, "feedback_seconds": None, "feedback_working_days": 5}

    catalog = [limited(entry) for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")]
    network = Network(folder, sample.parties, catalog, clock=Clock(ACCEPTED))
    for party in sample.parties:
        database = sqlite_url(sample.databases / f"{party}.db")
        network.connect_sources(party, open_sources(sample.providers / f"{party}.yaml", database))
    network.file(sample.application, sample.persons, section_size=section_size)
    network.run(without=SILENT)
    return network


def moved(network: Network, moment: int, without: Sequence[str] = SILENT) -> None:
    """Let it be `moment` (ms), and let everything run."""
    network.clock.now = moment
    network.run(without=without)


def pressed(network: Network, sample: Sample) -> list[LifecycleEvent]:
    """The facts about deadlines, in order."""
    return events_of(network, sample.application, "deadline_near", "deadline_passed")


def _bundles(message: Message) -> list[Bundle]:
    return [parse_bundle(raw) for raw in cbor2.loads(message.value or b"")[1]]


def acts_in(network: Network, party: str) -> list[Message]:
    """The messages in a provider's inbox that hold acts alone, whether or not their time is over."""
    messages = inbox_messages(network, party, "requests")
    return [message for message in messages if {b.header.kind for b in _bundles(message)} == {"act"}]


def reminders(network: Network, party: str = "37") -> list[ReviewNotice]:
    """The reminders in a provider's inbox, verified as of when they were signed."""
    bundles = [b for message in inbox_messages(network, party, "requests") for b in _bundles(message)]
    raws = [raw for bundle in bundles if bundle.header.kind == "act" for raw in bundle.records]
    trust = network.reference.trust
    acts = [
        open_act(raw, trust, at=signed.peek(raw).claims.issued_at, issuer="center", audience=party)
        for raw in raws
        if signed.peek(raw).typ == "review"
    ]
    return [act.record for act in acts]  # type: ignore[misc]


def test_a_limit_in_working_days_is_near_on_its_last_working_day(tmp_path: Path, winter: Sample) -> None:
    """Not on the day before, and then once: an event for those who watch, a signed reminder for the provider."""
    network = accepted(winter, tmp_path, ("social_insurance", "vehicles"))
    moved(network, at("2026-02-26T23:59:00"))
    assert (pressed(network, winter), reminders(network)) == ([], [])
    moved(network, NEAR + LAG)
    [event] = pressed(network, winter)
    assert (event["kind"], event["provider"], event["section"]) == ("deadline_near", "37", 1)
    assert (event["count"], event["by"], event["code"]) == (12, "clock", None), "None: it owes two categories"
    [notice] = reminders(network)
    assert (notice["kind"], notice["due"], notice["requester"]) == ("reminder", DUE, REQUESTER)
    assert notice["mandate_digest"] == network.case(winter.application).mandate_digest
    moved(network, at("2026-02-27T18:00:00"))
    assert len(pressed(network, winter)) == len(reminders(network)) == 1
    assert codes(network) == []


def test_at_the_deadline_it_is_noted_who_is_missing(tmp_path: Path, winter: Sample) -> None:
    """Not in the last millisecond; then once, however long it stays so, and whatever is restarted."""
    network = accepted(winter, tmp_path, ("social_insurance", "vehicles"))
    moved(network, NEAR + LAG)
    moved(network, DUE)
    assert [event["kind"] for event in pressed(network, winter)] == ["deadline_near"]
    restart_applications(network)
    moved(network, DUE + LAG)
    assert is_certified(network, winter.application)
    moved(network, DUE + 5 * HOUR * MS)
    passed = [event for event in pressed(network, winter) if event["kind"] == "deadline_passed"]
    assert [(event["provider"], event["count"], event["by"]) for event in passed] == [("37", 12, "clock")]
    assert len(reminders(network)) == 1


def test_who_has_answered_is_not_reminded(tmp_path: Path, winter: Sample) -> None:
    """Neither the others, nor 37 when it answers in time."""
    network = accepted(winter, tmp_path, ("social_insurance", "vehicles"))
    network.run()
    moved(network, DUE + LAG, without=())
    assert pressed(network, winter) == []
    assert [reminders(network, party) for party in PARTIES] == [[]] * 4


def test_a_limit_of_an_hour_is_near_after_four_fifths_of_it(tmp_path: Path, winter: Sample) -> None:
    """Where a register answers by machine the calendar says nothing."""
    network = accepted(winter, tmp_path, ())
    moved(network, ACCEPTED + 47 * 60 * MS)
    assert pressed(network, winter) == []
    moved(network, ACCEPTED + 48 * 60 * MS + LAG)
    assert [(event["kind"], event["provider"]) for event in pressed(network, winter)] == [("deadline_near", "37")]
    [notice] = reminders(network)
    assert notice["due"] == ACCEPTED + HOUR * MS


def test_categories_with_limits_of_their_own_are_named(tmp_path: Path, winter: Sample) -> None:
    """One event a provider and deadline, with the category; never one a person or a row."""
    network = accepted(winter, tmp_path, ("vehicles",))
    for moment in (ACCEPTED + 50 * 60 * MS, ACCEPTED + 2 * HOUR * MS, NEAR + LAG, DUE + LAG):
        moved(network, moment)
    assert [(event["kind"], event["code"]) for event in pressed(network, winter)] == [
        ("deadline_near", "social_insurance"),
        ("deadline_passed", "social_insurance"),
        ("deadline_near", "vehicles"),
        ("deadline_passed", "vehicles"),
    ]
    assert sorted(notice["due"] or 0 for notice in reminders(network)) == [ACCEPTED + HOUR * MS, DUE]


def test_an_application_of_many_sections_brings_one_reminder(tmp_path: Path, winter: Sample) -> None:
    """The events are a section's, the reminder is the application's."""
    network = accepted(winter, tmp_path, ("social_insurance", "vehicles"), section_size=3)
    asked = [event for event in events_of(network, winter.application, "dispatched") if event["provider"] == "37"]
    sections = len(asked)
    assert sections > 2
    moved(network, NEAR + LAG)
    events = pressed(network, winter)
    assert sorted(event["section"] or 0 for event in events) == list(range(1, sections + 1))
    assert sum(event["count"] for event in events) == 12
    assert len(reminders(network)) == 1


def test_short_limits_have_no_warning() -> None:
    """It would come with the deadline itself: below an hour there is none."""
    calendar = load_calendar(directory())
    entry = load_entries(DEMO / "catalog" / "37.yaml")[0]
    short: CatalogEntry = {**entry, "feedback_seconds": 3599, "feedback_working_days": None}
    assert pressing.warn_at(short, ACCEPTED, ACCEPTED + 3599 * MS, calendar) == pressing.NO_WARNING
    days: CatalogEntry = {**entry, "feedback_seconds": None, "feedback_working_days": 5}
    assert pressing.warn_at(days, ACCEPTED, DUE, calendar) == NEAR
    assert pressing.warn_at_of_extension(ACCEPTED, DUE, calendar) == NEAR
    soon = ACCEPTED + 5 * HOUR * MS
    assert pressing.warn_at_of_extension(ACCEPTED, soon, calendar) == ACCEPTED + 4 * HOUR * MS, "later the same day"


def test_what_is_answered_meanwhile_is_not_counted() -> None:
    """The count is of the persons who are missing when the time comes."""
    state = joining.open_section({**an_expectation([a_query("37"), a_query("32")]), "warn_at": [800, 800]})
    joining.receive(state, a_bundle("37", indexes=[0, 2]))
    joining.receive(state, a_bundle("32"))
    assert pressing.next_look(state) == 800
    assert pressing.press(state, 799) == []
    [near] = pressing.press(state, 800)
    assert (near.stage, near.provider, near.persons, near.due) == (pressing.NEAR, "37", 2, 1_000)
    assert pressing.next_look(state) == 1_001
    [passed] = pressing.press(state, 1_001)
    assert (passed.stage, passed.persons) == (pressing.PASSED, 2)
    joining.close(state, "37", [1], 5_000)
    assert (pressing.next_look(state), pressing.owing(state)) == (None, [])


def test_an_agreed_extension_moves_both(tmp_path: Path, sample: Sample) -> None:
    """延期: near and passed are those of the new deadline; of the old one nothing is said."""
    network = network_for(sample, tmp_path)
    start = network.clock()
    until = at("2026-11-25T17:00:00")
    away(network, sample, "37", ("social_insurance", "vehicles"), until - 15 * 60 * MS)
    network.file(sample.application, sample.persons)
    network.run()
    reply(network, sample.application, "agree")
    network.run()
    for moment in (start + FEEDBACK * MS + LAG, at("2026-11-24T23:00:00")):
        moved(network, moment, without=())
    assert pressed(network, sample) == []
    moved(network, at("2026-11-25T00:00:00") + LAG, without=())
    [near] = pressed(network, sample)
    assert (near["kind"], near["provider"]) == ("deadline_near", "37")
    [notice] = reminders(network)
    assert notice["due"] == until
    moved(network, until + LAG, without=SILENT)
    assert [event["kind"] for event in pressed(network, sample)] == ["deadline_near", "deadline_passed"]


def test_the_provider_sees_what_it_owes(tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """`owed`: rows that wait, with the deadline that stands for them and the reminder; nothing once they are answered."""
    network = network_for(sample, tmp_path)
    start = network.clock()
    away(network, sample, "37", ("social_insurance", "vehicles"), start + 10 * HOUR * MS)
    network.file(sample.application, sample.persons)
    network.run()
    db = network.parties["37"].store.connection
    deadline = start + FEEDBACK * MS
    rows = owed(db, "37")
    assert [(one.section, one.row, one.category) for one in rows] == [
        (1, 1, "social_insurance"),
        (1, 3, "vehicles"),
    ]
    assert {(one.deadline, one.because, one.reminded_at) for one in rows} == {(deadline, BECAUSE, None)}
    moved(network, start + 50 * 60 * MS, without=())
    assert {one.reminded_at for one in owed(db, "37")} == {network.clock()}
    reply(network, sample.application, "agree")
    network.run()
    agreed = start + 10 * HOUR * MS + 15 * 60 * MS
    assert {one.deadline for one in owed(db, "37")} == {agreed}
    back(network, sample, "37")
    network.pass_time(60)
    network.pass_time(60)
    assert owed(db, "37") == []


def test_a_reminder_of_what_never_came_stands_alone(tmp_path: Path, winter: Sample) -> None:
    """A provider that has the reminder and not the request is told that it owes, until it has answered."""
    network = accepted(winter, tmp_path, ("social_insurance", "vehicles"))
    moved(network, at("2026-02-25T12:00:00"))
    moved(network, NEAR + LAG)
    slow = network.parties["37"]
    [message] = acts_in(network, "37")
    slow.answers.work([message], {})
    case = network.case(winter.application)
    alone = Owed(case.application_id, REQUESTER, None, None, None, DUE, None, network.clock())
    assert owed(slow.store.connection, "37") == [alone]
    network.run()
    assert owed(slow.store.connection, "37") == []


def test_the_command_lists_it_and_ends_with_2_when_something_is_overdue(
    tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hedx province owed`, for programs and in words."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    network = network_for(sample, tmp_path)
    monkeypatch.setattr("pipeline.cli.province.wall_clock", network.clock)
    away(network, sample, "37", ("vehicles",), network.clock() + 10 * HOUR * MS)
    network.file(sample.application, sample.persons)
    network.run()
    assert run(["province", "owed", "--party", "37", "--json"]) == Exit.FINE
    [row] = json.loads(capsys.readouterr().out)
    assert (row["application_id"], row["category"]) == (sample.application["application_id"], "vehicles")
    assert (row["because"], row["overdue"], row["reminded_at"]) == (BECAUSE, False, None)
    network.clock.advance(FEEDBACK + 1)
    assert run(["province", "owed", "--party", "37", "--lang", "zh"]) == Exit.DRIFT
    shown = capsys.readouterr().out
    assert "催报时间" in shown
    assert BECAUSE in shown
    assert run(["province", "owed", "--party", "32", "--json"]) == Exit.FINE
    assert json.loads(capsys.readouterr().out) == []


def test_a_provider_takes_no_other_review_notice(tmp_path: Path, sample: Sample) -> None:
    """What the center tells a requester is nothing for a provider; nor is a reminder for somebody else."""
    network = network_for(sample, tmp_path)
    center = network.identities["center"]
    for kind, audience in (("held", "37"), ("reminder", "32")):
        notice = ReviewNotice(
            application_id=sample.application["application_id"],
            requester=REQUESTER,
            mandate_digest=bytes(32),
            kind=kind,  # type: ignore[typeddict-item]
            faults=[],
            due=network.clock(),
            at=network.clock(),
        )
        raw = sign_act("review", notice, center.signer, audience, network.clock())
        bundle = post_act(raw, "center", "37", REQUESTER, sample.application["application_id"])
        send(network, "center", "37", "requests", bundle)
    network.run()
    assert sorted(local_codes(network, "37")) == ["act_unexpected", "audience_mismatch"]
    assert owed(network.parties["37"].store.connection, "37") == []
