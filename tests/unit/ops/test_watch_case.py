"""One application as the watch sees it: what is missing, at risk, or stuck."""

from __future__ import annotations

import pytest

from pipeline.domain.counting import part
from pipeline.domain.records import LifecycleEvent
from pipeline.ops.watch_case import FIRST_EVENTS, NEWEST_EVENTS, CaseView, Missing
from pipeline.ops.watch_stuck import RULES, judge
from tests.unit.ops.watch_events import DAY, HOUR, LIMIT, MINUTE, NOW, answered, change, closed, dispatched, event


def seen(*events: LifecycleEvent) -> CaseView:
    """The application after these."""
    case = CaseView("a", "37")
    for each in events:
        case.add(each)
    return case


def near(provider: str, at: int, due: int, section: int = 1) -> LifecycleEvent:
    """A deadline has come near."""
    parts = [part("medical", 5, "missing", deadline=due)]
    return event("deadline_near", at, provider=provider, section=section, count=5, parts=parts)


STARTED = change("started", NOW, 3, "started")
SENT = dispatched("32", NOW)
DUE = NOW + LIMIT


def test_persons_missing_are_those_of_the_category_that_lacks_most() -> None:
    """One register of two is down: everybody lacks that one."""
    parts = [part("medical", 5, "done"), part("vehicles", 5, "missing")]
    half = event("answer_accepted", NOW + 1, provider="32", section=1, count=5, since=NOW, parts=parts)
    assert seen(STARTED, SENT, half).missing() == [Missing("32", 5, 5, DUE)]


def test_rows_that_were_closed_are_not_missing_and_an_extension_counts() -> None:
    """What was agreed about a delay shows."""
    shut = event("rows_closed", NOW + 1, "applications", provider="32", parts=[part("medical", 5, deadline=DUE + DAY)])
    until = event(
        "deadline_extended", NOW + 2, "applications", provider="32", parts=[part("vehicles", 5, deadline=DUE + DAY)]
    )
    assert seen(STARTED, SENT, shut, until).missing() == [Missing("32", 5, 5, DUE + DAY)]


def test_a_deadline_is_at_risk_from_its_warning_until_it_is_answered_moved_certified_or_over() -> None:
    """The four ways out of being at risk, and no other."""
    warned = [STARTED, SENT, near("32", NOW + HOUR, DUE)]
    assert seen(*warned).at_risk(NOW + 2 * HOUR) == [(1, "32", 5, DUE)]
    assert seen(*warned, answered("32", NOW + HOUR, persons=3, owes=2)).at_risk(NOW + 2 * HOUR) != []
    assert seen(*warned, answered("32", NOW + HOUR, section=2)).at_risk(NOW + 2 * HOUR) != []
    assert seen(*warned, answered("32", NOW + HOUR)).at_risk(NOW + 2 * HOUR) == []
    assert seen(*warned, closed(DUE, [])).at_risk(NOW + 2 * HOUR) == []
    moved = event(
        "deadline_extended", NOW + 2, "applications", provider="32", parts=[part("medical", 5, deadline=DUE + DAY)]
    )
    assert seen(*warned, moved).at_risk(NOW + 2 * HOUR) == []
    assert seen(*warned).at_risk(DUE + 1) == []


def test_the_history_keeps_how_it_began_and_what_came_last() -> None:
    """Of a long one the middle goes; no officer's name and no odd code is in it."""
    events = [event(f"k{number}", NOW + number, by="officer:someone", code="Not a code") for number in range(100)]
    history = seen(*reversed(events)).history
    kept = [*range(FIRST_EVENTS), *range(100 - NEWEST_EVENTS, 100)]
    assert [told.kind for told in history] == [f"k{number}" for number in kept]
    assert {(told.by, told.code) for told in history} == {("officer", "?")}


def held(at: int = NOW) -> list[LifecycleEvent]:
    """Held for an officer."""
    return [change("arrived", at, 1, "under_review"), change("held", at, 2, "held", code="hold_rule", count=1)]


CERTIFIED = change("certified", DUE, 4, "completed")
CASES = [
    (1, [event("section_received", NOW, "intake", section=1, since=NOW)], NOW + 25 * HOUR),
    (2, [change("arrived", NOW, 1, "under_review")], NOW + HOUR),
    (3, [*held(), change("escalated", NOW + DAY, 3, "held", count=1), change("escalated", NOW + 2 * DAY, 4, "held", count=2)], NOW + DAY),
    (4, [change("accepted", NOW, 2, "accepted")], NOW + 10 * MINUTE),
    (5, [STARTED], NOW + HOUR),
    (6, [STARTED, SENT], DUE + HOUR),
    (7, [STARTED, SENT, change("withdrawn", NOW + 1, 4, "withdrawn")], NOW + 1 + HOUR),
    (8, [STARTED, SENT, CERTIFIED], DUE + DAY),
]  # fmt: skip


@pytest.mark.parametrize(("number", "events", "due"), CASES)
def test_each_rule_holds_after_its_time_and_not_before(number: int, events: list[LifecycleEvent], due: int) -> None:
    """The number and word of the rule, and since when."""
    case = seen(*events)
    assert judge(case, due) is None
    found = judge(case, due + 1)
    assert found is not None
    assert (found.rule, found.why, found.since) == (number, RULES[number - 1].why, due)


def test_every_rule_has_its_case() -> None:
    """The table above leaves none out, and numbers are in order."""
    assert [rule.number for rule in RULES] == [number for number, _, _ in CASES] == list(range(1, len(RULES) + 1))


@pytest.mark.parametrize(
    "events",
    [
        held(),
        [STARTED, SENT, CERTIFIED, event("delivered", DUE + 1, "applications", since=DUE)],
        [change("arrived", NOW, 1, "under_review"), change("rejected", NOW, 2, "rejected")],
        [change("arrived", NOW, 1, "under_review"), change("withdrawn", NOW, 2, "withdrawn")],
        [STARTED, SENT, change("withdrawn", NOW + 1, 4, "withdrawn"), change("certified", NOW + 2, 5, "withdrawn")],
    ],
)
def test_what_waits_for_people_within_its_time_or_is_over_is_not_stuck(events: list[LifecycleEvent]) -> None:
    """A hold within its limit, what was delivered, and ends, however long ago."""
    assert judge(seen(*events), NOW + 300 * DAY) is None


def test_a_newer_certificate_must_be_delivered_too() -> None:
    """A supplement that nobody fetched is as stuck as a first certificate."""
    delivered = event("delivered", DUE + 1, "applications", since=DUE)
    supplemented = change("supplemented", DUE + DAY, 5, "supplemented")
    found = judge(seen(STARTED, SENT, CERTIFIED, delivered, supplemented), DUE + 3 * DAY)
    assert found is not None
    assert (found.rule, found.since) == (8, DUE + 2 * DAY)
