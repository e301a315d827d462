"""The story of an application, told from its events: order, waits, who is missing."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain import tracing
from pipeline.domain.records import EventPart, LifecycleEvent
from pipeline.ops.trace_story import Noted, Story, stories, tell

ID = "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d"
ROOT = tracing.sent(ID, "53")


def event(kind: str, at: int, stage: str = "applications", parent: str | None = None, **more: Any) -> Noted:
    """An event of the application, following the one with the id `parent`, or the root."""
    made: dict[str, Any] = {
        "event_id": tracing.event_id(stage, kind, application_id=ID, **_identity(more)),
        "at": at,
        "stage": stage,
        "kind": kind,
        "application_id": ID,
        "section": None,
        "party": "53",
        "provider": None,
        "count": 1,
        "code": None,
        "by": None,
        "since": None,
        "state": None,
        "change": None,
        "parts": [],
    }
    follows = ROOT if parent is None else tracing.happened(ID, parent)
    return LifecycleEvent(**{**made, **more}), follows  # type: ignore[typeddict-item]


def _identity(more: dict[str, Any]) -> dict[str, Any]:
    return {name: more[name] for name in ("section", "provider") if name in more}


def part(count: int, status: str | None = None, deadline: int | None = None) -> EventPart:
    """Sub-queries of one category."""
    return {"category": "medical", "status": status, "provider": None, "deadline": deadline, "count": count}


def told(*noted: Noted, now: int = 0) -> Story:
    """The story of events that there are."""
    story = tell(noted, now)
    assert story is not None
    return story


def dispatched(provider: str, section: int = 1, deadline: int = 9_000, at: int = 30) -> Noted:
    """A provider is asked two times five sub-queries of a section."""
    parts = [part(5, deadline=deadline - 1), part(5, deadline=deadline)]
    return event("dispatched", at, provider=provider, section=section, parts=parts)


def test_no_events_are_no_story() -> None:
    """Nothing is made up of an id that nobody knows."""
    assert tell([], 0) is None


def test_hops_stand_in_order_with_the_waits_between() -> None:
    """And the longest wait is pointed to by the hop that ended it."""
    story = told(
        event("certified", 5_000, state="completed", since=20),
        event("section_received", 10, "intake", section=1),
        event("accepted", 30, state="accepted"),
    )
    assert [(step.kind, step.waited) for step in story.steps] == [
        ("section_received", 0),
        ("accepted", 20),
        ("certified", 4_970),
    ]
    assert (story.longest, story.began, story.ended, story.state) == (2, 10, 5_000, "completed")
    assert story.steps[2].open_for == 4_980
    assert (story.requester, story.trace_id) == ("53", ID.replace("-", ""))


def test_of_one_instant_what_is_followed_stands_first() -> None:
    """Events of one step have one time: their spans say which came of which."""
    received, _ = event("section_received", 10, "intake", section=1)
    accepted, _ = event("accepted", 10)
    first = event("section_received", 10, "intake", section=1)
    second = event("accepted", 10, parent=received["event_id"])
    third = event("started", 10, parent=accepted["event_id"])
    story = told(third, second, first)
    assert [step.kind for step in story.steps] == ["section_received", "accepted", "started"]
    assert story.steps[1].parent_span_id == story.steps[0].span_id


def test_who_has_not_answered_is_missing_until_the_deadline() -> None:
    """With the sub-queries open, and whether it is late."""
    asked = dispatched("32"), dispatched("37", deadline=500)
    [one, other] = told(*asked, now=1_000).missing
    assert (one.provider, one.section, one.queries, one.deadline, one.late) == ("32", 1, 10, 9_000, False)
    assert (other.provider, other.deadline, other.late) == ("37", 500, True)


def test_an_answer_leaves_what_it_says_is_missing() -> None:
    """In part, and then all of it; an answer of another section leaves this one alone."""
    asked = dispatched("37"), dispatched("37", section=2)
    half = event("answer_accepted", 40, "join", provider="37", section=1, parts=[part(6, "done"), part(4, "missing")])
    assert [(one.section, one.queries) for one in told(*asked, half).missing] == [(1, 4), (2, 10)]
    rest = event("answer_accepted", 50, "join", provider="37", section=1, parts=[part(4, "done")])
    rest[0]["event_id"] = "f" * 32
    assert [(one.section, one.queries) for one in told(*asked, half, rest).missing] == [(2, 10)]


def test_nobody_is_missing_when_it_is_over() -> None:
    """A closed section waits for nobody, nor does an application that was withdrawn."""
    closed = event("section_closed", 60, "join", section=1)
    assert told(dispatched("37"), closed).missing == ()
    assert told(dispatched("37"), event("withdrawn", 60, state="withdrawn")).missing == ()


def test_an_agreed_delay_moves_the_deadline() -> None:
    """The later one counts."""
    moved = event("deadline_extended", 50, provider="37", parts=[part(5, deadline=20_000)])
    [one] = told(dispatched("37"), moved, now=10_000).missing
    assert (one.deadline, one.late) == (20_000, False)


def test_a_circle_of_parents_is_no_trouble() -> None:
    """Headers are hints: two events that claim to follow each other are told by their times."""
    a, _ = event("held", 10)
    b, _ = event("approved", 10)
    story = told(event("held", 10, parent=b["event_id"]), event("approved", 10, parent=a["event_id"]))
    assert {step.kind for step in story.steps} == {"held", "approved"}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=12), st.randoms())
def test_any_order_and_any_number_of_copies_tell_the_same(made: list[tuple[int, int]], shuffled: random.Random) -> None:
    """Property: readers see events again, and partitions in any order."""
    noted = [
        event(f"kind{kind}", at, section=kind + 1) for at, kind in {kind: (at, kind) for at, kind in made}.values()
    ]
    again = [*noted, *noted]
    shuffled.shuffle(again)
    story, other = told(*noted), told(*again)
    assert sorted(other.steps, key=lambda step: step.event_id) != []
    assert [step.at for step in story.steps] == [step.at for step in other.steps]
    assert {step.event_id for step in story.steps} == {step.event_id for step in other.steps}
    assert sum(step.waited for step in story.steps) == story.ended - story.began


@given(st.randoms(use_true_random=False))
def test_two_requesters_of_one_id_are_two_stories(random: random.Random) -> None:
    """Their events in any order: each story is what its own events alone tell, and waits for its own providers only."""
    mine = [event("accepted", 10, state="accepted"), dispatched("32"), dispatched("37", at=31)]
    other = [
        event("arrived", 15, party="11", state="under_review"),
        event("rejected", 40, party="11", state="rejected"),
    ]
    mixed = [*mine, *other]
    random.shuffle(mixed)
    told_apart = stories(mixed, now=0)
    assert told_apart == [told(*other), told(*mine)]
    assert [(story.requester, story.state, len(story.missing)) for story in told_apart] == [
        ("11", "rejected", 0),
        ("53", "accepted", 2),
    ]
    assert stories([], now=0) == []
