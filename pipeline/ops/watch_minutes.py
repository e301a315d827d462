"""What happened in each minute (UTC): applications, sub-queries and answers by province and category, and messages between stages.

Counts of events that are counted once each, so the same events in any order give the same table. Minutes older than `KEPT` go.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, Literal

from pipeline.domain.counting import MISSING
from pipeline.domain.records import LifecycleEvent

MINUTE: Final = 60_000
KEPT: Final = 24 * 60
"""Minutes that are kept: a day."""

What = Literal["applications", "subqueries", "answers"]
Edge = tuple[str, str]
Key = tuple[str, ...]
"""(what,), (what, "party" or "category", which), or ("flow", from, to)."""

EDGES: Final[dict[tuple[str, str], tuple[Edge, ...]]] = {
    ("intake", "envelope_received"): (("requester", "intake"),),
    ("intake", "section_received"): (("intake", "applications"),),
    ("applications", "started"): (("applications", "join"),),
    ("applications", "dispatched"): (("applications", "provider"),),
    ("applications", "dispatched_again"): (("applications", "provider"),),
    ("collect", "answers_collected"): (("provider", "collect"), ("collect", "join")),
    ("join", "answer_accepted"): (("join", "delivery"),),
    ("join", "section_closed"): (("join", "delivery"), ("join", "applications")),
    ("join", "section_supplemented"): (("join", "delivery"), ("join", "applications")),
    ("applications", "certified"): (("applications", "delivery"),),
    ("applications", "supplemented"): (("applications", "delivery"),),
    ("applications", "rejected"): (("applications", "delivery"),),
}
"""(stage, kind) → the arrows of the flow picture it is a message on."""
_BUNDLES: Final = frozenset({("intake", "envelope_received"), ("collect", "answers_collected")})
"""Events whose `count` is how many messages they are; each other event is one."""


class Minutes:
    """The table: minute → counts."""

    def __init__(self) -> None:
        self._minutes: defaultdict[int, Counter[Key]] = defaultdict(Counter)

    def add(self, event: LifecycleEvent) -> None:
        """Count an event (each is given once)."""
        counts: Counter[Key] = Counter()
        kind, provider, party = event["kind"], event["provider"] or "?", event["party"] or "?"
        if kind == "arrived":
            _count(counts, "applications", 1, party=party)
        elif kind == "dispatched":
            for part in event["parts"]:
                _count(counts, "subqueries", part["count"], party=party, category=part["category"], provider=provider)
        elif kind == "answer_accepted":
            for part in event["parts"]:
                if part["status"] != MISSING:
                    _count(counts, "answers", part["count"], category=part["category"], provider=provider)
        for edge in EDGES.get((event["stage"], kind), ()):
            counts["flow", *edge] += event["count"] if (event["stage"], kind) in _BUNDLES else 1
        if counts:
            self._minutes[event["at"] // MINUTE].update(counts)

    def forget(self, now: int) -> None:
        """Let go of minutes that ended longer than `KEPT` before `now` (ms)."""
        for minute in [minute for minute in self._minutes if minute < now // MINUTE - KEPT]:
            del self._minutes[minute]

    def of(self, minute: int) -> Counter[Key]:
        """The counts of a minute, in minutes since the epoch."""
        return self._minutes.get(minute) or Counter()

    def sum(self, minutes: Iterable[int]) -> Counter[Key]:
        """The counts of several minutes together."""
        together: Counter[Key] = Counter()
        for minute in minutes:
            together.update(self.of(minute))
        return together


def _count(counts: Counter[Key], what: What, count: int, **by: str) -> None:
    counts[what,] += count
    for name, value in by.items():
        counts[what, name, value] += count
