"""The transactional worker: runs one stage on Kafka, exactly once.

Any number of processes may run a stage; Kafka's consumer group shares the input's partitions among them. A batch's
outputs, changelog and offsets become visible together or not at all; the store follows afterwards.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from time import monotonic, perf_counter
from types import TracebackType
from typing import Any, Self

from confluent_kafka.admin import AdminClient

from pipeline.domain.errors import Retryable
from pipeline.kafka.allowance import Sieve
from pipeline.kafka.assignment import Assignment
from pipeline.kafka.attempts import Place, apart, records_of, tick, work_through
from pipeline.kafka.clients import Extra, admin_config, consumer_config
from pipeline.kafka.clock import real_clock, wall_clock
from pipeline.kafka.deadletters import TOPIC as DEADLETTERS
from pipeline.kafka.ends import Probes, end_offsets
from pipeline.kafka.gaps import Gaps
from pipeline.kafka.held import Held
from pipeline.kafka.layout import check_layout
from pipeline.kafka.limits import Limits, Pace
from pipeline.kafka.observing import Observer, Restored, View, Worked, reason_of
from pipeline.kafka.onlooking import tell
from pipeline.kafka.rejections import Rejections
from pipeline.kafka.restore import restore
from pipeline.kafka.slots import Slot
from pipeline.kafka.stores import DictStore, Store
from pipeline.kafka.tailing import partitions_of
from pipeline.kafka.tally import Tally
from pipeline.kafka.transactions import Aborted, Checkpoint, Transactions, no_checkpoint
from pipeline.stages.effects import Effects, Message, Progress, Stage

log = logging.getLogger(__name__)

MOST_ABORTS = 8
"""Aborted transactions in a row after which the process gives up: what aborts every time is not a passing fault."""
LONGEST_PAUSE = 5.0
SHARE = 0.03
"""Of the time a step may take, what one with held-back messages may: meanwhile the others' wait."""


