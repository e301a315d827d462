"""Article 10 (2 个工作日内启动查询): counted from receipt, pressed when it passes, and renegotiated when the center cannot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import chinese_calendar
import pytest

from pipeline.center.desk import Outcome
from pipeline.cli.filing import _held
from pipeline.crypto import signed
from pipeline.demo.application import Sample
from pipeline.domain.calendar import Calendar, YearDays
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Extension
from pipeline.province.correspondence import Correspondence
from pipeline.stages import topics
from pipeline.stages.acts import open_act
from tests.network import Clock, Network, shipped_calendar
from tests.officer import (
    DOUBTFUL,
    center_case,
    decide,
    events_of,
    local_history,
    notices,
    on_desk,
    restart_applications,
    send_act,
)
from tests.scenario import assert_equals_oracle, codes, network_for, with_form

UTC_8 = dt.timezone(dt.timedelta(hours=8))
DAY = 24 * 3600


def at(written: str) -> int:
    """The instant (ms) of a time written in China."""
    return round(dt.datetime.fromisoformat(written).replace(tzinfo=UTC_8).timestamp() * 1000)


def midnight(day: str) -> int:
    """The instant (ms) at which a day begins in China."""
    return at(f"{day}T00:00:00")


def held_at(received: str, sample: Sample, folder: Path, calendar: Calendar | None = None) -> Network:
    """A network on which a doubtful application comes in at a time written in China, and waits."""
    network = network_for(sample, folder, clock=Clock(at(received)), calendar=calendar)
    network.file(sample.application, sample.persons)
    network.run()
    return network


@pytest.fixture
def doubtful(sample: Sample) -> Sample:
    """The sample with a purpose that the rules hold for an officer; dated so that it can be filed in any of 2026."""
    dated = with_form(sample, purpose=DOUBTFUL, form_date="2025-12-31", roster_date="2025-12-31")
    return replace(dated, persons=[{**person, "consent_date": "2025-12-01"} for person in sample.persons])


def jump(network: Network, to: str) -> None:
    """Let time pass until a time written in China, and everything run."""
    network.clock.now = at(to)
    network.run()


def due_of(network: Network, sample: Sample) -> int:
    """By when the center is to start, as its state has it; the desk and the requester's notice say the same."""
    due = center_case(network, sample.application).state["start_due"]
    assert on_desk(network)[0].item["due"] == due
    assert notices(network, sample.application, "held")[-1]["due"] == due
    return due


@pytest.mark.parametrize(
    ("received", "last_day"),
    [
        ("2026-11-20T13:00:00", "2026-11-24"),  # a Friday: Monday, Tuesday
        ("2026-11-20T23:59:59", "2026-11-24"),
        ("2026-11-21T00:00:00", "2026-11-24"),  # a Saturday is day 0 as well
        ("2026-10-01T23:00:00", "2026-10-09"),  # in the holiday: 8 and 9 October are worked
        ("2026-10-01T01:00:00", "2026-10-09"),
        ("2026-10-08T09:00:00", "2026-10-10"),  # Saturday 10 October is made up
        ("2026-02-13T10:00:00", "2026-02-24"),  # Saturday 14 February is made up; off from 15 to 23
        ("2026-02-14T23:00:00", "2026-02-25"),
        ("2026-09-18T17:00:00", "2026-09-21"),  # Sunday 20 September is made up
        ("2026-12-31T12:00:00", "2027-01-05"),  # over the year's end: 1 to 3 January off, by the estimated year
    ],
)
def test_the_limit_is_the_end_of_the_second_working_day_after_receipt(
    tmp_path: Path, doubtful: Sample, received: str, last_day: str
) -> None:
    """Day 0 is the day of receipt in China, at 23:00 on a holiday as at any other hour."""
    network = held_at(received, doubtful, tmp_path)
    assert due_of(network, doubtful) == midnight(last_day) + DAY * 1000 - 1
    if last_day < "2027":
        first, last = dt.date.fromisoformat(received[:10]), dt.date.fromisoformat(last_day)
        days = [first + dt.timedelta(n) for n in range(1, (last - first).days + 1)]
        assert sum(map(chinese_calendar.is_workday, days)) == 2, "an independent package counts the same"


