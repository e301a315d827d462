"""Looking for something in a topic: from an instant on, to its end as of now, within bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.kafka.clients import producer_config
from pipeline.kafka.scanning import CHUNK, Scan

PARTITIONS = 3
START = 1_700_000_000_000

pytestmark = pytest.mark.usefixtures("plaintext")


@pytest.fixture
def topic(kafka: str, unique: Callable[[str], str]) -> str:
    """A topic with 30 records, a second apart, over three partitions; and one that was aborted."""
    name = unique("facts")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
    producer = Producer(producer_config(kafka, unique("writer")))
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(30):
        producer.produce(name, str(number).encode(), partition=number % PARTITIONS, timestamp=START + number * 1000)
    producer.commit_transaction()
    producer.begin_transaction()
    producer.produce(name, b"aborted", partition=0, timestamp=START)
    producer.flush()
    producer.abort_transaction()
    return name


def values(scan: Scan, topic: str, **bounds: object) -> list[int]:
    """The numbers of what is read, in order."""
    return sorted(int(message.value or b"") for message in scan.read(topic, **bounds))  # type: ignore[arg-type]


def test_all_of_a_topic_is_read_and_no_more(kafka: str, topic: str) -> None:
    """Committed records of all partitions; what was looked at is told."""
    scan = Scan(kafka)
    assert values(scan, topic) == list(range(30))
    [looked] = scan.looked
    assert (looked.partitions, looked.records, looked.since, looked.cut) == (PARTITIONS, 30, None, False)


def test_an_instant_leads_to_where_reading_begins_and_ends(kafka: str, topic: str) -> None:
    """By the brokers' index, not by reading what lies before."""
    scan = Scan(kafka)
    assert values(scan, topic, since=START + 10_000, until=START + 19_000) == list(range(10, 20))
    assert scan.looked[0].records == 10
    assert values(scan, topic, since=START + 10**9) == []


def test_one_partition_is_enough_where_the_key_says_which(kafka: str, topic: str) -> None:
    """The others are not read."""
    assert values(Scan(kafka), topic, partitions=[1]) == list(range(1, 30, 3))


def test_more_than_is_allowed_is_not_read_and_that_is_told(kafka: str, topic: str) -> None:
    """Exactly as many as allowed is not too many."""
    scan = Scan(kafka)
    assert len(values(scan, topic, most=7)) == 7
    assert len(values(scan, topic, most=30)) == 30
    assert [looked.cut for looked in scan.looked] == [True, False]


def test_a_topic_that_cannot_be_read_is_told_and_gives_nothing(kafka: str, unique: Callable[[str], str]) -> None:
    """It is not there, or may not be seen: who asks must know that silence is no answer."""
    scan = Scan(kafka)
    assert values(scan, unique("absent")) == []
    [looked] = scan.looked
    assert looked.cut
    assert "cannot be read" in (looked.why or "")


def test_it_says_how_far_it_has_read(kafka: str, unique: Callable[[str], str]) -> None:
    """On a long topic, now and then."""
    name = unique("long")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    producer = Producer(producer_config(kafka))
    for _ in range(2 * CHUNK + 1):
        producer.produce(name, b"1")
    assert producer.flush(30) == 0
    told: list[tuple[str, int]] = []
    scan = Scan(kafka, progress=lambda topic, records: told.append((topic, records)))
    assert len(values(scan, name)) == 2 * CHUNK + 1
    assert told == [(name, CHUNK), (name, 2 * CHUNK)]


def test_where_time_is_simulated_instants_are_no_bounds(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers go by real time: everything is read then."""
    monkeypatch.setattr("pipeline.kafka.scanning.os.environ", {"HEDX_CLOCK": "steps"})
    assert values(Scan(kafka), topic, since=START + 10_000, until=START + 19_000) == list(range(30))
