"""Kafka in memory: the same transactions, partitions and dead letters, for tests of stages without a broker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Self

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.kafka.allowance import Sieve
from pipeline.kafka.attempts import Place, records_of, tick, work_through
from pipeline.kafka.clients import murmur2_partition
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.deadletters import TOPIC as DEADLETTERS
from pipeline.kafka.layout import check_layout
from pipeline.kafka.limits import Limits, Pace
from pipeline.kafka.observing import Observer, Restored, View, Worked, reason_of
from pipeline.kafka.onlooking import tell
from pipeline.kafka.rejections import Rejections
from pipeline.kafka.stores import DictStore, Store
from pipeline.stages.effects import Effects, Headers, Message, Output, Progress, Stage

PATIENCE = 100
"""How often a step may say `Retryable` in a row before `MemoryWorker` passes it on."""


class MemoryBroker:
    """Topics of partitions of messages, and the offsets of groups. Timestamps are append times by `clock` (ms)."""

    def __init__(self, clock: Callable[[], int] = wall_clock) -> None:
        self._clock = clock
        self._topics: dict[str, list[list[Message]]] = {}
        self._committed: dict[tuple[str, Place], int] = {}
        self._turns: defaultdict[str, count[int]] = defaultdict(count)

    def create(self, topic: str, partitions: int = 1) -> None:
        """Make `topic`. Raises ConfigError when it exists with another number of partitions."""
        logs = self._topics.setdefault(topic, [[] for _ in range(partitions)])
        if len(logs) != partitions:
            raise ConfigError(f"{topic} has {len(logs)} partitions, not {partitions}")

    def partitions(self, topic: str) -> int:
        """Number of partitions. Raises ConfigError for an unknown topic."""
        return len(self._logs(topic))

    def produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> Message:
        """Append one record outside any transaction; returns it as readers will see it."""
        return self._append(Output(topic, key, value, headers, partition))

    def read(self, topic: str, partition: int, offset: int = 0, limit: int | None = None) -> list[Message]:
        """At most `limit` messages of one partition from `offset` on."""
        log = self._logs(topic)[partition]
        return log[offset:] if limit is None else log[offset : offset + limit]

    def messages(self, topic: str) -> list[Message]:
        """All messages of `topic`, partition by partition."""
        return [message for log in self._logs(topic) for message in log]

    def end(self, topic: str, partition: int) -> int:
        """The offset the next record of this partition will get."""
        return len(self._logs(topic)[partition])

    def committed(self, group: str, topic: str, partition: int) -> int:
        """Where `group` goes on reading; 0 before its first commit."""
        return self._committed.get((group, (topic, partition)), 0)

    def lag(self, group: str, topic: str) -> int:
        """Messages of `topic` that `group` has still to read."""
        return sum(self.end(topic, p) - self.committed(group, topic, p) for p in range(self.partitions(topic)))

    def transact(self, records: Iterable[Output], group: str, offsets: Mapping[Place, int]) -> None:
        """Append `records` and commit `offsets`, all or nothing. Raises ConfigError for an unknown destination."""
        checked = list(records)
        for record in checked:
            self._log(record.topic, record.partition or 0)
        for record in checked:
            self._append(record)
        self._committed.update({(group, place): offset for place, offset in offsets.items()})

    def _append(self, output: Output) -> Message:
        partition = self._place(output)
        log = self._log(output.topic, partition)
        message = Message(
            output.topic, partition, len(log), self._clock(), output.key, output.value, tuple(output.headers)
        )
        log.append(message)
        return message

    def _place(self, output: Output) -> int:
        if output.partition is not None:
            return output.partition
        partitions = self.partitions(output.topic)
        if output.key is None:  # Kafka takes any; in turn is any, and repeatable
            return next(self._turns[output.topic]) % partitions
        return murmur2_partition(output.key, partitions)

    def _log(self, topic: str, partition: int) -> list[Message]:
        logs = self._logs(topic)
        if not 0 <= partition < len(logs):
            raise ConfigError(f"{topic} has no partition {partition}")
        return logs[partition]

    def _logs(self, topic: str) -> list[list[Message]]:
        try:
            return self._topics[topic]
        except KeyError:
            raise ConfigError(f"topic {topic} does not exist") from None


class MemoryWorker:
    """Runs one stage on a `MemoryBroker`, owning all partitions; the in-memory twin of `TransactionalWorker`.

    `group` defaults to `hedx.<stage>`. A new worker of the same group goes on where the last one committed, its state
    restored from the changelog. Raises ConfigError as its twin does.
    """

    def __init__(
        self,
        stage: Stage,
        broker: MemoryBroker,
        clock: Callable[[], int] = wall_clock,
        *,
        store: Store | None = None,
        group: str | None = None,
        task: int = 0,
        limits: Limits | None = None,
        deadletters: str = DEADLETTERS,
        observer: Observer | None = None,
    ) -> None:
        self.stage = stage
        self.group = group or f"hedx.{stage.name}"
        self.store: Store = store or DictStore()
        self._broker = broker
        self._clock = clock
        self._task = task
        self._limits = limits or Limits()
        self._deadletters = deadletters
        self._observer = observer
        self._pace = Pace(self._limits)
        self._rejections = Rejections(stage.name)
        self._sieve = Sieve(stage.name)
        self._places = [(topic, p) for topic in stage.inputs for p in range(broker.partitions(topic))]
        self._restore()

    def run_until_idle(self) -> None:
        """Read the inputs to their ends, then tick; again if that brought new input."""
        while True:
            while self._turn():
                pass
            if self.stage.tick is not None:
                self.tick()
            if self._ends() == self._positions():
                self._rejections.flush()
                return

    def tick(self) -> None:
        """One timer step, as after `stage.tick` seconds."""
        now, ends, positions = self._clock(), self._ends(), self._positions()
        owned = [Progress(*place, now if positions[place] >= ends[place] else None) for place in self._places]
        self._carry_out(tick(self.stage, self.store, now, owned), positions)

    def view(self) -> View:
        """What this worker has right now."""
        entries, size = self.store.size()
        return View(len(self._places), 0, entries, size, self._clock())

    def close(self) -> None:
        """Drop the state; what is committed stays at the broker."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _turn(self) -> bool:
        """Work on one batch; False when there is nothing to read."""
        positions = self._positions()
        batch = [message for place in self._places for message in self._broker.read(*place, positions[place])]
        if not batch:
            return False
        batch = batch[: self._pace.size]
        for message in batch:
            positions[message.topic, message.partition] = message.offset + 1
        for attempt in range(PATIENCE):
            try:
                self._work(batch, positions)
                break
            except Retryable as trouble:
                if self._observer is not None:
                    tell(self._observer.aborted, self.stage.name, reason_of(trouble))
                if attempt == PATIENCE - 1:
                    raise
                done = self._positions()
                batch = [m for m in batch if m.offset >= done[m.topic, m.partition]]
        return True

    def _work(self, batch: list[Message], positions: dict[Place, int]) -> None:
        owned = [Progress(*place, None) for place in self._places]
        steps = work_through(
            self.stage, self.store, batch, clock=self._clock, owned=owned, limits=self._limits, pace=self._pace
        )
        for step in steps:
            self._carry_out(step.effects, positions | step.remaining, step.messages, step.seconds)

    def _carry_out(
        self, effects: Effects, offsets: dict[Place, int], messages: Sequence[Message] = (), stepped: float = 0.0
    ) -> None:
        kept = self._sieve.effects(effects, self._clock())
        records = records_of(kept, self.stage, task=self._task, deadletters=self._deadletters)
        began = self._clock()
        self._broker.transact(records, self.group, offsets)
        self._sieve.through()
        self.store.apply(effects.changes)
        self._rejections.report((*effects.dead, *effects.refused))
        if self._observer is not None:
            work = Worked(self.stage.name, messages, kept, began, stepped, 0.0, self._sieve.withheld)
            tell(self._observer.worked, work)

    def _restore(self) -> None:
        if self.stage.changelog is None:
            return
        check_layout(self.stage, self._broker.partitions)
        partitions, records = range(self._broker.partitions(self.stage.changelog)), 0
        for partition in partitions:
            entries = self._broker.read(self.stage.changelog, partition)
            self.store.load(partition, [(entry.key or b"", entry.value) for entry in entries])
            records += len(entries)
        if self._observer is not None:
            tell(self._observer.restored, Restored(self.stage.name, partitions, records, 0.0))

    def _positions(self) -> dict[Place, int]:
        return {place: self._broker.committed(self.group, *place) for place in self._places}

    def _ends(self) -> dict[Place, int]:
        return {place: self._broker.end(*place) for place in self._places}