def test_a_hold_is_marked_then_pressed_each_working_day_and_never_lapses(tmp_path: Path, doubtful: Sample) -> None:
    """Over National Day: nobody is pressed on the holiday, and after two months it still waits and can be approved."""
    network = held_at("2026-09-29T10:00:00", doubtful, tmp_path)
    assert due_of(network, doubtful) == midnight("2026-10-08") + DAY * 1000 - 1
    stages: list[tuple[str, str, int]] = []
    day = dt.date(2026, 9, 30)
    while day <= dt.date(2026, 10, 14):
        jump(network, f"{day}T00:00:05")
        [waiting] = on_desk(network)
        pressed = len(notices(network, doubtful.application, "escalated"))
        stages.append((day.isoformat()[5:], waiting.item["stage"], pressed))
        day += dt.timedelta(1)
    assert stages == [
        ("09-30", "open", 0),
        *[(f"10-0{n}", "open", 0) for n in range(1, 8)],  # the holiday
        ("10-08", "warn", 0),  # the last working day begins
        ("10-09", "overdue", 1),
        ("10-10", "overdue", 2),  # a Saturday that is worked
        ("10-11", "overdue", 2),  # a Sunday that is not
        ("10-12", "overdue", 3),
        ("10-13", "overdue", 4),
        ("10-14", "overdue", 5),
    ]
    jump(network, "2026-12-10T09:00:00")
    state = center_case(network, doubtful.application).state
    assert state["state"] == "held", "nothing decides itself"
    assert state["pressing"] == 6, "an outage of two months is caught up with once, not forty times"
    assert network.case(doubtful.application).state == "held"
    escalated = events_of(network, doubtful.application, "escalated")
    assert [event["by"] for event in escalated] == ["clock"] * 6
    assert len({event["event_id"] for event in escalated}) == 6
    assert len(events_of(network, doubtful.application, "hold_warned")) == 1
    assert decide(network, doubtful.application, "approve") == Outcome(True, "started")
    assert codes(network) == []


def test_what_starts_late_says_so(tmp_path: Path, doubtful: Sample) -> None:
    """Approved in time it has no code; approved later the acceptance carries late_start, in history and events."""
    for folder, moment, code in (
        ("early", "2026-11-24T23:59:59", None),
        ("late", "2026-11-25T00:00:00", "late_start"),
    ):
        network = held_at("2026-11-20T13:00:00", doubtful, tmp_path / folder)
        jump(network, moment)
        assert decide(network, doubtful.application, "approve") == Outcome(True, "started")
        [approved] = events_of(network, doubtful.application, "approved")
        assert approved["code"] == code
        history = center_case(network, doubtful.application).state["history"]
        assert [change["code"] for change in history if change["event"] == "approve"] == [code]
        assert_equals_oracle(network, doubtful)


def late_arrival(sample: Sample, folder: Path) -> Network:
    """Received on a Friday; the center's stage is away until the Thursday after."""
    network = network_for(sample, folder, clock=Clock(at("2026-11-20T13:00:00")))
    network.file(sample.application, sample.persons)
    network.run(without=("applications",))
    jump(network, "2026-11-26T09:00:00")
    return network


def test_the_limit_counts_from_receipt_however_late_the_center_gets_to_it(
    tmp_path: Path, sample: Sample, doubtful: Sample
) -> None:
    """An outage of the center's is no excuse: what the rules pass starts late and says so."""
    plain = with_form(doubtful, purpose=sample.application["purpose"])
    network = late_arrival(plain, tmp_path)
    [accepted] = events_of(network, plain.application, "accepted")
    assert accepted["code"] == "late_start"
    assert center_case(network, plain.application).state["received_at"] == at("2026-11-20T13:00:00")
    assert_equals_oracle(network, plain)


def test_what_comes_to_the_desk_too_late_is_pressed_at_once(tmp_path: Path, doubtful: Sample) -> None:
    """Its limit has passed before an officer could see it: the requester hears that, and then each working day."""
    network = late_arrival(doubtful, tmp_path)
    assert due_of(network, doubtful) == midnight("2026-11-25") - 1
    assert [waiting.item["stage"] for waiting in on_desk(network)] == ["overdue"]
    assert len(notices(network, doubtful.application, "escalated")) == 1
    network.pass_time(60)
    assert len(notices(network, doubtful.application, "escalated")) == 1
    jump(network, "2026-11-27T00:00:05")
    assert len(notices(network, doubtful.application, "escalated")) == 2


