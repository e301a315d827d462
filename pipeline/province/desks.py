"""The imperative shell around a party's two stages: gather, step, store. No Kafka here: messages come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.province.sources import Sources
from pipeline.province.store import Positions, Store
from pipeline.stages.answer import Answerer, Found, Need, period_of
from pipeline.stages.deliver import Deliver
from pipeline.stages.effects import Batch, Message

Clock = Callable[[], int]


class AnswerDesk:
    """Works through hedx.<party>.requests: one bulk look-up per resource and batch, one database transaction."""

    def __init__(self, answerer: Answerer, sources: Sources | None, store: Store, clock: Clock) -> None:
        self._answerer = answerer
        self._sources = sources
        self._store = store
        self._clock = clock

    def work(self, messages: Sequence[Message], positions: Positions) -> None:
        """Answer a batch. Raises Retryable, nothing stored, when a database does not answer."""
        now = self._clock()
        questions, effects = self._answerer.open(self._store, Batch(messages, now))
        found = {need: self._look_up(need, subjects) for need, subjects in self._answerer.needs(questions).items()}
        effects.posts += self._answerer.reply(questions, found)
        self._store.apply(effects, positions, now)

    def _look_up(self, need: Need, subjects: Sequence[str]) -> Found:
        category = need[0]
        if self._sources is None:
            return Found({}, {}, None, "category_not_offered", "", "")
        result = self._sources.lookup(category, period_of(need), subjects)
        if result.refused_all is not None:
            return Found({}, {}, None, result.refused_all, "", "")
        as_of, coverage = self._sources.standing(category)
        return Found(result.entries, result.refused, result.unavailable_until, None, as_of, coverage)


class DeliveryDesk:
    """Works through hedx.<party>.responses: results into the store, offsets in the same transaction."""

    def __init__(self, deliver: Deliver, store: Store, clock: Clock) -> None:
        self._deliver = deliver
        self._store = store
        self._clock = clock

    def work(self, messages: Sequence[Message], positions: Positions) -> None:
        """Store what a batch brought."""
        now = self._clock()
        effects = self._deliver.step(self._store, Batch(messages, now))
        self._store.apply(effects, positions, now)