class TransactionalWorker:
    """One process's worker for `stage`.

    `store` takes the state (default: a dict) and is closed with the worker. `slot` names this process among those of the
    stage; with `group` (default `hedx.<stage>`) it gives `group.instance.id` and `transactional.id`. `clock`: ms.
    `extra` settings go to every client (TLS). `checkpoint`: see `transactions.Checkpoint`; `observer`: is told
    what was done. Nothing connects before `open`.
    """

    def __init__(
        self,
        stage: Stage,
        bootstrap: str,
        *,
        store: Store | None = None,
        slot: Slot | None = None,
        group: str | None = None,
        clock: Callable[[], int] = wall_clock,
        limits: Limits | None = None,
        extra: Extra | None = None,
        deadletters: str = DEADLETTERS,
        checkpoint: Checkpoint = no_checkpoint,
        observer: Observer | None = None,
    ) -> None:
        self.stage = stage
        self.group = group or f"hedx.{stage.name}"
        self.store: Store = store or DictStore()
        self.slot = slot or Slot()
        self.limits = limits or Limits()
        self.tally = Tally()
        self._rejections = Rejections(stage.name)
        self._sieve = Sieve(stage.name)
        self._bootstrap = bootstrap
        self._extra = extra
        self._clock = clock
        self._deadletters = deadletters
        self._checkpoint = checkpoint
        self._observer = observer
        self._pace = Pace(self.limits)
        self._held = Held()
        self._gaps = Gaps(bootstrap, extra)
        self._patience = Pace(replace(self.limits, seconds=self.limits.seconds * SHARE))
        self._sent: dict[Place, int] = {}  # offsets as last committed
        self._troubles: Counter[str] = Counter()  # in a row, by what was being done
        self._doing = ""
        self._next_tick = 0.0
        self._turned_at = 0
        self._stop = threading.Event()
        self._opened = False

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the transaction in progress is finished first.

        Raises KafkaException, RestoreTimeout, Stuck or ConfigError when this process cannot go on: let it end, and
        start another. Raises whatever the stage raises on a timer tick.
        """
        self._stop = stop
        with self:
            while not stop.is_set():
                self._turn(self.limits.poll_seconds)
            self._end()

    def run_until_idle(self, seconds: float = 30.0) -> None:
        """Work until the owned partitions are read to their ends, then tick; for tests. May be called again.

        Raises TimeoutError after `seconds`, for instance when the group gave this worker nothing.
        """
        self.open()
        deadline = monotonic() + seconds
        ticks = self.tally.ticks
        while not (idle := self._is_idle()) or (self.stage.tick is not None and self.tally.ticks == ticks):
            if idle:
                self._next_tick = 0.0
            if monotonic() > deadline:
                raise TimeoutError(f"{self.stage.name} not idle within {seconds:g} s: {self._assignment.owned}")
            self._turn(0.05)

    def open(self) -> None:
        """Check the topics, fence this slot's predecessor, join the group. Raises ConfigError for unfit topics."""
        if self._opened:
            return
        name = f"{self.group}.{self.slot.number}"
        limits = self.limits
        self._admin = AdminClient(admin_config(self._bootstrap, self._extra))
        for topic in self.stage.inputs:
            partitions_of(self._admin, topic)
        check_layout(self.stage, lambda topic: partitions_of(self._admin, topic))
        self._probes = Probes(self._admin, self._clock)
        self._transactions = Transactions(
            self._bootstrap,
            name,
            transaction_ms=limits.transaction_ms,
            checkpoint=self._checkpoint,
            extra=self._extra,
        )
        self._transactions.open()
        config = consumer_config(
            self._bootstrap, self.group, instance=name, session_ms=limits.session_ms, extra=self._extra
        )
        self._assignment = Assignment(config, self._admin, self._forget)
        self._assignment.subscribe(self.stage.inputs)
        self._opened = True

    def close(self) -> None:
        """Leave without a trace of unfinished work. A static member keeps its place for `session_ms`."""
        if self._opened:
            self._opened = False
            self._rejections.flush()
            self._assignment.close()
            self._gaps.close()
            self._transactions.close()
            self.store.close()

    def view(self) -> View:
        """What this worker has right now. May be asked for from any thread."""
        if not self._opened:
            return View()
        entries, size = self.store.size()
        return View(len(self._assignment.owned), len(self._held), entries, size, self._turned_at)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _turn(self, wait: float) -> None:
        """One round: take up new partitions, work on what has come, tick when it is time."""
        try:
            self._rejections.turn()
            if self._assignment.added:
                self._take_up()
            batch = self._take(wait)
            first, last = apart(self.stage, batch, self._clock())
            self._hold(last)
            if first:
                self._gaps.worked_on(first)
                self._work(first, self._pace)
            if self._held:
                self._work(self._held.take(self._patience.size), self._patience)
            if not batch:
                self._settle()
            if self.stage.tick is not None and monotonic() >= self._next_tick:
                self._tick()
        except (Aborted, Retryable) as trouble:
            self._go_back(trouble)
        self._turned_at = real_clock()

    def _take(self, wait: float) -> list[Message]:
        """What has come: as much as fits a step, or, while something is held back, as much as there is to be looked through."""
        if self._held or self._gaps:
            return self._assignment.take(0, self.limits.messages)
        return self._assignment.take(wait, self._pace.size)

    def _hold(self, messages: Iterable[Message]) -> None:
        """Hold these back; those for which there is no room are left on the brokers, and all of their partition after them."""
        for message in messages:
            if self._held.is_full() or (message.topic, message.partition) in self._gaps:
                self._gaps.leave(message)
            else:
                self._held.put([message])
        if self._gaps and self._held.has_room():
            self._held.put(self._gaps.read(self.limits.messages))

    def _work(self, batch: Sequence[Message], pace: Pace) -> None:
        """Work through a batch, a transaction at a time.

        The group's metadata are those of now, right after the batch was consumed: should the group go on without this
        process while it works, the brokers refuse these offsets, and with them the transaction.
        """
        self._doing = "work"
        metadata = self._assignment.metadata()
        positions = self._positions()
        owned = [Progress(*place, None) for place in positions]
        steps = work_through(
            self.stage,
            self.store,
            batch,
            clock=self._clock,
            owned=owned,
            limits=self.limits,
            pace=pace,
            held=[*self._held.oldest(), *self._gaps.oldest()],
        )
        for step in steps:
            self._checkpoint("stepped")
            offsets = _lower(positions, step.remaining)
            self._carry_out(step.effects, offsets, metadata, messages=step.messages, stepped=step.seconds)
        self.tally.messages += len(batch)
        del self._troubles["work"]

    def _tick(self) -> None:
        """A step without messages, in a transaction like any other if it has effects."""
        self._doing = "tick"
        positions = self._positions()
        if not positions:
            return
        metadata = self._assignment.metadata()
        caught_up = self._probes.observe(positions)
        owned = [Progress(*place, caught_up.get(place)) for place in positions]
        started = perf_counter()
        effects = tick(self.stage, self.store, self._clock(), owned)
        if effects.outputs or effects.changes or effects.dead:
            self._checkpoint("stepped")
            self._carry_out(effects, positions, metadata, stepped=perf_counter() - started)
        self._next_tick = monotonic() + (self.stage.tick or 0.0)
        self.tally.ticks += 1
        del self._troubles["tick"]

    def _end(self) -> None:
        """Tell what was only counted so far; when that aborts, nothing is lost but those counts."""
        try:
            self._settle(last=True)
        except Aborted as trouble:
            log.warning("%s.%d: ended without its last counts: %s", self.group, self.slot.number, trouble)

    def _settle(self, *, last: bool = False) -> None:
        """When idle, commit positions that only transaction markers have moved, so that lag reaches 0."""
        self._doing = "settle"
        positions = self._positions()
        if positions and (positions != self._sent or self._sieve.is_due(self._clock(), last=last)):
            self._carry_out(Effects(), positions, self._assignment.metadata())
            del self._troubles["settle"]

    def _carry_out(
        self,
        effects: Effects,
        offsets: dict[Place, int],
        metadata: Any,
        *,
        messages: Sequence[Message] = (),
        stepped: float = 0.0,
    ) -> None:
        """One transaction, with offsets for all owned partitions; only then the store, and who looks on."""
        kept = self._sieve.effects(effects, self._clock(), last=self._stop.is_set())
        records = records_of(kept, self.stage, task=self.slot.number, deadletters=self._deadletters)
        started = perf_counter()
        self._transactions.carry_out(records, offsets, metadata)
        committed, ended = perf_counter() - started, real_clock()
        self._sieve.through()
        self.store.apply(effects.changes)
        self._sent = offsets
        self.tally.transactions += 1
        self.tally.outputs += len(effects.outputs)
        self._report(effects)
        if self._observer is not None:
            began = ended - round(1000 * (stepped + committed))
            withheld = self._sieve.withheld
            work = Worked(self.stage.name, messages, kept, began, stepped, committed, withheld)
            tell(self._observer.worked, work)

    def _report(self, effects: Effects) -> None:
        self.tally.dead += len(effects.dead)
        self._rejections.report((*effects.dead, *effects.refused))

    def _take_up(self) -> None:
        """Restore the partitions just added, outside the callback that added them."""
        assignment, limits = self._assignment, self.limits
        start, committed = assignment.starts()
        if self.stage.changelog is not None:
            numbers = [partition for _, partition in start]
            began = perf_counter()
            records = restore(
                self.store,
                self._bootstrap,
                self.stage.changelog,
                numbers,
                seconds=limits.restore_seconds,
                extra=self._extra,
            )
            self.tally.restored += records
            if self._observer is not None:
                tell(self._observer.restored, Restored(self.stage.name, numbers, records, perf_counter() - began))
        assignment.take_up(start)
        self._sent |= committed
        log.info("%s.%d: took up %s", self.group, self.slot.number, sorted(start))

    def _go_back(self, trouble: Aborted | Retryable) -> None:
        """Nothing happened: read the same again, after a pause that grows."""
        self._troubles[self._doing] += 1
        times = self._troubles[self._doing]
        log.warning("%s.%d: going back: %s", self.group, self.slot.number, trouble)
        if self._observer is not None:
            reason = str(trouble) if isinstance(trouble, Aborted) else reason_of(trouble)
            tell(self._observer.aborted, self.stage.name, reason)
        if isinstance(trouble, Aborted):
            self.tally.aborts += 1
            if times >= MOST_ABORTS:
                raise trouble
        self._held.clear()
        self._gaps.clear()
        self._assignment.rewind()
        self._stop.wait(min(LONGEST_PAUSE, 0.05 * 2**times))

    def _forget(self, place: Place) -> None:
        """A partition went to another worker, or the group went on without this one."""
        self._held.drop(place)
        self._gaps.drop(place)
        self.store.drop(place[1])
        self._probes.forget(place)
        self._sent.pop(place, None)

    def _positions(self) -> dict[Place, int]:
        """How far each owned partition is read, without what is held back."""
        return self._gaps.limit(self._held.limit(self._assignment.positions()))

    def _is_idle(self) -> bool:
        positions = self._positions()
        if not positions or self._assignment.added or positions != self._sent:
            return False
        return all(positions[place] >= end for place, end in end_offsets(self._admin, positions).items())


def _lower(positions: Mapping[Place, int], remaining: Mapping[Place, int]) -> dict[Place, int]:
    """`positions`, of each partition no further than what remains to be done."""
    return {place: min(offset, remaining.get(place, offset)) for place, offset in positions.items()}
