"""Article 9 (调阅): documents the center asks for are handed in within 5 working days; whatever day it asks on."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.center.evidence_opening import open_documents, open_into
from pipeline.crypto import cose
from pipeline.demo.application import Sample
from pipeline.domain.calendar import Calendar
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Person
from pipeline.province import access
from pipeline.province.database import access_log
from pipeline.stages.applications import Applications
from tests.archive import PLANTED, Archive, archived
from tests.network import Clock, Network
from tests.scenario import REQUESTER, codes, network_for, with_form

CHINA = dt.timezone(dt.timedelta(hours=8))


def at(*parts: int) -> int:
    """An instant in China, ms."""
    return int(dt.datetime(*parts, tzinfo=CHINA).timestamp() * 1000)  # type: ignore[misc, arg-type]


def go_to(archive: Archive, instant: int) -> None:
    """Let time pass until `instant`, everything at work."""
    archive.network.clock.now = instant
    archive.network.run()


@pytest.fixture
def archive(sample: Sample, tmp_path: Path) -> Archive:
    """An application under way since Tuesday, 29 September 2026, two days before National Day; its documents archived."""
    day = "2026-09-29"
    persons: list[Person] = [{**p, "consent_date": min(p["consent_date"], day)} for p in sample.persons]
    early = replace(with_form(sample, form_date=day, roster_date=day), persons=persons)
    network = network_for(early, tmp_path / "net", clock=Clock(at(2026, 9, 29, 10, 0)))
    found = archived(network, early, tmp_path / "office")
    network.run()
    assert network.case(early.application).acceptance() is not None
    return found


# -- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "last_day"),
    [
        (at(2026, 9, 29, 16, 0), (2026, 10, 12)),  # 30 | 1-7 off | 8, 9, 10 (a Saturday, made up) | 12
        (at(2026, 9, 30, 23, 59), (2026, 10, 13)),  # 1-7 off | 8, 9, 10, 12, 13
        (at(2026, 10, 3, 9, 0), (2026, 10, 13)),  # asked on a day off: 8, 9, 10, 12, 13
        (at(2026, 10, 10, 8, 0), (2026, 10, 16)),  # asked on a made-up Saturday: 12, 13, 14, 15, 16
    ],
)
def test_five_working_days_across_national_day(archive: Archive, asked: int, last_day: tuple[int, int, int]) -> None:
    """Day 0 is the day it was asked on. Days off count nothing, the Saturday that is made up counts."""
    go_to(archive, asked)
    archive.ask((1,))
    [request] = archive.asked()
    assert request.request["due"] == at(*last_day, 0, 0) + 24 * 3600 * 1000 - 1


def test_the_last_minute_of_the_fifth_day_is_in_time_and_the_next_is_not(archive: Archive) -> None:
    """What counts is when the center's inbox has the reply, not when anybody looked at it."""
    go_to(archive, at(2026, 9, 29, 16, 0))
    punctual, late = archive.ask((1,)), archive.ask((2,))
    go_to(archive, at(2026, 10, 12, 23, 59))
    archive.release_all(punctual)
    go_to(archive, at(2026, 10, 13, 0, 0))
    archive.release_all(late)
    replied = archive.events("evidence_replied")
    assert [event["code"] for event in replied] == ["in_time", "late"]


def test_it_warns_a_working_day_before_and_presses_each_working_day_after(archive: Archive) -> None:
    """The desk is marked, the province asked again in a signed request; on days off nobody is pressed; it never lapses."""
    go_to(archive, at(2026, 9, 29, 16, 0))
    request_id = archive.ask((1,))
    go_to(archive, at(2026, 10, 11, 23, 59))
    assert stage(archive, request_id) == "open"
    go_to(archive, at(2026, 10, 12, 0, 1))
    assert stage(archive, request_id) == "warn"
    assert [told["reminder"] for told in archive.told()] == [0]
    for day, reminders in ((13, 1), (14, 2), (15, 3), (16, 4), (17, 4), (18, 4), (19, 5)):
        go_to(archive, at(2026, 10, day, 8, 0))
        assert stage(archive, request_id) == "overdue"
        assert [told["reminder"] for told in archive.told()] == list(range(reminders + 1)), f"on October {day}"
    assert len(archive.events("evidence_warned")) == 1
    assert [event["count"] for event in archive.events("evidence_overdue")] == [1, 2, 3, 4, 5]
    assert {told["due"] for told in archive.told()} == {archive.told()[0]["due"]}, "pressing moves no limit"
    archive.release_all(request_id)
    go_to(archive, at(2026, 10, 26, 8, 0))
    assert len(archive.told()) == 6, "who has replied is not pressed"
    assert archive.desk(request_id) is not None, "it waits for the officer"
    archive.judge(request_id)
    assert archive.desk(request_id) is None
    assert codes(archive.network) == []


