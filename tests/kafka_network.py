"""The same network on a real Kafka: real workers, real transactions, append times by the broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.domain.records import CatalogEntry
from pipeline.kafka.clients import admin_config, producer_config
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.ends import end_offsets
from pipeline.kafka.slots import Slot
from pipeline.kafka.tailing import CommittedLog, partitions_of
from pipeline.kafka.worker import TransactionalWorker
from pipeline.stages.effects import Headers, Message, Stage
from tests.network import Clock, Network


class WallClock(Clock):
    """The real time: a broker's append times cannot be set."""

    def __call__(self) -> int:
        return wall_clock()

    def advance(self, seconds: float) -> None:
        """Refused: real time passes by itself."""
        raise RuntimeError("real time cannot be advanced")


class KafkaBroker:
    """What `MemoryBroker` offers to a network, on the cluster at `bootstrap`."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient(admin_config(bootstrap))
        self._producer = Producer(producer_config(bootstrap))

    def create(self, topic: str, partitions: int = 1) -> None:
        """Make `topic`; inboxes get append times."""
        kind = {"message.timestamp.type": "LogAppendTime"} if topic.endswith(("requests", "responses")) else {}
        for made in self._admin.create_topics([NewTopic(topic, partitions, 1, config=kind)]).values():
            made.result()

    def produce(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> None:
        """Append one record outside any transaction."""
        self._producer.produce(topic, value, key, -1 if partition is None else partition, headers=list(headers))
        assert self._producer.flush(30) == 0

    def read(self, topic: str, partition: int, offset: int = 0) -> list[Message]:
        """All committed messages of one partition from `offset` on."""
        if self.end(topic, partition) <= offset:
            return []
        log = CommittedLog(self.bootstrap, topic, [partition])
        found: list[Message] = []
        while not log.reached_end:
            found += log.poll(0.1)
        log.close()
        return [message for message in found if message.offset >= offset]

    def messages(self, topic: str) -> list[Message]:
        """All committed messages of `topic`, partition by partition."""
        return [message for number in range(self.partitions(topic)) for message in self.read(topic, number)]

    def partitions(self, topic: str) -> int:
        """Number of partitions."""
        return partitions_of(self._admin, topic)

    def end(self, topic: str, partition: int) -> int:
        """The end offset."""
        return end_offsets(self._admin, [(topic, partition)])[topic, partition]


class KafkaNetwork(Network):
    """`Network` on Kafka. Close it: its workers hold connections."""

    broker: KafkaBroker  # type: ignore[assignment]
    workers: list[TransactionalWorker]  # type: ignore[assignment]

    def __init__(self, folder: Path, parties: Sequence[str], catalog: Sequence[CatalogEntry], bootstrap: str) -> None:
        broker = KafkaBroker(bootstrap)
        super().__init__(folder, parties, catalog, broker=broker, clock=WallClock())  # type: ignore[arg-type]  # its twin

    def _worker(self, stage: Stage) -> TransactionalWorker:  # type: ignore[override]
        return TransactionalWorker(stage, self.broker.bootstrap, slot=Slot(0), group=f"hedx.center.{stage.name}")

    def close(self) -> None:
        """Let go of the workers."""
        for worker in self.workers:
            worker.close()
