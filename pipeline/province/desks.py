"""The imperative shell around a party's two stages: gather, step, store. No Kafka here: messages come in."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter

from pipeline.domain.errors import HedxError, InvalidMessage, Retryable
from pipeline.kafka.attempts import NOT_THE_MESSAGES
from pipeline.kafka.clock import real_clock
from pipeline.kafka.hops import Hopping
from pipeline.kafka.onlooking import tell
from pipeline.kafka.rejections import Rejections
from pipeline.province import hops, parking
from pipeline.province.observing import UNOBSERVED, AdapterObserver
from pipeline.province.sources import Sources
from pipeline.province.store import Positions, Store
from pipeline.stages.answer import Answerer, Found, Need, Question, period_of
from pipeline.stages.deliver import Deliver
from pipeline.stages.effects import Batch, Message
from pipeline.stages.local import Access, LocalEffects, Parked, Posted

log = logging.getLogger(__name__)

LOOK_EVERY = 1000
"""How often (ms) it is looked whether a register is back that requests wait for."""
TAKEN_UP_AT_ONCE = 20
"""Parked requests that one transaction takes up at most."""

Clock = Callable[[], int]
Report = Callable[[Sequence[tuple[Message, InvalidMessage]]], None]
Work = Callable[[Sequence[Message], Positions], None]


def one_by_one(
    work: Work,
    store: Store,
    messages: Sequence[Message],
    positions: Positions,
    clock: Clock,
    report: Report,
) -> None:
    """Work on a batch; when it fails, on each message alone, so that one message stops nobody else's.

    `positions`: where the inbox is read on afterwards; none of a place that is not among them moves, so that what is worked on
    again, out of turn, moves none. A message that fails alone becomes a dead letter, `stage_failed`, with the place of the failure and none of its text.
    What is not a message's fault passes through: every HedxError, and NOT_THE_MESSAGES (disk, database, brokers, memory).
    """
    try:
        work(messages, positions)
    except (HedxError, *NOT_THE_MESSAGES):
        raise
    except Exception as failure:  # noqa: BLE001  # whatever it is, it is put aside with its message
        if len(messages) > 1:
            for message in messages:
                place = message.topic, message.partition
                after = {place: message.offset + 1} if place in positions else {}
                one_by_one(work, store, [message], after, clock, report)
            store.apply(LocalEffects(), positions, clock())
            return
        error = InvalidMessage("stage_failed", _place(failure))
        store.apply(LocalEffects(dead=[(messages[0], error)]), positions, clock())
        tell(report, [(messages[0], error)])


def _place(failure: Exception) -> str:
    """Where a failure happened, without its text, which may quote a message."""
    place = traceback.extract_tb(failure.__traceback__)[-1]
    return f"{type(failure).__name__} in {place.name}, line {place.lineno}"


def _alarm(effects: LocalEffects) -> None:
    """The center states what nobody said: it is mistaken, or lies, and officials must know."""
    for message, error in effects.dead:
        if error.code == "act_unfounded":
            place = f"{message.topic}/{message.partition}/{message.offset}"
            log.error("ALARM act_unfounded: the center states what the parties did not sign: %s", place)


def _sound(messages: Sequence[Message], effects: LocalEffects) -> list[Message]:
    """The messages of which nothing was put aside."""
    dead = {id(message) for message, _ in effects.dead}
    return [message for message in messages if id(message) not in dead]


class AnswerDesk:
    """Works through hedx.<party>.requests: one bulk look-up per resource and batch, one database transaction."""

    def __init__(
        self,
        answerer: Answerer,
        sources: Sources | None,
        store: Store,
        clock: Clock,
        observer: AdapterObserver = UNOBSERVED,
        hopping: Hopping | None = None,
    ) -> None:
        self._observer = observer
        self._hopping = hopping
        self._answerer = answerer
        self._sources = sources
        self._store = store
        self._clock = clock
        self._look_at = 0
        self.rejections = Rejections(answerer.name)

    def tend(self) -> None:
        """What is due from time to time: summaries of rejections, and requests that waited for a register (Art. 10)."""
        self.rejections.turn()
        now = self._clock()
        if self._sources is not None and now >= self._look_at:
            try:
                more = self._take_up(self._sources, now)
            except Retryable as trouble:
                log.warning("parked requests wait on: %s", trouble)
                more = False
            self._look_at = now if more else now + LOOK_EVERY

    def _take_up(self, sources: Sources, now: int) -> bool:
        """Answer what waits for a register that is back, or tell that it is away for longer; whether there is more."""
        over = [outage for outage in parking.outages(self._store.connection) if not _lasts(sources, outage)]
        if over:
            self._take(parking.waiting(self._store.connection, over[0], TAKEN_UP_AT_ONCE), over, now)
        return bool(over)

    def _take(self, waiting: Sequence[Parked], over: Sequence[parking.Outage], now: int) -> None:
        """As `one_by_one`: a request that fails alone is refused, `stage_failed`, so that it stops nobody else's."""
        effects, questions = LocalEffects(), []
        for parked in waiting:
            rows = [row.row for row in parked.rows if (row.category, row.until, row.reason) in over]
            effects.unparked.append((parked.mandate_digest, parked.section, parked.version, tuple(rows)))
            questions.append(self._answerer.reopen(self._store, parked, rows, now))
        try:
            self._answer(questions, effects, now)
        except (HedxError, *NOT_THE_MESSAGES):
            raise
        except Exception as failure:  # noqa: BLE001  # whatever it is, it is one request's
            if len(waiting) > 1:
                for parked in waiting:
                    self._take([parked], over, now)
                return
            error = InvalidMessage("stage_failed", _place(failure))
            log.error("a parked request is refused: %s", error)  # noqa: TRY400  # its text may quote the request
            effects = LocalEffects(unparked=effects.unparked)
            refused = replace(questions[0], queries=[], persons=[], refusal=error)
            effects.posts += self._answerer.reply([refused], {})
        self._store.apply(effects, {}, now)
        tell(self._observer.answered, questions, effects.posts)
        if self._hopping:
            tell(self._tell_answers, self._hopping, effects.posts, now, real_clock(), 0.0)

    def _answer(self, questions: Sequence[Question], effects: LocalEffects, now: int) -> None:
        """Look everything up, park what has to wait, seal the rest."""
        found = {need: self._look_up(need, subjects) for need, subjects in self._answerer.needs(questions).items()}
        effects.accesses += [_access(question) for question in questions]
        left = self._answerer.park(self._store, questions, found, effects, now)
        effects.posts += self._answerer.reply(left, found)

    def work(self, messages: Sequence[Message], positions: Positions) -> None:
        """Answer a batch. Raises Retryable, nothing stored, when a database does not answer."""
        one_by_one(self._work, self._store, messages, positions, self._clock, self._report)

    def _work(self, messages: Sequence[Message], positions: Positions) -> None:
        now, began, started = self._clock(), real_clock(), perf_counter()
        questions, effects = self._answerer.open(self._store, Batch(messages, now))
        self._answer(questions, effects, now)
        self._store.apply(effects, positions, now)
        tell(self._observer.answered, questions, effects.posts)
        if self._hopping:
            seconds = perf_counter() - started
            tell(self._tell_answers, self._hopping, effects.posts, now, began, seconds)
            tell(self._hopping.carried, self._answerer.name, _sound(messages, effects), (), began, seconds)
        tell(self._report, (*effects.dead, *effects.refused))
        _alarm(effects)

    def _tell_answers(self, hopping: Hopping, posts: Sequence[Posted], now: int, began: int, seconds: float) -> None:
        hopping.hopped(list(hops.of_answers(posts, now)), began, seconds)

    def _report(self, refused: Sequence[tuple[Message, InvalidMessage]]) -> None:
        self.rejections.report(refused)
        tell(self._observer.refused, self._answerer.name, refused)

    def _look_up(self, need: Need, subjects: Sequence[str]) -> Found:
        category = need[0]
        if self._sources is None:
            return Found({}, {}, None, "category_not_offered", "", "")
        started = perf_counter()
        try:
            result = self._sources.lookup(category, period_of(need), subjects)
        finally:
            tell(self._observer.looked_up, category, perf_counter() - started)
        if result.refused_all is not None:
            return Found({}, {}, None, result.refused_all, "", "")
        standing = self._sources.standing(category)
        return Found(
            result.entries,
            result.refused,
            result.unavailable_until,
            None,
            standing.as_of,
            standing.coverage,
            standing.region_codes,
            standing.levels,
            result.because,
        )