def stage(archive: Archive, request_id: str) -> str:
    """How pressing a request is on the center's desk."""
    item = archive.desk(request_id)
    assert item is not None
    return item["stage"]


# -- which documents -------------------------------------------------------------------------------------------------


def test_any_document_of_any_application_is_asked_for_and_handed_in(archive: Archive, tmp_path: Path) -> None:
    """身份证明材料、授权书、审批机关委托书: byte for byte what the office had, of the persons asked about and of no other."""
    request_id = archive.ask((1, 3))
    assert archive.release_all(request_id)
    with_log = access_log(tmp_path / "center" / "access.db")
    opened = open_into(
        archive.file(request_id), archive.network.identities[CENTER], tmp_path / "out", with_log, now=archive.now
    )
    assert opened.is_whole
    assert {(d.head["kind"], d.head["number"]) for d in opened.documents} == {
        ("mandate", None),
        *((kind, number) for kind in ("identity", "consent") for number in (1, 3)),
    }
    office = {path.read_bytes() for path in (tmp_path / "office").iterdir()}
    written = {path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert len(written) == 5
    assert written < office
    assert all(document.in_mandate for document in opened.documents)
    [entry] = access.entries(with_log)
    assert (entry.act, entry.unit) == ("evidence_opened", archive.sample.application["approving_authority"])


def test_an_archived_application_is_asked_about_for_years(archive: Archive) -> None:
    """The center has forgotten it; the province's archive has not."""
    archive.network.run()
    go_to(archive, archive.now + 120 * 24 * 3600 * 1000)
    request_id = archive.ask((2,))
    assert archive.release_all(request_id)
    assert len(open_documents(archive.file(request_id), archive.network.identities[CENTER]).documents) == 3
    assert codes(archive.network) == []


def test_a_document_added_after_filing_is_seen_to_be_later(archive: Archive, tmp_path: Path) -> None:
    """The mandate named what there was: a consent letter that turns up once it is asked for is not among it."""
    later = tmp_path / "later"
    later.mkdir()
    (later / "1-授权书-补.pdf").write_bytes(b"%PDF-later" + PLANTED)
    [added] = archive.add(later)
    request_id = archive.ask((1,), ("consent",))
    archive.release_all(request_id)
    opened = open_documents(archive.file(request_id), archive.network.identities[CENTER])
    assert {document.head["digest"]: document.in_mandate for document in opened.documents} == {
        added.digest: False,
        **{d.digest: True for d in archive.documents("consent", 1) if d.digest != added.digest},
    }


def test_what_the_province_does_not_hold_it_says_and_why(archive: Archive) -> None:
    """The reply names every number and kind that is missing; the officer finds them on the desk; the reason goes no further."""
    request_id = archive.ask((1,), ("consent", "guardianship"))
    officer = archive.officer
    assert not archive.release_all(request_id), "there is something left to be said"
    assert officer.open(request_id) == [(1, "guardianship")]
    assert officer.refuse(request_id, 1, "guardianship", reason="本人签署，无监护人王某", now=archive.now)
    archive.network.run()
    reply = archive.file(request_id).reply
    assert reply is not None
    assert reply["missing"] == [{"number": 1, "kind": "guardianship", "reason": "本人签署，无监护人王某"}]
    item = archive.desk(request_id)
    assert item is not None
    assert [(fault["code"], fault["number"]) for fault in item["faults"]] == [("evidence_guardianship_missing", 1)]
    assert "王某" not in str(archive.events())


def test_an_officers_judgement_ends_the_request_and_reaches_the_province(archive: Archive) -> None:
    """Signed by the center, with its reason; a question is not the end of it: it is asked again, under a new request."""
    request_id = archive.ask((1,))
    archive.release_all(request_id)
    archive.judge(request_id, "questioned", "签字与身份证明不符")
    [asked] = archive.asked()
    assert asked.judged is not None
    assert (asked.judged["verdict"], asked.judged["reason"]) == ("questioned", "签字与身份证明不符")
    [(raw, _)] = archive.network.parties[REQUESTER].store.acts(archive.application_id, "evidence-judged")
    assert cose.decode(raw).claims.issuer == CENTER
    assert [event["kind"] for event in archive.events()][-1] == "evidence_questioned"


def test_a_year_whose_working_days_are_unknown_is_no_guess(archive: Archive) -> None:
    """The request is put aside with the reason instead of being given a limit that somebody made up."""
    network: Network = archive.network
    [stage] = [worker.stage for worker in network.workers if isinstance(worker.stage, Applications)]
    stage._office = replace(stage._office, calendar=Calendar({}))
    archive.ask((1,))
    assert codes(network) == ["calendar_unknown"]
    assert archive.asked() == []
