"""The figures of a party's adapter: an observer of its desks, and what its store says at the moment of a scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from pipeline.domain import members
from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.clock import real_clock, wall_clock
from pipeline.ops.metrics_building import Asked, counter, family, gauge, histogram
from pipeline.ops.reject_codes import bounded
from pipeline.province import outbox, owing
from pipeline.province.database import is_made, read_only
from pipeline.stages.answer import Question
from pipeline.stages.effects import Message
from pipeline.stages.local import Posted

UNKNOWN = "unknown"
"""The category of a row that was refused before it was proved what it asks."""


class AdapterMetrics:
    """An `AdapterObserver` that counts in `registry` what `party`'s adapter does.

    `store`: its database, read at each scrape on a connection of the scrape's own. `clock`: ms, the one deadlines go by.
    """

    def __init__(
        self, registry: CollectorRegistry, party: str, store: Path, clock: Callable[[], int] = wall_clock
    ) -> None:
        self._party = party
        self._store = store
        self._clock = clock
        self._lookups = histogram(registry, "hedx_lookup_seconds")
        self._answers = counter(registry, "hedx_answers_total")
        self._refused = counter(registry, "hedx_refusals_total")
        self._turns = gauge(registry, "hedx_adapter_turn_seconds")
        Asked(registry, self._stored)

    def looked_up(self, category: str, seconds: float) -> None:
        """One bulk look-up."""
        self._lookups.labels(self._party, category).observe(seconds)

    def answered(self, questions: Sequence[Question], posts: Sequence[Posted]) -> None:
        """Answers are on their way."""
        for (category, outcome), persons in answers_of(questions, posts).items():
            self._answers.labels(self._party, category, outcome).inc(persons)

    def refused(self, stage: str, refused: Sequence[tuple[Message, InvalidMessage]]) -> None:
        """By code."""
        for _, error in refused:
            self._refused.labels(stage, bounded(error.code)).inc()

    def turned(self, desk: str) -> None:
        """By the real clock, as Prometheus has it."""
        self._turns.labels(self._party, desk).set(real_clock() / 1000)

    def _stored(self) -> Iterator[Family]:
        if not self._store.exists():
            return
        with closing(read_only(self._store)) as db:
            if not is_made(db):
                return
            now, envelopes, bundles = self._clock(), outbox.unsettled(db), outbox.waiting(db)
            oldest = outbox.oldest(db)
            owed = owing.owed(db, self._party)
        age = 0.0 if oldest is None else max(0, now - oldest) / 1000
        labels = {"party": self._party}
        yield family("hedx_outbox_envelopes", [(labels, envelopes)])
        yield family("hedx_outbox_bundles", [(labels, bundles)])
        yield family("hedx_outbox_oldest_seconds", [(labels, age)])
        yield family("hedx_owed_subqueries", [(labels, len(owed))])
        yield family("hedx_owed_overdue", [(labels, sum(one.deadline < now for one in owed))])


def answers_of(questions: Sequence[Question], posts: Sequence[Posted]) -> Mapping[tuple[str, str], int]:
    """(category, outcome) → persons answered about, row by row: from the answers' clear headers, nothing opened.

    A category is one that the center granted, so one of the catalog; else `unknown`.
    """
    categories = {
        (question.bundle.leaf, query["row"]): query["category"] for question in questions for query in question.queries
    }
    found: Counter[tuple[str, str]] = Counter()
    for header in (post.bundle.header for post in posts):
        if header.kind == "answer" and header.answers is not None and header.outcome is not None:
            persons = members.from_bytes(header.members).bit_count()
            for row in header.rows:
                found[categories.get((header.answers, row), UNKNOWN), header.outcome] += persons
    return found
