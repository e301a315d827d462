"""The watch over hedx.events, on Faust: what it shows is rebuilt from the topic at each start, so it keeps and writes nothing.

The only module that imports Faust. Its traps and what is done about them here (docs/decisions/0001-engine.md, 0006-the-watch.md):
it reads uncommitted records unless told otherwise (`ReadCommitted`), acknowledges the event of a raising agent and
goes on (`CrashingSupervisor`), creates topics of its own (switched off), and starts a web server (switched off).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import faust
from confluent_kafka import Consumer as Client
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from faust import SSLCredentials
from faust.app.base import BootStrategy
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode import CrashingSupervisor

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.kafka.clients import admin_config, consumer_config
from pipeline.kafka.clock import real_clock
from pipeline.kafka.ends import end_offsets, offsets_from
from pipeline.kafka.security import client_security, ssl_context

EVENTS = "hedx.events"
GROUP = "hedx.ops.watch"
LOOK = 0.05
"""Seconds between two looks at whether the end is reached."""


Place = tuple[str, int]
Read = Callable[[bytes | None], None]
"""Takes in the value of a record of hedx.events."""


class ReadCommittedThread(AIOKafkaConsumerThread):
    """Builds the consumer as Faust does, then sets what Faust sets only in its (unsound) exactly-once mode."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        if consumer._isolation_level != "read_uncommitted":  # noqa: SLF001 - its constructor is out of reach
            raise ConfigError("this aiokafka keeps its isolation level elsewhere: the watch would count aborted events")
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - read when the consumer starts, after this
        return consumer


class ReadCommittedConsumer(Consumer):
    """Reads committed records, and knows up to where it has handed them over to the agents.

    `handed_over`: per (topic, partition) the offset below which every committed record was handed over. It passes
    aborted records and transaction markers, which no agent ever sees. `stable`: up to where there is something to hand
    over; `newest`: the timestamp (s) of the last record that was.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.handed_over: dict[Place, int] = {}
        self.stable: dict[Place, int] = {}
        self.newest: dict[Place, float] = {}

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[Any]:  # noqa: ASYNC109 - Faust's signature
        """One round of messages; the caller has handed over the last one when this resumes after it."""
        generation = self.app.consumer_generation_id
        async for place, message in super().getmany(timeout):
            self.newest[place.topic, place.partition] = message.timestamp
            yield place, message
        self.stable |= self._stable_offsets()
        positions = {(tp.topic, tp.partition): await self.position(tp) for tp in self.assignment()}
        if self.flow_active and generation == self.app.consumer_generation_id:  # else the round may have been cut short
            self.handed_over = {place: offset for place, offset in positions.items() if offset is not None}

    def behind(self, now: float) -> float:
        """Seconds from the last record that was handed over to `now`, where any is left; of partitions the longest."""
        left = [place for place, end in self.stable.items() if self.handed_over.get(place, 0) < end]
        return max((max(0.0, now - self.newest[place]) for place in left if place in self.newest), default=0.0)

    def _stable_offsets(self) -> dict[Place, int]:
        """What the last fetch told of each partition; nothing of one that was never fetched."""
        fetcher = cast("Any", self._thread)._ensure_consumer()  # noqa: SLF001 - its own way to it asks for exactly-once mode
        ends = {(tp.topic, tp.partition): fetcher.last_stable_offset(tp) for tp in self.assignment()}
        return {place: end for place, end in ends.items() if end is not None and end >= 0}

    async def _commit(self, offsets: Any) -> bool:
        """Nothing: each start reads from a time on.

        What Faust would commit stands still at the first transaction marker, a gap to it, and would show in every lag tool as
        lag that is none.
        """
        return True


class ReadCommitted(Transport):
    """Faust's transport for Kafka, reading committed records only."""

    Consumer = ReadCommittedConsumer


class _ReaderOnly(BootStrategy):
    """No producer and no web server: the watch only reads."""

    enable_kafka_producer = False
    enable_web = False


class _ReaderApp(faust.App):
    BootStrategy = _ReaderOnly


