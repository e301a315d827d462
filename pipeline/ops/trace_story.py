"""What events tell of one application, as a story: its hops in order, the waits between them, who is missing and until when.

Pure: the same events in any order, any number of times, tell the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.domain import tracing
from pipeline.domain.counting import MISSING
from pipeline.domain.records import LifecycleEvent
from pipeline.domain.tracing import TraceContext

CLOSED: Final = frozenset(("section_closed", "section_supplemented"))
ENDED: Final = frozenset(("rejected", "withdrawn", "archived"))
"""Kinds after which nobody is waited for."""


@dataclass(frozen=True, slots=True)
class Step:
    """A hop. `at` and `since`: ms; `waited`: ms since the hop before it; `open_for`: ms since what ends with it began."""

    at: int
    stage: str
    kind: str
    party: str | None
    provider: str | None
    section: int | None
    count: int
    code: str | None
    by: str | None
    state: str | None
    event_id: str
    span_id: str
    parent_span_id: str | None
    waited: int
    open_for: int | None


@dataclass(frozen=True, slots=True)
class Wanting:
    """A provider that has not answered all of a section. `queries`: sub-queries open; `deadline`: the last of theirs, ms."""

    provider: str
    section: int
    queries: int
    deadline: int | None
    late: bool


@dataclass(frozen=True, slots=True)
class Story:
    """An application's. `longest`: number of the step before which it waited longest, from 0; None of a single step."""

    application_id: str
    trace_id: str
    requester: str | None
    state: str | None
    steps: tuple[Step, ...]
    missing: tuple[Wanting, ...]
    longest: int | None
    began: int
    ended: int


Noted = tuple[LifecycleEvent, TraceContext | None]
"""An event, and the span that its record's header names."""


def stories(noted: Iterable[Noted], now: int) -> list[Story]:
    """The stories of the applications of one id, one for each requester that chose it, by requester. `now`: ms."""
    by_requester: defaultdict[str, list[Noted]] = defaultdict(list)
    for event, parent in noted:
        by_requester[event["party"] or ""].append((event, parent))
    told = (tell(its, now) for _, its in sorted(by_requester.items()))
    return [story for story in told if story is not None]


def tell(noted: Iterable[Noted], now: int) -> Story | None:
    """The story of the application of one requester that all of these events are about; None when there are none. `now`: ms."""
    once = {event["event_id"]: (event, parent) for event, parent in noted}
    ordered = _in_order(list(once.values()))
    if not ordered:
        return None
    steps: list[Step] = []
    for event, parent in ordered:
        waited = event["at"] - steps[-1].at if steps else 0
        steps.append(_step(event, parent, waited))
    first = ordered[0][0]
    application_id = first["application_id"] or ""
    states = [event["state"] for event, _ in ordered if event["state"] is not None]
    waits = [step.waited for step in steps[1:]]
    return Story(
        application_id=application_id,
        trace_id=tracing.trace_of(application_id).hex(),
        requester=next((event["party"] for event, _ in ordered if event["party"]), None),
        state=states[-1] if states else None,
        steps=tuple(steps),
        missing=tuple(_missing([event for event, _ in ordered], now)),
        longest=1 + waits.index(max(waits)) if waits else None,
        began=steps[0].at,
        ended=steps[-1].at,
    )


def _in_order(noted: Sequence[Noted]) -> list[Noted]:
    """By time; at one time what is followed stands before what follows it, then as they were read."""
    depths: dict[bytes, int] = {}
    parents = {tracing.span_of(event["event_id"]): parent for event, parent in noted}

    def depth(span: bytes) -> int:
        walked: list[bytes] = []
        while span not in depths and span not in walked:
            walked.append(span)
            parent = parents.get(span)
            if parent is None or parent.span_id not in parents:
                break
            span = parent.span_id
        level = depths.get(span, -1)
        for one in reversed(walked):
            level += 1
            depths[one] = level
        return level

    return sorted(noted, key=lambda one: (one[0]["at"], depth(tracing.span_of(one[0]["event_id"]))))


def _step(event: LifecycleEvent, parent: TraceContext | None, waited: int) -> Step:
    return Step(
        at=event["at"],
        stage=event["stage"],
        kind=event["kind"],
        party=event["party"],
        provider=event["provider"],
        section=event["section"],
        count=event["count"],
        code=event["code"],
        by=event["by"],
        state=event["state"],
        event_id=event["event_id"],
        span_id=tracing.span_of(event["event_id"]).hex(),
        parent_span_id=None if parent is None else parent.span_id.hex(),
        waited=waited,
        open_for=None if event["since"] is None else event["at"] - event["since"],
    )


def _missing(events: Sequence[LifecycleEvent], now: int) -> list[Wanting]:
    """Who was asked and has not answered all, in sections that are not closed."""
    if any(event["kind"] in ENDED for event in events):
        return []
    closed = {event["section"] for event in events if event["kind"] in CLOSED}
    asked: dict[tuple[int, str], tuple[int, int | None]] = {}
    for event in events:
        section, provider = event["section"], event["provider"]
        if section is None or provider is None or section in closed:
            continue
        if event["stage"] == "applications" and event["kind"] == "dispatched":
            deadlines = [part["deadline"] for part in event["parts"] if part["deadline"] is not None]
            asked[section, provider] = sum(part["count"] for part in event["parts"]), max(deadlines, default=None)
        elif event["kind"] == "answer_accepted" and (section, provider) in asked:
            left = sum(part["count"] for part in event["parts"] if part["status"] == MISSING)
            asked[section, provider] = left, asked[section, provider][1]
    moved = _moved(events)
    found = []
    for (section, provider), (queries, deadline) in sorted(asked.items()):
        if queries:
            until = max((at for at in (deadline, moved.get(provider)) if at is not None), default=None)
            found.append(Wanting(provider, section, queries, until, until is not None and until < now))
    return found


def _moved(events: Sequence[LifecycleEvent]) -> Mapping[str, int]:
    """Deadlines that were agreed to be later, by provider (ms)."""
    later: dict[str, int] = {}
    for event in events:
        if event["kind"] == "deadline_extended" and event["provider"] is not None:
            until = [part["deadline"] for part in event["parts"] if part["deadline"] is not None]
            later[event["provider"]] = max([*until, later.get(event["provider"], 0)])
    return later
