"""An inbox goes on where its owner's database says, and lets Kafka's tools see how far that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.kafka.clients import producer_config
from pipeline.kafka.inboxes import Inbox
from tests.contract.worlds import KafkaWorld, kafka_lag

MESSAGES = 8


@pytest.fixture
def topic(kafka: str, unique: Callable[[str], str]) -> Iterator[str]:
    """One partition with `MESSAGES` messages, each written in a transaction of its own."""
    world = KafkaWorld(kafka, unique)
    name = world.create("inbox")
    producer = Producer(producer_config(kafka, name + ".writer"))
    producer.init_transactions(20)
    for number in range(MESSAGES):
        producer.begin_transaction()
        producer.produce(name, b"%d" % number, b"k")
        producer.commit_transaction()
    yield name
    world.close()


def test_lag_reaches_0_though_the_last_thing_read_is_a_transaction_marker(kafka: str, topic: str) -> None:
    """A batch that is full ends before the marker behind its last message; the idle inbox passes it."""
    inbox = Inbox(kafka, topic, topic + ".group", lambda _: {}, batch=1)
    taken = []
    for _ in range(100):
        messages, positions = inbox.take(0.2)
        taken += messages
        inbox.done(positions)
        if len(taken) == MESSAGES and not messages:
            break
    inbox.close()
    assert [message.value for message in taken] == [b"%d" % number for number in range(MESSAGES)]
    assert kafka_lag(kafka, topic + ".group", topic) == 0


def test_kafka_learns_what_was_stored_before_a_crash(kafka: str, topic: str) -> None:
    """Stored but not yet told to Kafka when the process died: the next one tells it, though nothing new comes."""
    everything = 2 * MESSAGES - 1  # each message has its marker behind it; the last one is still ahead
    inbox = Inbox(kafka, topic, topic + ".group", lambda _: {0: everything})
    for _ in range(100):
        assert inbox.take(0.2)[0] == []
        if kafka_lag(kafka, topic + ".group", topic) == 0:
            break
    inbox.close()
    assert kafka_lag(kafka, topic + ".group", topic) == 0


def test_what_was_not_stored_is_read_again(kafka: str, topic: str) -> None:
    """After a rewind, and after an idle moment too, nothing is skipped."""
    inbox = Inbox(kafka, topic, topic + ".group", lambda _: {0: 4}, batch=100)
    first: list[bytes | None] = []
    while len(first) < 2:
        first += [message.value for message in inbox.take(0.2)[0]]
    inbox.rewind()
    again: list[bytes | None] = []
    while len(again) < len(first):
        again += [message.value for message in inbox.take(0.2)[0]]
    inbox.close()
    assert first[0] == again[0] == b"2"
    assert again[: len(first)] == first


def test_what_kafka_did_not_take_is_told_again(kafka: str, topic: str) -> None:
    """An idle inbox whose last commit was refused tells it once more, or its group would lag for ever."""
    inbox = Inbox(kafka, topic, topic + ".group", lambda _: {})
    end = 2 * MESSAGES
    for _ in range(100):
        _, positions = inbox.take(0.2)
        inbox.done(positions)
        if kafka_lag(kafka, topic + ".group", topic) == 0:
            break
    admin = AdminClient({"bootstrap.servers": kafka})
    stranger = TopicPartition("no-topic-of-that-name", 0, 1)
    inbox.done({("no-topic-of-that-name", 0): 1})  # Kafka refuses it, and answers while the inbox is idle
    inbox.take(1.0)
    assert (stranger.topic, 0) not in inbox._told
    assert inbox._told == {(topic, 0): end}
    inbox.close()
    assert stranger.topic not in admin.list_topics(timeout=10).topics
