"""How punctual providers are (the figures behind a later 通报): what became of the sub-queries put to them, by day.

What counts is the section's certificate: it was written by the deadline that counted then, extensions agreed in time included.
A later version of it takes what had `expired` and makes it `late`. Sums over events, so their order is of no account.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

from pipeline.domain.records import LifecycleEvent
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
        self._took: dict[tuple[int, str], Sketch] = {}

    def add(self, event: LifecycleEvent) -> None:
        """Count an event of a section's certificate (each is given once); others say nothing here."""
        if event["kind"] not in ("section_closed", "section_supplemented"):
            return
        for part in event["parts"]:
            counts = self._counts[event["at"] // DAY, part["provider"] or "?"]
            status = part["status"] or "?"
            is_late = event["kind"] == "section_supplemented" and part["count"] > 0
            counts[LATE if is_late else status] += part["count"]

    def answered(self, provider: str, at: int, took: int) -> None:
        """Note that a bundle of answers that came `at` (ms) took so long (ms) from the application's acceptance on."""
        self._took.setdefault((at // DAY, provider), Sketch()).add(took)

    def forget(self, now: int) -> None:
        """Let go of days that are `KEPT` days before that of `now` (ms), or longer."""
        first = now // DAY - KEPT + 1
        for table in (self._counts, self._took):
            for key in [key for key in table if key[0] < first]:
                del table[key]

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
