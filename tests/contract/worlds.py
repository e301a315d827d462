"""One way to speak to the in-memory broker and to Kafka, so that one suite can hold both to the same contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.kafka.clients import admin_config, producer_config
from pipeline.kafka.limits import Limits
from pipeline.kafka.memory import MemoryBroker, MemoryWorker
from pipeline.kafka.observing import Observer
from pipeline.kafka.slots import Slot
from pipeline.kafka.stores import DictStore, Store
from pipeline.kafka.tailing import CommittedLog
from pipeline.kafka.worker import TransactionalWorker
from pipeline.stages.effects import Headers, Message, Stage

Worker = MemoryWorker | TransactionalWorker
"""What both have in common: `run_until_idle`, `close`, `store`, `group`."""


class Clock:
    """A clock that stands still until it is set. Milliseconds."""

    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class World(Protocol):
    """A broker, and workers on it. Topic names are the test's own; the world makes them unique."""

    clock: Clock

    def create(self, name: str, partitions: int = 1) -> str:
        """Make a topic; returns its real name."""

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> None:
        """Write one record, outside any transaction."""

    def worker(
        self,
        stage: Stage,
        store: Store | None = None,
        limits: Limits | None = None,
        observer: Observer | None = None,
    ) -> Worker:
        """A new worker for `stage`, in the place of the last one."""

    def messages(self, topic: str) -> Sequence[Message]:
        """All committed records of a topic."""

    def lag(self, worker: Worker, topic: str) -> int:
        """What the worker's group has not committed of `topic`."""


class MemoryWorld:
    """The in-memory broker."""

    def __init__(self, unique: Callable[[str], str]) -> None:
        self.clock = Clock()
        self.broker = MemoryBroker(self.clock)
        self._unique = unique
        self.create("dead", 2)

    def create(self, name: str, partitions: int = 1) -> str:
        self.broker.create(self._unique(name), partitions)
        return self._unique(name)

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> None:
        self.broker.produce(topic, key, value, headers, partition)

    def worker(
        self,
        stage: Stage,
        store: Store | None = None,
        limits: Limits | None = None,
        observer: Observer | None = None,
    ) -> MemoryWorker:
        return MemoryWorker(
            stage,
            self.broker,
            self.clock,
            store=store or DictStore(),
            group=self._unique(stage.name),
            limits=limits,
            deadletters=self._unique("dead"),
            observer=observer,
        )

    def messages(self, topic: str) -> Sequence[Message]:
        return self.broker.messages(topic)

    def lag(self, worker: Worker, topic: str) -> int:
        return self.broker.lag(worker.group, topic)


class KafkaWorld:
    """A real broker at `bootstrap`."""

    def __init__(self, bootstrap: str, unique: Callable[[str], str]) -> None:
        self.clock = Clock()
        self.bootstrap = bootstrap
        self._unique = unique
        self._admin = AdminClient(admin_config(bootstrap))
        self._producer = Producer(producer_config(bootstrap))
        self._workers: list[TransactionalWorker] = []
        self.create("dead", 2)

    def create(self, name: str, partitions: int = 1) -> str:
        topic = self._unique(name)
        for made in self._admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            made.result()
        return topic

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> None:
        place = -1 if partition is None else partition
        self._producer.produce(topic, value, key, place, headers=list(headers))
        self._producer.flush(10)

    def worker(
        self,
        stage: Stage,
        store: Store | None = None,
        limits: Limits | None = None,
        observer: Observer | None = None,
    ) -> TransactionalWorker:
        worker = TransactionalWorker(
            stage,
            self.bootstrap,
            store=store,
            slot=Slot(0),
            group=self._unique(stage.name),
            clock=self.clock,
            limits=limits,
            deadletters=self._unique("dead"),
            observer=observer,
        )
        self._workers.append(worker)
        return worker

    def messages(self, topic: str) -> Sequence[Message]:
        log = CommittedLog(self.bootstrap, topic)
        found = []
        while not log.reached_end:
            found += log.poll(0.1)
        log.close()
        return sorted(found, key=lambda message: (message.partition, message.offset))

    def lag(self, worker: Worker, topic: str) -> int:
        return kafka_lag(self.bootstrap, worker.group, topic)

    def close(self) -> None:
        """Let go of all workers."""
        for worker in self._workers:
            worker.close()


def kafka_lag(bootstrap: str, group: str, topic: str) -> int:
    """Lag as Kafka's tools count it: end offsets less committed offsets; uncommitted partitions count from 0."""
    from confluent_kafka import ConsumerGroupTopicPartitions

    from pipeline.kafka.ends import end_offsets
    from pipeline.kafka.tailing import partitions_of

    admin = AdminClient(admin_config(bootstrap))
    places = [(topic, number) for number in range(partitions_of(admin, topic))]
    [answer] = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]).values()
    committed = {(tp.topic, tp.partition): max(0, tp.offset) for tp in answer.result().topic_partitions}
    return sum(end - committed.get(place, 0) for place, end in end_offsets(admin, places).items())