class Watch:
    """A running watch: `async with Watch(bootstrap, tables.read)` hands every event of the topic to `read`, in the loop's thread.

    Each has a consumer group of its own, so that two watches both see everything. `since` (ms, real time): from which append
    time on; None: from the topic's start. `principal`: the folder of TLS files to connect with (`kafka.security`); None: a
    cluster without TLS.
    """

    def __init__(
        self,
        bootstrap: str,
        read: Read,
        topic: str | None = None,
        *,
        since: int | None = None,
        principal: Path | None = None,
        clock: Callable[[], int] = real_clock,
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic or EVENTS
        self._since = since
        self._clock = clock
        self._rebuilt = False
        self._extra = client_security(principal) if principal else {}
        context = ssl_context(principal) if principal else None
        self._scratch = TemporaryDirectory(prefix="hedx-watch-")  # Faust makes folders although it keeps nothing here
        self._group = f"{GROUP}.{uuid.uuid4().hex[:12]}"
        self._app = _ReaderApp(
            self._group,
            broker=[f"kafka://{address}" for address in bootstrap.split(",")],
            broker_credentials=SSLCredentials(context=context) if context else None,
            store="memory://",
            datadir=self._scratch.name,
            consumer_auto_offset_reset="earliest",
            agent_supervisor=CrashingSupervisor,
            topic_allow_declare=False,
            topic_disable_leader=True,
            reply_create_topic=False,
            web_enabled=False,
            key_serializer="raw",
            value_serializer="raw",
        )
        self._app.transport = ReadCommitted(self._app.conf.broker_consumer, self._app)
        source = self._app.topic(self._topic, key_type=bytes, value_type=bytes)

        async def count(values: Any) -> None:
            async for value in values:
                read(value)

        self._app.agent(source, name="count", concurrency=1)(count)

    async def __aenter__(self) -> Watch:
        self._ends = await asyncio.to_thread(self._prepare)
        await self._app.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._app.stop()
        self._scratch.cleanup()

    async def wait(self, seconds: float) -> None:
        """Let it read for `seconds`. Raises what made it crash, if it did."""
        await asyncio.sleep(seconds)
        if self._app.crashed:
            raise self._app.crash_reason or Retryable("the watch crashed")

    async def until_end(self, limit: float = 60.0) -> None:
        """Let it read all that was on the topic when it started, transactions then open included.

        Raises Retryable when that takes longer than `limit` seconds, and what made it crash, if it did.
        """
        waited = 0.0
        while not self._at_end():
            if waited >= limit:
                raise Retryable(f"{self._topic} could not be read to its end within {limit:.0f} s")
            await self.wait(LOOK)
            waited += LOOK

    def is_rebuilt(self) -> bool:
        """Whether all that was on the topic when it started has been read."""
        self._rebuilt = self._rebuilt or self._at_end()
        return self._rebuilt

    def behind(self) -> float:
        """Seconds that it is behind the end of the topic; 0 when nothing committed is left to read."""
        return round(self._consumer.behind(self._clock() / 1000), 3)

    @property
    def _consumer(self) -> ReadCommittedConsumer:
        return cast("ReadCommittedConsumer", self._app.consumer)

    def _at_end(self) -> bool:
        consumer = self._consumer
        reached = all(consumer.handed_over.get(place, -1) >= end for place, end in self._ends.items())
        return reached and not consumer.unacked

    def _prepare(self) -> Mapping[Place, int]:
        """Ask where the topic ends, and put the group to where it is to begin."""
        admin = AdminClient({**admin_config(self._bootstrap, self._extra), "log_level": 0})
        try:
            found = admin.list_topics(self._topic, timeout=10).topics[self._topic]
            if found.error is not None:
                raise ConfigError(f"{self._topic} is not there: `hedx topics apply`")
            ends = end_offsets(admin, [(self._topic, partition) for partition in found.partitions])
            if self._since is not None:
                self._begin_at(offsets_from(admin, ends, self._since), ends)
        except KafkaException as error:
            raise ConfigError(f"no Kafka answers at {self._bootstrap}: {error.args[0].str()}") from error
        return ends

    def _begin_at(self, found: Mapping[Place, int | None], ends: Mapping[Place, int]) -> None:
        """Commit where the group begins: Faust reads on from there. A partition without younger records: at its end."""
        consumer = Client({**consumer_config(self._bootstrap, self._group, extra=self._extra), "log_level": 0})
        try:
            offsets = [TopicPartition(*place, ends[place] if at is None else at) for place, at in found.items()]
            consumer.commit(offsets=offsets, asynchronous=False)
        finally:
            consumer.close()