def test_a_restart_keeps_the_timers(tmp_path: Path, doubtful: Sample) -> None:
    """A new process knows from the changelog alone what waits, since when, and when it is pressed next."""
    network = held_at("2026-11-20T13:00:00", doubtful, tmp_path)
    restart_applications(network)
    jump(network, "2026-11-24T00:00:00")
    assert [waiting.item["stage"] for waiting in on_desk(network)] == ["warn"]
    restart_applications(network)
    jump(network, "2026-11-25T00:00:00")
    assert [waiting.item["stage"] for waiting in on_desk(network)] == ["overdue"]
    restart_applications(network)
    assert decide(network, doubtful.application, "approve") == Outcome(True, "started")
    restart_applications(network)
    jump(network, "2026-12-10T00:00:00")
    assert len(notices(network, doubtful.application, "escalated")) == 1, "what is decided is not pressed any more"
    assert on_desk(network) == []


def without(*years: int) -> Calendar:
    """The shipped calendar without these years' files."""
    known: dict[int, YearDays] = {y: d for y, d in shipped_calendar().years.items() if y not in years}
    return Calendar(known)


def test_no_limit_is_guessed_for_a_year_that_is_not_known(tmp_path: Path, sample: Sample, doubtful: Sample) -> None:
    """Held for that reason, pressed meanwhile, and not even an officer starts it; with the year's file it goes on."""
    plain = with_form(doubtful, purpose=sample.application["purpose"])
    network = held_at("2026-12-31T12:00:00", plain, tmp_path, calendar=without(2027))
    [waiting] = on_desk(network)
    assert [(f["code"], f["args"]) for f in waiting.item["faults"]] == [("calendar_unknown", {"year": "2027"})]
    assert waiting.item["due"] is None
    assert network.case(plain.application).state == "held"
    assert decide(network, plain.application, "approve") == Outcome(True, "held")
    jump(network, "2027-01-01T12:00:05")
    assert len(notices(network, plain.application, "escalated")) == 1, "not knowing the limit is no way out of it"
    network.calendar = shipped_calendar()
    restart_applications(network)
    jump(network, "2027-01-02T12:00:10")
    assert on_desk(network)[0].item["due"] == midnight("2027-01-05") + DAY * 1000 - 1, "known now, counted from receipt"
    assert decide(network, plain.application, "approve") == Outcome(True, "started")
    assert_equals_oracle(network, plain)


# ---- the center cannot start in time (不可抗力) ----------------------------------------------------------------------------


def delayed(sample: Sample, folder: Path) -> tuple[Network, Any]:
    """A held application whose start the center has put off until the end of 1 December; (network, the delay it told)."""
    network = held_at("2026-11-20T13:00:00", sample, folder)
    until = midnight("2026-12-02") - 1
    assert decide(network, sample.application, "delay", reason="机房断电，正在抢修", until=until) == Outcome(
        True, "held"
    )
    return network, told(network, sample)[-1]


def told(network: Network, sample: Sample) -> Sequence[Any]:
    """The center's delays as the requester holds them, verified."""
    store = network.parties[sample.application["requester"]].store
    acts = store.acts(sample.application["application_id"], "delay")
    return [open_act(raw, network.reference.trust, at=when, issuer=CENTER) for raw, when in acts]


def reply(network: Network, sample: Sample, delay: Any, decision: str, until: int | None = None) -> bytes:
    """The requester's signed reply to a delay, and everything that follows."""
    record = {
        "application_id": sample.application["application_id"],
        "requester": sample.application["requester"],
        "mandate_digest": network.case(sample.application).mandate_digest,
        "provider": CENTER,
        "delay": delay.digest,
        "decision": decision,
        "until": until,
        "reason": "已知悉",
        "at": network.clock(),
    }
    raw = send_act(network, sample.application, "delay-reply", record)
    network.run()
    return signed.peek(raw).digest


def extensions(network: Network, sample: Sample) -> list[Extension]:
    """What was agreed, as the requester holds it, verified."""
    store = network.parties[sample.application["requester"]].store
    acts = store.acts(sample.application["application_id"], "extension")
    return [
        cast("Extension", open_act(raw, network.reference.trust, at=when, issuer=CENTER).record) for raw, when in acts
    ]


