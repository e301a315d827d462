"""The life cycle's table: no illegal state in 10,000 random histories, nothing unreachable, and both sides agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import lifecycle_words
from pipeline.domain.lifecycle import FACT, GUARDS, TABLE, Effect, Event, Facts, NotAllowed, Transition, advance, hear
from pipeline.domain.records import LifecycleState

REPOSITORY = Path(__file__).resolve().parents[3]
STATES: tuple[LifecycleState, ...] = get_args(LifecycleState)
EVENTS = tuple(Event)
HISTORIES = 10_000
ALL_FACTS = [
    Facts(whole, version, approved, rechecks)
    for whole, version, approved, rechecks in product((False, True), (0, 1, 2, 3), (False, True), (0, 1, 2))
]


ROWS = {
    (state, event): [r for r in TABLE if (r.state, r.event) == (state, event)] for state in STATES for event in EVENTS
}


def rows_for(state: LifecycleState, event: Event, facts: Facts) -> list[Transition]:
    """The table's rows whose guards hold, read from them and not through `advance`."""
    return [row for row in ROWS[state, event] if GUARDS[row.guard](facts)]


def possible(state: LifecycleState, facts: Facts) -> list[Event]:
    """The events that the table has a line for."""
    return [event for event in EVENTS if rows_for(state, event, facts)]


