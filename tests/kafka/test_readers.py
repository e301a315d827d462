"""Tables read from compacted topics are complete before they are used, and follow what is written afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.kafka.clients import producer_config
from pipeline.kafka.readers import LiveTable, read_table
from tests.contract.worlds import KafkaWorld


@pytest.fixture
def world(kafka: str, unique: Callable[[str], str]) -> Iterator[KafkaWorld]:
    """A real broker."""
    made = KafkaWorld(kafka, unique)
    yield made
    made.close()


def test_a_table_holds_the_last_value_of_each_key(world: KafkaWorld, kafka: str) -> None:
    """Later values win, a tombstone deletes, and all partitions are read to their ends."""
    topic = world.create("table", 3)
    for key, value in ((b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"a", b"2"), (b"b", None)):
        world.send(topic, key, value)
    assert read_table(kafka, topic) == {b"a": b"2", b"c": b"1"}


def test_an_empty_table_is_ready_at_once(world: KafkaWorld, kafka: str) -> None:
    """Nothing to read is not the same as not having read."""
    assert read_table(kafka, world.create("table", 2), seconds=1) == {}


def test_a_live_table_follows(world: KafkaWorld, kafka: str) -> None:
    """`poll` returns what has changed and applies it, tombstones too."""
    topic = world.create("table")
    world.send(topic, b"a", b"1")
    with LiveTable(kafka, topic) as table:
        assert not table.ready
        table.wait_ready()
        assert table.rows == {b"a": b"1"}
        world.send(topic, b"b", b"2")
        world.send(topic, b"a", None)
        seen: list[tuple[bytes | None, bytes | None]] = []
        for _ in range(50):
            seen += [(change.key, change.value) for change in table.poll(0.1)]
            if len(seen) == 2:
                break
        assert seen == [(b"b", b"2"), (b"a", None)]
        assert table.rows == {b"b": b"2"}
        assert table.ready


def test_a_table_is_not_ready_while_a_transaction_on_it_is_open(world: KafkaWorld, kafka: str) -> None:
    """What is being written as the reader starts counts; an aborted write is never seen but does not block for ever."""
    topic = world.create("table")
    world.send(topic, b"a", b"1")
    producer = Producer(producer_config(kafka, topic + ".writer", transaction_ms=15_000))
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"2", b"a")
    producer.flush()
    with LiveTable(kafka, topic) as table:
        with pytest.raises(Retryable):
            table.wait_ready(0.7)
        producer.abort_transaction()
        table.wait_ready(10)
        assert table.rows == {b"a": b"1"}


def test_an_unknown_topic_is_the_operators_fault(kafka: str) -> None:
    """A misspelt topic is told at once."""
    with pytest.raises(ConfigError, match="no-such-topic"):
        read_table(kafka, "no-such-topic")
