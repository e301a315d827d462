"""A made-up exchange's events, for the tests of the watch's tables."""

from __future__ import annotations

from random import Random
from typing import Any

from pipeline.domain.counting import part
from pipeline.domain.records import EventPart, LifecycleEvent

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_800_000_000_000
"""All of it happens in the hours before."""
CATEGORIES = ("medical", "vehicles")
PROVIDERS = ("00", "32", "53")
PERSONS = 5
LIMIT = 3 * HOUR


def event(kind: str, at: int, stage: str = "join", application: str | None = "a", **fields: Any) -> LifecycleEvent:
    """An event; its id is made of all of it."""
    made: dict[str, Any] = {
        "at": at, "stage": stage, "kind": kind, "application_id": application, "section": None, "party": "37",
        "provider": None, "count": 1, "code": None, "by": None, "since": None, "state": None, "change": None, "parts": [],
        **fields,
    }  # fmt: skip
    return {"event_id": str(sorted(made.items(), key=str)), **made}  # type: ignore[typeddict-item]


def change(kind: str, at: int, number: int, state: str, application: str = "a", **fields: Any) -> LifecycleEvent:
    """A change of an application's state."""
    known = {"count": PERSONS, "since": at, **fields}
    return event(kind, at, "applications", application, state=state, change=number, **known)


def dispatched(provider: str, at: int, application: str = "a", section: int = 1, **fields: Any) -> LifecycleEvent:
    """A section sent to a provider, asked for each category once."""
    parts = [part(category, PERSONS, deadline=at + LIMIT) for category in CATEGORIES]
    known = {"section": section, "provider": provider, "count": PERSONS, "since": at, "parts": parts, **fields}
    return event("dispatched", at, "applications", application, **known)


def answered(
    provider: str, at: int, application: str = "a", section: int = 1, *, persons: int = PERSONS, owes: int = 0
) -> LifecycleEvent:
    """A bundle of a provider's answers about `persons` persons, with `owes` still missing in each category."""
    parts = [part(category, persons, "done") for category in CATEGORIES]
    parts += [part(category, owes, "missing") for category in CATEGORIES if owes]
    known = {"section": section, "provider": provider, "count": persons, "since": at - 1_000, "parts": parts}
    return event("answer_accepted", at, "join", application, **known)


def closed(
    at: int, parts: list[EventPart], application: str = "a", section: int = 1, version: int = 1
) -> LifecycleEvent:
    """A section's certificate."""
    kind = "section_closed" if version == 1 else "section_supplemented"
    return event(kind, at, "join", application, section=section, count=PERSONS, code=str(version), parts=parts)


def course(random: Random, number: int) -> list[LifecycleEvent]:
    """One application's events as the stages would write them, up to where it happens to stand."""
    name, sections = f"application-{number}", random.choice([1, 1, 2, 3])
    party = random.choice(["37", "44"])
    at = NOW - random.randrange(6 * HOUR, 12 * HOUR)
    made = [
        event(
            "section_received", at + section, "intake", name, section=section, count=PERSONS, since=at, party=party
        )
        for section in range(1, sections + 1)
    ]  # fmt: skip
    if random.random() < 0.1:
        return made
    persons, accepted = PERSONS * sections, at + random.randrange(1_000, HOUR)
    made.append(change("arrived", at + 10, 1, "under_review", name, count=persons, since=at, party=party))
    made.append(change("accepted", accepted, 2, "accepted", name, count=persons, since=at, party=party))
    made.append(change("started", accepted, 3, "started", name, count=persons, since=at, party=party))
    for section in range(1, sections + 1):
        made += _section(random, name, section, accepted, party)
    if random.random() < 0.7:
        state = random.choice(["completed", "incomplete"])
        done = accepted + LIMIT + random.randrange(HOUR)
        made.append(change("certified", done, 4, state, name, count=persons, since=at, party=party))
    return made


def _section(random: Random, name: str, section: int, accepted: int, party: str) -> list[LifecycleEvent]:
    made: list[LifecycleEvent] = []
    parts: list[EventPart] = []
    late: list[EventPart] = []
    for provider in PROVIDERS:
        made.append(dispatched(provider, accepted + section, name, section, since=accepted, party=party))
        outcome = random.choice(["done", "done", "done", "refused", "expired", "late"])
        if outcome not in ("expired",):
            moment = accepted + (LIMIT if outcome == "late" else 0) + random.randrange(2_000, HOUR)
            made.append({**answered(provider, moment, name, section), "party": party})
        for category in CATEGORIES:
            status = "expired" if outcome == "late" else outcome
            parts.append(part(category, PERSONS, status, provider=provider))
            if outcome == "late":
                late += [part(category, PERSONS, "done", provider=provider)]
                late += [part(category, -PERSONS, "expired", provider=provider)]
    if random.random() < 0.8:
        made.append({**closed(accepted + LIMIT, parts, name, section), "party": party})
        if late:
            made.append({**closed(accepted + LIMIT + HOUR, late, name, section, version=2), "party": party})
    return made


def exchange(seed: int, applications: int) -> list[LifecycleEvent]:
    """The events of many applications, in the order of time."""
    random = Random(seed)
    made = [each for number in range(applications) for each in course(random, number)]
    made += [
        event("envelope_received", NOW - number * MINUTE, "intake", None, count=2, party="37", code=str(number))
        for number in range(10)
    ]
    return sorted(made, key=lambda each: (each["at"], each["event_id"]))
