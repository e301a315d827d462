"""One application as the watch sees it: how it stands, what is asked and missing, and what happened, in whatever order it hears.

Every field is a sum, a set, an extreme, or the value of the change with the highest number: so the order does not matter.
"""

from __future__ import annotations

import re
from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from pipeline.domain.counting import MISSING
from pipeline.domain.records import LifecycleEvent, LifecycleState

FIRST_EVENTS, NEWEST_EVENTS = 20, 60
"""Events of its history that are kept: how it began, and what came last."""
ENDED: Final = frozenset({"completed", "incomplete", "supplemented", "withdrawn", "rejected", "archived"})
"""States that are an end, as far as the watch knows."""
CERTIFIED: Final = frozenset({"completed", "incomplete", "supplemented", "under_recheck"})
_OF_PERSONS: Final = frozenset({"arrived", "accepted", "started"})
"""Changes whose `count` is the application's persons."""
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}")

_AFTER_CHANGES: Final = 1 << 62

Pair = tuple[str, str]
"""(provider, category)."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the history."""

    order: tuple[int, int, str]
    at: int
    stage: str
    kind: str
    party: str | None
    provider: str | None
    section: int | None
    count: int
    code: str | None
    by: str | None

    def document(self) -> dict[str, object]:
        """As the API tells it."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "order"}


@dataclass(frozen=True, slots=True)
class Missing:
    """What a provider still owes: at least so many persons are concerned. `deadline`: the earliest (ms), where it is known."""

    provider: str
    persons: int
    subqueries: int
    deadline: int | None


@dataclass(slots=True)
class CaseView:
    """An application. Times in ms; 0: not known, or not yet."""

    application_id: str
    party: str = "?"
    state: LifecycleState | None = None
    change: int = -1
    since: int = 0  # when it came to that state
    received: int = 0
    persons: int = 0
    received_persons: int = 0
    sections: int = 0  # set of section numbers that came, as bits
    started: int = 0
    escalated: int = 0
    first_dispatched: int = 0
    certified: int = 0
    delivered: int = 0  # the certificate of that time is with the requester, answers and all
    last: int = 0
    asked: Counter[Pair] = field(default_factory=Counter)
    asked_persons: Counter[str] = field(default_factory=Counter)
    answered: Counter[Pair] = field(default_factory=Counter)
    closed_rows: Counter[Pair] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)  # provider → sub-queries in section certificates
    deadlines: dict[Pair, int] = field(default_factory=dict)
    whole: dict[str, int] = field(default_factory=dict)  # provider → sections it owes nothing in, as bits
    certified_sections: int = 0  # as bits
    near: dict[tuple[int, str, int], tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    waiting: list[tuple[str, int, int]] = field(
        default_factory=list
    )  # answers (provider, at, since) before `started` is known
    history: list[Told] = field(default_factory=list)

    def add(self, event: LifecycleEvent) -> None:
        """Take in an event (each is given once)."""
        at, kind = event["at"], event["kind"]
        self.last = max(self.last, at)
        if event["change"] is not None:
            self._change(event, event["change"])
        match kind:
            case "section_received":
                self._received(event)
            case "escalated":
                self.escalated = _earliest(self.escalated, at)
            case "dispatched" | "dispatch_missed":
                self._asked(event)
            case "answer_accepted":
                self._answered(event)
            case "deadline_extended" | "rows_closed":
                self._moved(event)
            case "deadline_near":
                self._near(event)
            case "section_closed":
                self.certified_sections |= 1 << (event["section"] or 0)
                for part in event["parts"]:
                    self.settled[part["provider"] or "?"] += part["count"]
            case "delivered":
                self.delivered = max(self.delivered, event["since"] or 0)
        self._tell(event)

    @property
    def is_open(self) -> bool:
        """Whether it is in a state that is no end."""
        return self.state is not None and self.state not in ENDED

    @property
    def section_count(self) -> int:
        """How many different sections came."""
        return self.sections.bit_count()

    @property
    def person_count(self) -> int:
        """Its persons; while sections are missing, of those that came."""
        return self.persons or self.received_persons

    @property
    def last_deadline(self) -> int:
        """The latest of all deadlines (ms); 0 when none is known."""
        return max(self.deadlines.values(), default=0)

    def missing(self) -> list[Missing]:
        """What each provider still owes, ascending; nothing of one whose asking the watch has not heard of."""
        owed: dict[str, list[tuple[int, int, int | None]]] = {}
        for pair, asked in self.asked.items():
            left = asked - self.answered[pair]
            if left > 0 and self.closed_rows[pair] < asked:
                rows = max(1, asked // max(1, self.asked_persons[pair[0]]))
                owed.setdefault(pair[0], []).append((-(-left // rows), left, self.deadlines.get(pair)))
        return [
            Missing(
                provider,
                max(persons for persons, _, _ in parts),
                sum(left for _, left, _ in parts),
                min((deadline for _, _, deadline in parts if deadline is not None), default=None),
            )
            for provider, parts in sorted(owed.items())
        ]

    def open_by_provider(self) -> Counter[str]:
        """Sub-queries of sections that have no certificate yet."""
        asked: Counter[str] = Counter()
        for (provider, _), count in self.asked.items():
            asked[provider] += count
        return Counter({who: left for who, count in asked.items() if (left := count - self.settled[who]) > 0})

    def at_risk(self, now: int) -> list[tuple[int, str, int, int]]:
        """(section, provider, persons, deadline) where it is near, not over, not moved, and answers are missing."""
        if self.state in ENDED:
            return []
        return [
            (section, provider, persons, due)
            for (section, provider, due), (persons, categories) in sorted(self.near.items())
            if now <= due
            and not (self.certified_sections | self.whole.get(provider, 0)) >> section & 1
            and not all(self.deadlines.get((provider, category), 0) > due for category in categories)
        ]

    def _change(self, event: LifecycleEvent, change: int) -> None:
        at, kind = event["at"], event["kind"]
        if change > self.change:
            self.change, self.state, self.since = change, event["state"], at
        if event["since"] is not None:
            self.received = _earliest(self.received, event["since"])
        if kind in _OF_PERSONS:
            self.persons = max(self.persons, event["count"])
        if kind == "started":
            self.started = at
        if kind in ("certified", "supplemented"):
            self.certified = max(self.certified, at)

    def _received(self, event: LifecycleEvent) -> None:
        if self.change < 0:
            self.state, self.since = "filed", _earliest(self.since, event["at"])
        self.received = _earliest(self.received, event["since"] or event["at"])
        self.received_persons += event["count"]
        self.sections |= 1 << (event["section"] or 0)

    def _asked(self, event: LifecycleEvent) -> None:
        if event["kind"] == "dispatched":
            self.first_dispatched = _earliest(self.first_dispatched, event["at"])
        self.asked_persons[event["provider"] or "?"] += event["count"]
        for part in event["parts"]:
            pair = event["provider"] or "?", part["category"]
            self.asked[pair] += part["count"]
            self.deadlines[pair] = max(self.deadlines.get(pair, 0), part["deadline"] or 0)

    def _answered(self, event: LifecycleEvent) -> None:
        provider = event["provider"] or "?"
        for part in event["parts"]:
            if part["status"] != MISSING:
                self.answered[provider, part["category"]] += part["count"]
        if all(part["status"] != MISSING for part in event["parts"]):
            self.whole[provider] = self.whole.get(provider, 0) | 1 << (event["section"] or 0)
        self.waiting.append((provider, event["at"], event["since"] or event["at"]))

    def _moved(self, event: LifecycleEvent) -> None:
        for part in event["parts"]:
            pair = event["provider"] or "?", part["category"]
            if event["kind"] == "rows_closed":
                self.closed_rows[pair] += part["count"]
            else:
                self.deadlines[pair] = max(self.deadlines.get(pair, 0), part["deadline"] or 0)

    def _near(self, event: LifecycleEvent) -> None:
        due = min((part["deadline"] for part in event["parts"] if part["deadline"] is not None), default=0)
        categories = tuple(sorted(part["category"] for part in event["parts"]))
        self.near[event["section"] or 0, event["provider"] or "?", due] = (event["count"], categories)

    def _tell(self, event: LifecycleEvent) -> None:
        code, by = event["code"], event["by"]
        insort(
            self.history,
            Told(
                _order(event),
                event["at"],
                event["stage"],
                event["kind"],
                event["party"],
                event["provider"],
                event["section"],
                event["count"],
                code if code is None or _CODE.fullmatch(code) else "?",
                "officer" if by is not None and by.startswith("officer:") else by,
            ),
            key=lambda told: told.order,
        )
        if len(self.history) > FIRST_EVENTS + NEWEST_EVENTS:
            del self.history[FIRST_EVENTS]


def _order(event: LifecycleEvent) -> tuple[int, int, str]:
    """By time; in one step changes of state in their order, then what followed from them."""
    return event["at"], _AFTER_CHANGES if event["change"] is None else event["change"], event["event_id"]


def _earliest(known: int, at: int) -> int:
    return at if known == 0 else min(known, at)
