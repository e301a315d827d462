"""What is done about answers that are missing, by time (催报, Art. 10): warn, note the deadline, ask again.

Pure, over the state of one section in the join. A deadline is near from the beginning of the last working day before it, or,
where the limit is in seconds, when four fifths of it are over. Who owes is asked again every ten days: a signed object lives
14 days, and a request that nobody read in time must not be the only one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.domain import members
from pipeline.domain.calendar import Calendar, CalendarUnknown
from pipeline.domain.counting import MISSING, part
from pipeline.domain.records import CatalogEntry, EventPart, JoinLine, JoinState

ASK_AGAIN: Final = 10 * 24 * 3600 * 1000
"""How long (ms) after it was asked, or asked again, a provider that owes answers is asked again."""
SHORTEST_WARNED: Final = 3600 * 1000
"""Limits shorter than this (ms) have no warning: it would come with the deadline."""
ASK_SOON: Final = 10 * 60 * 1000
"""How long (ms) after a bundle that crossed an extension its provider is asked again: by then it knows of the extension."""
NO_WARNING: Final = 0
NEAR, PASSED = 1, 2
"""Stages of a deadline while answers are missing (`JoinLine.pressed`)."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A provider's deadline `due` (ms) has come to `stage`, with answers about `persons` persons missing.

    `category` is None when more than one is missing. `missing`: the sub-queries, by category, each with its deadline.
    """

    stage: int
    provider: str
    due: int
    persons: int
    category: str | None
    missing: Sequence[EventPart]


def warn_at(entry: CatalogEntry, accepted_at: int, deadline: int, calendar: Calendar) -> int:
    """From when on (ms) the `deadline` (ms) of what was accepted at `accepted_at` is near; `NO_WARNING` for a short limit."""
    if entry["feedback_working_days"] is not None:
        return calendar.warn_at(deadline)
    return _most_of(accepted_at, deadline)


def warn_at_of_extension(now: int, deadline: int, calendar: Calendar) -> int:
    """`warn_at` of a `deadline` (ms) agreed `now`: by working days where that is still ahead, else by the time left."""
    try:
        near = calendar.warn_at(deadline)
    except CalendarUnknown:  # an instant that was agreed needs no calendar
        near = now
    return near if near > now else _most_of(now, deadline)


def owing(state: JoinState) -> list[str]:
    """The providers of which answers may still come, suspended ones included, ascending."""
    return sorted({line["provider"] for line in _missing(state)})


def next_look(state: JoinState) -> int | None:
    """When (ms, by the lowest watermark) `press` or `ask_again` has something to do; None when never."""
    missing = _missing(state)
    times = [state["asked_at"] + ASK_AGAIN] if missing else []
    for line in _pressable(state, missing):
        if line["pressed"] < NEAR and line["warn_at"] != NO_WARNING:
            times.append(line["warn_at"])
        if line["pressed"] < PASSED:
            times.append(line["deadline"] + 1)
    return min(times, default=None)


def press(state: JoinState, low: int) -> list[Pressed]:
    """The stages that deadlines have come to by `low` (ms), each once, in place: one for a provider and stage."""
    found: dict[tuple[int, str], list[JoinLine]] = {}
    for line in _pressable(state, _missing(state)):
        stage = _stage(line, low)
        if stage > line["pressed"]:
            line["pressed"] = stage
            found.setdefault((stage, line["provider"]), []).append(line)
    return [_pressed(state, stage, provider, lines) for (stage, provider), lines in found.items()]


def ask_again(state: JoinState, low: int) -> list[str]:
    """The providers to be asked again by `low` (ms), and note that they are, in place; nobody while it is not time."""
    rounds = max(0, low - state["asked_at"]) // ASK_AGAIN
    if not rounds or not (providers := owing(state)):
        return []
    state["asked_at"] += rounds * ASK_AGAIN
    return providers


def ask_soon(state: JoinState, now: int) -> None:
    """Ask who owes again `ASK_SOON` after `now` (ms), in place, not when its turn would be."""
    state["asked_at"] = min(state["asked_at"], now + ASK_SOON - ASK_AGAIN)


def _most_of(start: int, deadline: int) -> int:
    limit = deadline - start
    return start + limit * 4 // 5 if limit >= SHORTEST_WARNED else NO_WARNING


def _missing(state: JoinState) -> list[JoinLine]:
    """Lines that lack answers and may still get them."""
    if state["withdrawn_at"]:
        return []
    everyone = members.full(state["expected"]["person_count"])
    return [
        line
        for line in state["lines"]
        if line["closed_until"] is None and members.from_bytes(line["answered"]) != everyone
    ]


def _pressable(state: JoinState, missing: list[JoinLine]) -> list[JoinLine]:
    """Nobody is warned for a party that was suspended at acceptance: the requester was told then."""
    suspended = state["expected"]["suspended"]
    return [line for line in missing if line["provider"] not in suspended]


def _stage(line: JoinLine, low: int) -> int:
    if low > line["deadline"]:
        return PASSED
    return NEAR if line["warn_at"] != NO_WARNING and low >= line["warn_at"] else 0


def _pressed(state: JoinState, stage: int, provider: str, lines: list[JoinLine]) -> Pressed:
    everyone = members.full(state["expected"]["person_count"])
    open_ones = 0
    for line in lines:
        open_ones |= everyone & ~members.from_bytes(line["answered"])
    categories = {line["category"] for line in lines}
    return Pressed(
        stage,
        provider,
        min(line["deadline"] for line in lines),
        open_ones.bit_count(),
        categories.pop() if len(categories) == 1 else None,
        _parts(state, lines),
    )


def _parts(state: JoinState, lines: list[JoinLine]) -> list[EventPart]:
    everyone = state["expected"]["person_count"]
    counts: Counter[tuple[str, int]] = Counter()
    for line in lines:
        counts[line["category"], line["deadline"]] += everyone - members.from_bytes(line["answered"]).bit_count()
    return [part(category, count, MISSING, deadline=deadline) for (category, deadline), count in counts.items()]
