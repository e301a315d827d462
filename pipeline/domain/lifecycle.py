"""The life cycle of an application as one table: states, events, guards, effects (Art. 8, 9, 10).

The center's `applications` stage and the requester's store both move only through `advance`. The diagram in
docs/lifecycle.md is generated from the table (`python -m pipeline.domain.lifecycle > docs/lifecycle.md`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline.domain.records import LifecycleState


class Event(StrEnum):
    """What may happen to an application."""

    FILE = "file"  # the requester signs and sends it
    ARRIVE = "arrive"  # all of its sections are at the center
    MISS = "miss"  # sections are missing a day after the first one
    ACCEPT = "accept"  # the province's rules let it pass
    HOLD = "hold"  # an officer is to look at it
    ESCALATE = "escalate"  # nobody decided in time
    APPROVE = "approve"  # an officer approves
    REJECT = "reject"  # the formal review, or an officer, refuses it
    START = "start"  # the providers are asked
    DELIVER = "deliver"  # the requester holds answers of a provider
    CERTIFY = "certify"  # the first certificate
    SUPPLEMENT = "supplement"  # a further version of the certificate
    WITHDRAW = "withdraw"  # 撤销: the requester takes it back
    RECHECK = "recheck"  # 复核: some of it is asked again
    RECHECK_END = "recheck_end"  # the re-check has its certificate, or ended without
    ARCHIVE = "archive"  # nothing can be added any more


FACT: Final = {
    Event.FILE: "filed",
    Event.ARRIVE: "arrived",
    Event.MISS: "rejected",
    Event.ACCEPT: "accepted",
    Event.HOLD: "held",
    Event.ESCALATE: "escalated",
    Event.APPROVE: "approved",
    Event.REJECT: "rejected",
    Event.START: "started",
    Event.DELIVER: "partly_answered",
    Event.CERTIFY: "certified",
    Event.SUPPLEMENT: "supplemented",
    Event.WITHDRAW: "withdrawn",
    Event.RECHECK: "recheck_begun",
    Event.RECHECK_END: "recheck_ended",
    Event.ARCHIVE: "archived",
}
"""Event -> the kind of the fact on hedx.events."""


class Effect(StrEnum):
    """What the stage does when a transition is taken."""

    ACCEPT = "accept"  # sign the acceptance, tell the requester
    DISPATCH = "dispatch"  # tell join what to expect, ask the providers
    REJECT = "reject"  # sign the rejection with every reason
    WAIT_FOR_OFFICER = "wait_for_officer"  # put it on the desk, tell the requester
    PRESS = "press"  # mark it on the desk, tell the requester
    CALL_OFF = "call_off"  # tell join and the providers that it is withdrawn
    CERTIFY = "certify"  # sign the certificate
    FORGET = "forget"  # drop what is kept of it


@dataclass(frozen=True, slots=True)
class Facts:
    """What guards look at. `version`: of the certificate, the one being signed included."""

    whole: bool = False  # every sub-query is answered
    version: int = 0
    approved: bool = True  # as many officers approved as the rules ask for
    rechecks_open: int = 0  # the one that ends not counted


Guard = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Transition:
    """From `state`, on `event`, if `guard` holds: to `after`, with `effects`."""

    state: LifecycleState
    event: Event
    after: LifecycleState
    guard: str = ""
    effects: tuple[Effect, ...] = ()


def _settled(facts: Facts) -> bool:
    return facts.rechecks_open == 0


GUARDS: Final[dict[str, Guard]] = {
    "": lambda _: True,
    "enough approvals": lambda facts: facts.approved,
    "approvals missing": lambda facts: not facts.approved,
    "whole": lambda facts: facts.whole,
    "gaps": lambda facts: not facts.whole,
    "no re-check open": lambda facts: facts.rechecks_open == 0,
    "another re-check open": lambda facts: facts.rechecks_open > 0,
    "no re-check open, first certificate, whole": lambda facts: _settled(facts) and facts.version <= 1 and facts.whole,
    "no re-check open, first certificate, gaps": lambda facts: (
        _settled(facts) and facts.version <= 1 and not facts.whole
    ),
    "no re-check open, supplemented": lambda facts: _settled(facts) and facts.version > 1,
}
"""Guards by the words the diagram shows. Of one state and event at most one holds."""

_OPEN: Final[tuple[LifecycleState, ...]] = ("filed", "under_review", "held")
_RUNNING: Final[tuple[LifecycleState, ...]] = ("accepted", "started", "partly_answered")
CERTIFIED: Final[frozenset[LifecycleState]] = frozenset({"completed", "incomplete", "supplemented", "under_recheck"})
"""States in which there is a certificate over the whole application."""
_CLOSED: Final[tuple[LifecycleState, ...]] = ("completed", "incomplete", "supplemented")


def _table() -> tuple[Transition, ...]:
    first = (
        Transition("drafted", Event.FILE, "filed"),
        Transition("filed", Event.ARRIVE, "under_review"),
        Transition("filed", Event.MISS, "rejected", effects=(Effect.REJECT,)),
        Transition("under_review", Event.ACCEPT, "accepted", effects=(Effect.ACCEPT,)),
        Transition("under_review", Event.HOLD, "held", effects=(Effect.WAIT_FOR_OFFICER,)),
        Transition("under_review", Event.REJECT, "rejected", effects=(Effect.REJECT,)),
        Transition("held", Event.HOLD, "held", effects=(Effect.WAIT_FOR_OFFICER,)),
        Transition("held", Event.ESCALATE, "held", effects=(Effect.PRESS,)),
        Transition("held", Event.APPROVE, "accepted", "enough approvals", (Effect.ACCEPT,)),
        Transition("held", Event.APPROVE, "held", "approvals missing"),
        Transition("held", Event.REJECT, "rejected", effects=(Effect.REJECT,)),
        Transition("accepted", Event.START, "started", effects=(Effect.DISPATCH,)),
        Transition("started", Event.DELIVER, "partly_answered"),
        Transition("partly_answered", Event.DELIVER, "partly_answered"),
    )
    certified = tuple(
        transition
        for state in _RUNNING[1:]
        for transition in (
            Transition(state, Event.CERTIFY, "completed", "whole", (Effect.CERTIFY,)),
            Transition(state, Event.CERTIFY, "incomplete", "gaps", (Effect.CERTIFY,)),
        )
    )
    later = tuple(
        transition
        for state in _CLOSED
        for transition in (
            Transition(state, Event.DELIVER, state),
            Transition(state, Event.SUPPLEMENT, "supplemented", effects=(Effect.CERTIFY,)),
            Transition(state, Event.RECHECK, "under_recheck"),
            Transition(state, Event.ARCHIVE, "archived", "no re-check open", (Effect.FORGET,)),
        )
    )
    withdrawn = tuple(
        Transition(state, Event.WITHDRAW, "withdrawn", effects=(Effect.CALL_OFF,)) for state in (*_OPEN, *_RUNNING)
    ) + tuple(
        Transition("withdrawn", event, "withdrawn", effects=effects)
        for event, effects in (
            (Event.DELIVER, ()),
            (Event.CERTIFY, (Effect.CERTIFY,)),
            (Event.SUPPLEMENT, (Effect.CERTIFY,)),
        )
    )
    disputed = (
        Transition("under_recheck", Event.DELIVER, "under_recheck"),
        Transition("under_recheck", Event.SUPPLEMENT, "under_recheck", effects=(Effect.CERTIFY,)),
        Transition("under_recheck", Event.RECHECK, "under_recheck"),
        Transition("under_recheck", Event.RECHECK_END, "under_recheck", "another re-check open"),
        Transition("under_recheck", Event.RECHECK_END, "completed", "no re-check open, first certificate, whole"),
        Transition("under_recheck", Event.RECHECK_END, "incomplete", "no re-check open, first certificate, gaps"),
        Transition("under_recheck", Event.RECHECK_END, "supplemented", "no re-check open, supplemented"),
    )
    ended = (
        Transition("withdrawn", Event.ARCHIVE, "archived", effects=(Effect.FORGET,)),
        Transition("rejected", Event.ARCHIVE, "archived", effects=(Effect.FORGET,)),
    )
    return (*first, *certified, *later, *withdrawn, *disputed, *ended)


TABLE: Final = _table()


class NotAllowed(Exception):
    """An event that the state does not allow. `code` is that of the fault shown: `event_not_allowed`."""

    def __init__(self, state: LifecycleState, event: Event) -> None:
        super().__init__(f"{event.value} in state {state}")
        self.state = state
        self.event = event


def advance(state: LifecycleState, event: Event, facts: Facts | None = None) -> Transition:
    """The transition that `event` takes from `state`. Raises NotAllowed where the table has none."""
    facts = facts or Facts()
    for transition in TABLE:
        if transition.state == state and transition.event == event and GUARDS[transition.guard](facts):
            return transition
    raise NotAllowed(state, event)


def allows(state: LifecycleState, event: Event, facts: Facts | None = None) -> bool:
    """Whether `advance` would take a transition."""
    try:
        advance(state, event, facts)
    except NotAllowed:
        return False
    return True


_BETWEEN: Final = (Event.ARRIVE, Event.ACCEPT, Event.HOLD, Event.APPROVE, Event.START, Event.CERTIFY)
"""What has happened at the center when a party hears of something later first."""


def hear(state: LifecycleState, event: Event, facts: Facts | None = None) -> list[Transition]:
    """The transitions that a party learns of when it hears of `event`; empty for what it knows already.

    Notices may overtake one another on their way. A certificate says that the application was accepted and started, too. A
    withdrawal that is heard of after the certificate was there first: what was withdrawn is certified, never the reverse.
    """
    if event is Event.WITHDRAW and state in CERTIFIED:
        return [advance("started", Event.WITHDRAW)]
    paths: list[tuple[LifecycleState, list[Transition]]] = [(state, [])]
    seen = {state}
    for current, path in paths:
        if allows(current, event, facts):
            return [*path, advance(current, event, facts)]
        for between in _BETWEEN:
            if allows(current, between) and (step := advance(current, between)).after not in seen:
                seen.add(step.after)
                paths.append((step.after, [*path, step]))
    return []


if __name__ == "__main__":
    from pipeline.domain.lifecycle_words import page

    print(page(), end="")  # noqa: T201 - the page is this module's output
