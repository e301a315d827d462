"""How punctual providers are (the figures behind a later 通报): what became of the sub-queries put to them, by day.

What counts is the section's first certificate: it was written by the deadline that counted then, extensions agreed in time included.
A later version of it takes what had `expired` and makes it `late`, on the day of the first: so both are told as long, and each
sub-query stands in one status. A supplement of a section whose first certificate was not read, or is forgotten, says nothing.
Sums over events, so their order is of no account.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from pipeline.domain.records import EventPart, LifecycleEvent
from pipeline.ops.quantile_sketch import Sketch, merged

DAY: Final = 24 * 3600 * 1000
KEPT: Final = 30
"""Days that are kept and told of, the current one included (UTC)."""
LATE: Final = "late"
STATUSES: Final = ("done", "refused", "unavailable", "expired", "late", "withdrawn", "suspended")


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of a provider's sub-queries. `open`: of sections that are not certified yet."""

    provider: str
    counts: Counter[str]
    open: int
    median_seconds: float | None

    @property
    def asked(self) -> int:
        """All that were put to it: every one stands in one status or is open. Those of a suspended party were not."""
        return self.open + sum(count for status, count in self.counts.items() if status != "suspended")

    @property
    def ratio(self) -> float | None:
        """Answered in time, by all that were due; None when none were. Closed by agreement (`unavailable`) is in time."""
        in_time = sum(self.counts[status] for status in ("done", "refused", "unavailable"))
        due = in_time + self.counts["expired"] + self.counts[LATE]
        return in_time / due if due else None


class Punctuality:
    """The table: (day, provider) → sub-queries by status, and how long answers took."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
        self._first: dict[int, int] = {}
        """Section → day of its first certificate."""
        self._early: defaultdict[int, list[tuple[int, Sequence[EventPart]]]] = defaultdict(list)
        """Section → (day, parts) of supplements that were read before its first certificate."""
        self._took: dict[tuple[int, str], Sketch] = {}

    def add(self, event: LifecycleEvent) -> None:
        """Count an event of a section's certificate (each is given once); others say nothing here."""
        if event["kind"] not in ("section_closed", "section_supplemented"):
            return
        section, day = _section(event), event["at"] // DAY
        if event["kind"] == "section_closed":
            self._first[section] = day
            self._book(day, event["parts"], supplement=False)
            for _, parts in self._early.pop(section, ()):
                self._book(day, parts, supplement=True)
        elif section in self._first:
            self._book(self._first[section], event["parts"], supplement=True)
        else:
            self._early[section].append((day, event["parts"]))

    def _book(self, day: int, parts: Sequence[EventPart], *, supplement: bool) -> None:
        for part in parts:
            is_late = supplement and part["count"] > 0
            self._counts[day, part["provider"] or "?"][LATE if is_late else part["status"] or "?"] += part["count"]

    @property
    def remembered(self) -> int:
        """Sections that something is kept of."""
        return len(self._first.keys() | self._early.keys())

    def answered(self, provider: str, at: int, took: int) -> None:
        """Note that a bundle of answers that came `at` (ms) took so long (ms) from the application's acceptance on."""
        self._took.setdefault((at // DAY, provider), Sketch()).add(took)

    def forget(self, now: int) -> None:
        """Let go of days that are `KEPT` days before that of `now` (ms), or longer."""
        first = now // DAY - KEPT + 1
        for table in (self._counts, self._took):
            for key in [key for key in table if key[0] < first]:
                del table[key]
        self._first = {section: day for section, day in self._first.items() if day >= first}
        for section in [section for section, early in self._early.items() if max(day for day, _ in early) < first]:
            del self._early[section]

    def took(self, provider: str, now: int, days: int = KEPT) -> Sketch:
        """How long a provider's answers took, over the last `days` days."""
        first = now // DAY - days + 1
        return merged(sketch for (day, whose), sketch in self._took.items() if whose == provider and day >= first)

    def standings(self, now: int, open_ones: Counter[str]) -> list[Standing]:
        """Every provider of the last `KEPT` days, or with something open; ascending."""
        first = now // DAY - KEPT + 1
        together: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (day, provider), counts in self._counts.items():
            if day >= first:
                together[provider].update(counts)
        return [
            Standing(provider, together[provider], open_ones[provider], self.took(provider, now).quantile(0.5))
            for provider in sorted(together.keys() | {who for who, count in open_ones.items() if count})
        ]


def _section(event: LifecycleEvent) -> int:
    """What a section is remembered by, in little memory: 64 bits of a hash."""
    name = f"{event['party']}/{event['application_id']}/{event['section']}"
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
