"""The watch on a real broker: only committed events count, and each once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.codec import framing
from pipeline.domain.errors import ConfigError
from pipeline.domain.records import LifecycleEvent
from pipeline.kafka.clients import producer_config
from pipeline.kafka.clock import real_clock
from pipeline.ops import watch
from pipeline.ops.watch_service import WatchService
from pipeline.ops.watch_tables import WatchTables
from tests.unit.ops.watch_events import DAY, NOW, exchange
from tests.watch_oracle import WatchOracle

PARTITIONS = 3

pytestmark = pytest.mark.usefixtures("plaintext")


def event(name: str) -> LifecycleEvent:
    """An event of the join, in the first minute of 1970."""
    return {
        "event_id": name,
        "at": 1_000,
        "stage": "join",
        "kind": "section_certified",
        "application_id": None,
        "section": 1,
        "party": None,
        "provider": None,
        "count": 500,
        "code": None,
        "by": None,
        "since": None,
        "state": None,
        "change": None,
        "parts": [],
    }


@pytest.fixture
def topic(kafka: str, unique: Callable[[str], str]) -> str:
    """A topic for events, of several partitions."""
    name = unique("events")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
    return name


@pytest.fixture
def producer(kafka: str, unique: Callable[[str], str]) -> Producer:
    """A transactional producer, ready."""
    producer = Producer(producer_config(kafka, unique("producer")))
    producer.init_transactions()
    return producer


def write(producer: Producer, topic: str, names: Iterable[str]) -> None:
    """Produce events, spread over the partitions, inside the transaction that is open."""
    for number, name in enumerate(names):
        producer.produce(topic, framing.encode("LifecycleEvent", event(name)), partition=number % PARTITIONS)
    producer.flush()


def names(prefix: str, count: int) -> list[str]:
    """Ids of `count` events."""
    return [f"{prefix}{number}" for number in range(count)]


async def counted(kafka: str, topic: str) -> WatchTables:
    """What a watch counts up to the end of the topic."""
    tables = WatchTables()
    async with watch.Watch(kafka, tables.read, topic) as running:
        await running.until_end()
    return tables


def test_counts_committed_events_only(kafka: str, topic: str, producer: Producer) -> None:
    """Events of an aborted transaction are on the topic, flushed, before and after committed ones, and never count."""
    for prefix, commit in (("a", True), ("b", False), ("c", True), ("d", False)):
        producer.begin_transaction()
        write(producer, topic, names(prefix, 30))
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    tables = asyncio.run(counted(kafka, topic))
    assert tables.counted == {("join", "section_certified"): 60}
    assert (tables.duplicates, tables.unreadable.total()) == (0, 0)


def test_the_aborted_events_are_there_for_whoever_reads_uncommitted(
    kafka: str, topic: str, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust's own transport counts the aborted events: what keeps them out is the override, not luck."""
    producer.begin_transaction()
    write(producer, topic, names("aborted", 9))
    producer.abort_transaction()

    class AsFaustHasIt(watch.ReadCommittedConsumer):
        def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
            return AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)

    assert asyncio.run(counted(kafka, topic)).events == 0
    monkeypatch.setattr(watch.ReadCommitted, "Consumer", AsFaustHasIt)
    assert asyncio.run(counted(kafka, topic)).events == 9


def test_counts_an_event_once_by_its_id(kafka: str, topic: str, producer: Producer) -> None:
    """The same events committed twice, on other partitions the second time, count once and are told as duplicates."""
    for ids in (names("e", 20), names("e", 20)[::-1]):
        producer.begin_transaction()
        write(producer, topic, ids)
        producer.commit_transaction()
    tables = asyncio.run(counted(kafka, topic))
    assert (tables.events, tables.duplicates) == (20, 20)


def test_every_start_counts_from_the_beginning(kafka: str, topic: str, producer: Producer) -> None:
    """A second watch sees all that the first saw, and what came since."""
    for prefix, total in (("first", 7), ("second", 14)):
        producer.begin_transaction()
        write(producer, topic, names(prefix, 7))
        producer.commit_transaction()
        assert asyncio.run(counted(kafka, topic)).events == total


def test_reads_from_a_time_on(kafka: str, topic: str, producer: Producer) -> None:
    """What was appended before is left out, on each partition, also where nothing younger is; from the start it is there."""
    now = real_clock()
    producer.begin_transaction()
    for number in range(12):
        partition = number % PARTITIONS
        age = 2 * DAY if partition == 0 or number < 6 else 0
        value = framing.encode("LifecycleEvent", event(f"e{number}"))
        producer.produce(topic, value, partition=partition, timestamp=now - age)
    producer.commit_transaction()

    async def read_since(since: int | None) -> int:
        tables = WatchTables()
        async with watch.Watch(kafka, tables.read, topic, since=since) as running:
            await running.until_end()
        return tables.events

    assert asyncio.run(read_since(now - DAY)) == 4
    assert asyncio.run(read_since(now - 3 * DAY)) == 12
    assert asyncio.run(read_since(now + DAY)) == 0
    assert asyncio.run(read_since(None)) == 12