def history(choices: bytes, start: LifecycleState = "drafted") -> Iterator[tuple[LifecycleState, Event, Facts]]:
    """(state, event, facts) of a random walk: mostly what is possible, every fourth time anything at all."""
    state = start
    for position in range(0, len(choices) - 1, 2):
        facts = ALL_FACTS[choices[position] % len(ALL_FACTS)]
        choice = choices[position + 1]
        legal = possible(state, facts)
        event = legal[choice // 4 % len(legal)] if choice % 4 and legal else EVENTS[choice // 4 % len(EVENTS)]
        yield state, event, facts
        if event in legal:
            state = advance(state, event, facts).after


def is_allowed(state: LifecycleState, event: Event, facts: Facts) -> bool:
    """Whether `advance` takes a transition (`pytest.raises` would cost most of the test's time)."""
    try:
        advance(state, event, facts)
    except NotAllowed:
        return False
    return True


def test_ten_thousand_histories_reach_every_state_and_take_every_transition() -> None:
    """What the table has a line for happens, anything else is refused; nothing in the table is dead, nothing gets stuck."""
    taken: set[Transition] = set()
    histories = 0

    @settings(max_examples=HISTORIES, database=None)
    @given(st.integers(0, 2**64 - 1), st.integers(0, 60))
    def walk(seed: int, steps: int) -> None:
        nonlocal histories
        histories += 1
        choices = Random(seed).randbytes(2 * steps)
        started = certified = withdrawn = False
        for state, event, facts in history(choices):
            rows = rows_for(state, event, facts)
            if not rows:
                assert not is_allowed(state, event, facts)
                continue
            [row] = rows
            assert advance(state, event, facts) is row
            taken.add(row)
            assert row.after in STATES
            assert state != "archived"
            if event is Event.START:
                assert not started, "providers are asked once"
                assert not withdrawn
                started = True
            if event in (Event.DELIVER, Event.CERTIFY):
                assert started or withdrawn, "no answer before the providers were asked"
            if event is Event.SUPPLEMENT and not withdrawn:
                assert certified, "there is no second version before the first"
            certified |= event is Event.CERTIFY
            withdrawn |= event is Event.WITHDRAW
            if withdrawn:
                assert row.after in ("withdrawn", "archived"), "what is withdrawn stays so"
            if state == "held" and row.after != "held":
                assert event in (Event.APPROVE, Event.REJECT, Event.WITHDRAW), "a hold never decides itself"

    walk()
    assert histories >= HISTORIES
    assert taken == set(TABLE)
    assert {row.state for row in taken} | {row.after for row in taken} == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_of_one_state_and_event_one_guard_holds_or_none_ever_does(state: LifecycleState) -> None:
    """Guards exclude each other, and together they leave no case open: an event is possible or it is not."""
    for event in EVENTS:
        holding = [len(rows_for(state, event, facts)) for facts in ALL_FACTS]
        if event is Event.ARCHIVE and state in ("completed", "incomplete", "supplemented"):
            assert set(holding) == {0, 1}, "waits for the re-check"
        else:
            assert set(holding) in ({0}, {1}), (state, event)


# ---- what the requester hears -----------------------------------------------------------------------------------------------

TOLD = {Event.HOLD, Event.ESCALATE, Event.START, Event.WITHDRAW, Event.CERTIFY, Event.SUPPLEMENT, Event.DELIVER}
"""What a requester hears of, or sees itself (answers). Missing sections come as a rejection."""
LATER = {Event.RECHECK, Event.RECHECK_END, Event.ARCHIVE}


def run_center(choices: bytes) -> tuple[LifecycleState, list[tuple[Event, Facts]]]:
    """A history at the center until its end, and the notices that it sent."""
    state: LifecycleState = "filed"
    notices: list[tuple[Event, Facts]] = []
    version = 0
    for choice in choices:
        coming = version + 1
        facts = Facts(whole=bool(choice & 1), version=coming, approved=bool(choice & 2))
        legal = [event for event in possible(state, facts) if event not in LATER]
        if state == "withdrawn":  # one certificate first, then newer versions
            legal = [e for e in legal if e is not (Event.CERTIFY if version else Event.SUPPLEMENT)]
        if not legal:
            break
        event = legal[(choice >> 2) % len(legal)]
        state = advance(state, event, facts).after
        version += event in (Event.CERTIFY, Event.SUPPLEMENT)
        if event in TOLD:
            notices.append((event, facts))
        elif event in (Event.REJECT, Event.MISS):
            notices.append((Event.REJECT, facts))
    return state, notices


def listen(notices: list[tuple[Event, Facts]]) -> LifecycleState:
    """Where the requester has it after these notices."""
    state: LifecycleState = "filed"
    for event, facts in notices:
        for row in hear(state, event, facts):
            assert row in TABLE
            state = row.after
    return state


@settings(max_examples=2000, database=None)
@given(st.binary(max_size=25), st.randoms(use_true_random=False), st.sets(st.integers(0, 24)))
def test_the_requester_ends_where_the_center_is_whatever_notices_were_overtaken_or_lost(
    choices: bytes, random: Random, lost: set[int]
) -> None:
    """In any order, and without those that later ones make superfluous, the notices tell where the application stands."""
    state, notices = run_center(choices)
    if state in ("under_review", "accepted"):
        return  # on its way: nothing is told of these
    last = len(notices) - 1
    superfluous = {Event.HOLD, Event.ESCALATE, Event.START}
    kept = [n for i, n in enumerate(notices) if i == last or i not in lost or n[0] not in superfluous]
    random.shuffle(kept)
    assert listen(kept) == state


def test_a_certificate_says_that_the_application_was_started() -> None:
    """Heard of alone, it brings all that must have happened before it."""
    assert [row.event.value for row in hear("filed", Event.CERTIFY, Facts(whole=True, version=1))] == [
        "arrive", "accept", "start", "certify"]  # fmt: skip


def test_an_old_notice_changes_nothing() -> None:
    """What was true earlier and is overtaken is not heard again."""
    for state in ("started", "completed", "withdrawn", "rejected"):
        assert hear(state, Event.HOLD) == []
        assert hear(state, Event.ESCALATE) == []


def test_a_withdrawal_heard_after_the_certificate_counts() -> None:
    """A certificate of what was withdrawn may come first; the application is withdrawn all the same."""
    [row] = hear("incomplete", Event.WITHDRAW)
    assert row.after == "withdrawn"
    assert row in TABLE


# ---- words --------------------------------------------------------------------------------------------------------------------


def test_every_state_event_and_effect_has_words() -> None:
    """In Chinese and English, and none of them twice: officials tell states apart by them."""
    assert set(lifecycle_words.STATES) == set(lifecycle_words.MEANING) == set(STATES)
    assert set(lifecycle_words.EVENTS) == set(FACT) == set(EVENTS)
    assert set(lifecycle_words.EFFECTS) == set(Effect) == {e for row in TABLE for e in row.effects}
    for words in (lifecycle_words.STATES, lifecycle_words.EVENTS):
        for language in (0, 1):
            assert len({pair[language] for pair in words.values()}) == len(words)


def test_the_page_is_the_tables() -> None:
    """docs/lifecycle.md is what the module prints."""
    page = (REPOSITORY / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    assert page == lifecycle_words.page()
    for row in TABLE:
        assert f"    {row.state} --> {row.after}: {row.event.value}" in page