def test_the_center_tells_that_it_cannot_start_and_the_requester_agrees(tmp_path: Path, doubtful: Sample) -> None:
    """Told, agreed, extended, all signed; the limit moves only with the reply, and pressing moves with it."""
    network, delay = delayed(doubtful, tmp_path)
    assert delay.record["reason"] == "机房断电，正在抢修"
    assert on_desk(network)[0].item["due"] == midnight("2026-11-25") - 1, "until it replies the limit stands"
    digest = reply(network, doubtful, delay, "agree")
    [extension] = extensions(network, doubtful)
    assert (extension["provider"], extension["closed"]) == (CENTER, False)
    assert (extension["delay"], extension["reply"]) == (delay.digest, digest)
    assert extension["until"] == on_desk(network)[0].item["due"] == midnight("2026-12-02") - 1
    jump(network, "2026-11-30T12:00:00")
    assert notices(network, doubtful.application, "escalated") == []
    jump(network, "2026-12-01T12:00:00")
    assert decide(network, doubtful.application, "approve") == Outcome(True, "started")
    assert events_of(network, doubtful.application, "approved")[0]["code"] is None, "in the time that was agreed"
    words = b"".join(message.value or b"" for message in network.broker.messages(topics.EVENTS))
    assert "机房".encode() not in words


def test_the_requester_reads_why_it_waits_by_when_and_how_often_that_has_passed(
    tmp_path: Path, doubtful: Sample
) -> None:
    """In words, from signed notices alone; a limit that was agreed takes the place of the first one."""
    network, delay = delayed(doubtful, tmp_path)

    def told_in_words() -> dict[str, Any]:
        return _held(Correspondence(network.case(doubtful.application), network.reference.trust), "zh")

    first = {"held_because": ["申请表：用途中有“贷款”字样，须经人工审核"], "decided_by": midnight("2026-11-25") - 1}
    assert told_in_words() == first
    jump(network, "2026-11-25T00:00:00")
    assert told_in_words() == {**first, "escalated": 1}
    reply(network, doubtful, delay, "agree")
    assert told_in_words() == {**first, "escalated": 1, "decided_by": midnight("2026-12-02") - 1}


def test_the_requester_may_shorten_what_the_center_asks_for(tmp_path: Path, doubtful: Sample) -> None:
    """An earlier limit than the center's counts; a later one, or one that is over, is declined."""
    network, delay = delayed(doubtful, tmp_path)
    for wrong in (midnight("2026-12-02"), network.clock() - 1, None):
        reply(network, doubtful, delay, "shorten", wrong)
    declined = notices(network, doubtful.application, "declined")
    assert [fault["code"] for notice in declined for fault in notice["faults"]] == ["delay_until"] * 3
    assert extensions(network, doubtful) == []
    reply(network, doubtful, delay, "shorten", midnight("2026-11-28") - 1)
    assert on_desk(network)[0].item["due"] == midnight("2026-11-28") - 1
    assert [e["until"] for e in extensions(network, doubtful)] == [midnight("2026-11-28") - 1]


def test_the_requester_may_close_instead(tmp_path: Path, doubtful: Sample) -> None:
    """Then the application is rejected for that reason, and off the desk."""
    network, delay = delayed(doubtful, tmp_path)
    reply(network, doubtful, delay, "close")
    rejection = network.case(doubtful.application).rejection()
    assert rejection is not None
    assert [fault["code"] for fault in rejection["faults"]] == ["start_delayed_closed"]
    assert [e["closed"] for e in extensions(network, doubtful)] == [True]
    assert on_desk(network) == []
    assert local_history(network.case(doubtful.application))[-1][:2] == ("reject", "rejected")


def test_a_reply_that_is_overtaken_is_declined(tmp_path: Path, doubtful: Sample) -> None:
    """A second delay takes the place of the first; and what has started needs no reply any more."""
    network, first = delayed(doubtful, tmp_path)
    assert decide(network, doubtful.application, "delay", until=midnight("2026-12-05") - 1) == Outcome(True, "held")
    reply(network, doubtful, first, "agree")
    second = next(delay for delay in told(network, doubtful) if delay.digest != first.digest)
    decide(network, doubtful.application, "approve")
    reply(network, doubtful, second, "agree")
    declined = notices(network, doubtful.application, "declined")
    assert sorted(fault["code"] for notice in declined for fault in notice["faults"]) == ["delay_over", "delay_unknown"]
    assert extensions(network, doubtful) == []


def test_a_delay_that_ends_before_the_limit_is_none(tmp_path: Path, doubtful: Sample) -> None:
    """The officer is told; nothing goes to the requester."""
    network = held_at("2026-11-20T13:00:00", doubtful, tmp_path)
    for until in (network.clock() - 1, midnight("2026-11-25") - 1):
        assert decide(network, doubtful.application, "delay", until=until) == Outcome(False, "delay_not_later")
    assert told(network, doubtful) == []