def test_a_restart_rebuilds_the_figures_that_the_first_had_live(kafka: str, topic: str, producer: Producer) -> None:
    """Events spread over partitions, some twice, some aborted, read as they come and again from the topic: plain SQL's figures."""
    events = exchange(11, 25)
    half = len(events) // 2

    def commit(part: list[LifecycleEvent], *, keep: bool = True) -> None:
        producer.begin_transaction()
        for number, each in enumerate(part):
            producer.produce(topic, framing.encode("LifecycleEvent", each), partition=number % PARTITIONS)
        if keep:
            producer.commit_transaction()
        else:
            producer.flush()
            producer.abort_transaction()

    def told(service: WatchService) -> object:
        views = service.views
        documents = [views.rates(1440), views.punctuality(), views.risks(), views.applications(None, None, None, 200)]
        return [service.tables.events, service.tables.counted, *documents]

    async def live() -> object:
        service = WatchService(kafka, lambda: NOW, topic=topic)
        async with service.watch:
            commit(events[:half])
            commit([{**each, "event_id": f"lost{each['event_id']}"} for each in events[:40]], keep=False)
            commit(events[half - 20 :])
            while service.tables.events < len(events):
                await service.wait(0.05)
            assert service.watch.behind() < 60
        return told(service)

    async def rebuilt() -> object:
        first, second = (WatchService(kafka, lambda: NOW, topic=topic) for _ in range(2))
        async with first.watch, second.watch:
            await first.watch.until_end()
            await second.watch.until_end()
            assert first.watch.is_rebuilt()
            assert first.watch.behind() == 0
        assert told(first) == told(second)
        assert first.tables.duplicates == 20
        return told(first)

    before = asyncio.run(live())
    again = asyncio.run(rebuilt())
    assert before == again
    oracle = WatchOracle(events)
    assert isinstance(again, list)
    assert again[0] == oracle.events()
    minutes = [(m["minute"], m["applications"], m["subqueries"], m["answers"]) for m in again[2]["minutes"]]
    assert [row for row in minutes if any(row[1:])] == oracle.minutes()


def test_an_empty_topic_has_an_end_too(kafka: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing on the topic the watch ends at once, with nothing counted, and leaves nothing where it was started."""
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(counted(kafka, topic)).events == 0
    assert list(tmp_path.iterdir()) == []


def test_waits_for_a_transaction_that_is_open(kafka: str, topic: str, producer: Producer) -> None:
    """Events of a transaction that is committed while the watch reads towards the end belong to its counts."""

    async def both() -> WatchTables:
        tables = WatchTables()
        producer.begin_transaction()
        write(producer, topic, names("open", 5))
        async with watch.Watch(kafka, tables.read, topic) as running:
            ending = asyncio.create_task(running.until_end())
            await asyncio.sleep(3)
            assert tables.events == 0
            assert not ending.done()
            await asyncio.to_thread(producer.commit_transaction)
            await ending
        return tables

    assert asyncio.run(both()).events == 5


def test_a_failure_ends_the_watch_instead_of_losing_the_event(kafka: str, topic: str, producer: Producer) -> None:
    """What goes wrong while counting reaches the caller; left to itself Faust would acknowledge the event and go on."""

    class Broken(WatchTables):
        def read(self, value: bytes | None) -> None:
            raise ZeroDivisionError

    async def until_broken() -> None:
        async with watch.Watch(kafka, Broken().read, topic) as running:
            await running.until_end(limit=20)

    producer.begin_transaction()
    write(producer, topic, names("e", 3))
    producer.commit_transaction()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(until_broken())


def test_command_line_prints_the_counts_once(
    kafka: str, topic: str, producer: Producer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hedx watch --once --json` is one object on stdout, `--once` alone lines."""
    monkeypatch.setattr(watch, "EVENTS", topic)
    producer.begin_transaction()
    write(producer, topic, names("e", 4))
    producer.commit_transaction()
    assert run(["watch", "--once", "--json", "--bootstrap", kafka]) == Exit.FINE
    found = json.loads(capsys.readouterr().out)
    assert {key: found[key] for key in ("events", "duplicates", "unreadable")} == {
        "events": 4,
        "duplicates": 0,
        "unreadable": 0,
    }
    assert found["counts"] == [{"stage": "join", "kind": "section_certified", "events": 4}]
    assert run(["watch", "--once", "--bootstrap", kafka]) == Exit.FINE
    assert "section_certified" in capsys.readouterr().out


def test_says_that_the_topic_is_missing(kafka: str, unique: Callable[[str], str]) -> None:
    """Without its topic the watch says what to type; it creates nothing."""
    with pytest.raises(ConfigError, match="hedx topics apply"):
        asyncio.run(counted(kafka, unique("nothing")))
    assert unique("nothing") not in AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