def _lasts(sources: Sources, outage: parking.Outage) -> bool:
    """Whether a register is still away, as it was said to be."""
    category, until, reason = outage
    return category in sources.spec.resources and sources.outage(category) == (until, reason)


def _access(question: Question) -> Access:
    """What the provider's log says of a request: who asked about how many persons, for whom and for which purpose."""
    header, mandate = question.bundle.header, question.mandate
    detail: dict[str, object] = {
        "bundle": question.bundle.leaf.hex(),
        "mandate": header.mandate_digest.hex(),
        "section": header.section,
        "persons": len(question.persons),
    }
    if question.refusal is not None:
        detail["code"] = question.refusal.code
    return Access(
        "opened" if question.refusal is None else "refused",
        header.application_id,
        header.requester,
        mandate["entrusting_unit"] if mandate else "",
        mandate["purpose"] if mandate else "",
        detail,
    )


class DeliveryDesk:
    """Works through hedx.<party>.responses: results into the store, offsets in the same transaction."""

    def __init__(
        self,
        deliver: Deliver,
        store: Store,
        clock: Clock,
        observer: AdapterObserver = UNOBSERVED,
        hopping: Hopping | None = None,
    ) -> None:
        self._observer = observer
        self._hopping = hopping
        self._deliver = deliver
        self._store = store
        self._clock = clock
        self._suspended: bool | None = None
        self.rejections = Rejections(deliver.name)

    def tend(self) -> None:
        """What is due from time to time: summaries of rejections, and a note when our suspension begins or ends."""
        self.rejections.turn()
        suspended = self._deliver.is_suspended()
        if suspended != self._suspended:
            self._store.note_suspension(suspended)
            self._suspended = suspended

    def work(self, messages: Sequence[Message], positions: Positions) -> None:
        """Store what a batch brought."""
        one_by_one(self._work, self._store, messages, positions, self._clock, self._report)

    def _work(self, messages: Sequence[Message], positions: Positions) -> None:
        now, began, started = self._clock(), real_clock(), perf_counter()
        effects = self._deliver.step(self._store, Batch(messages, now))
        self._store.apply(effects, positions, now)
        tell(self._report, (*effects.dead, *effects.refused))
        _alarm(effects)
        if self._hopping:
            seconds, sound = perf_counter() - started, _sound(messages, effects)
            tell(self._tell_delivery, self._hopping, effects, sound, now, began, seconds)
            tell(self._hopping.carried, self._deliver.name, sound, (), began, seconds)

    def _tell_delivery(
        self, hopping: Hopping, effects: LocalEffects, sound: Sequence[Message], now: int, began: int, seconds: float
    ) -> None:
        hopping.hopped(list(hops.of_delivery(self._deliver.party, effects, sound, now)), began, seconds)

    def _report(self, refused: Sequence[tuple[Message, InvalidMessage]]) -> None:
        self.rejections.report(refused)
        tell(self._observer.refused, self._deliver.name, refused)
