"""Lag as the exporter tells it, on a real broker: transactions, compaction, retention, absence, and its two ways to know since when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.kafka.clients import admin_config, consumer_config, producer_config
from pipeline.kafka.ends import begin_offsets, end_offsets
from pipeline.ops.lag_history import History
from pipeline.ops.lag_poll import Poller, Scope, brokers_clock
from pipeline.ops.lag_reading import ReadingSince
from pipeline.ops.lag_rules import Limits
from pipeline.ops.lag_samples import GroupSample, Sample, Target
from pipeline.ops.lag_search import SearchingSince, offsets_at
from tests.processes import wait_until

PATIENCE = 30.0


class Bench:
    """Topics and groups under a prefix of the test's own, and a poller over them."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self.kafka = kafka
        self.prefix = prefix
        self.admin = AdminClient(admin_config(kafka))
        self.expected: dict[str, str] = {}

    def topic(self, name: str, partitions: int = 1, **config: str) -> str:
        """Make a topic; keywords are settings with `_` for `.`."""
        full = self.prefix + name
        settings = {key.replace("_", "."): value for key, value in config.items()}
        self.admin.create_topics([NewTopic(full, partitions, 1, config=settings)])[full].result(PATIENCE)
        wait_until("topic", lambda: full in self.admin.list_topics(timeout=10).topics, PATIENCE)
        return full

    def write(self, topic: str, count: int, timestamp: int = 0, partition: int = 0, key: bytes = b"k") -> None:
        """Write records outside any transaction; `timestamp`: ms, 0 for now."""
        producer = Producer(producer_config(self.kafka))
        for number in range(count):
            producer.produce(topic, b"%d" % number, key, partition=partition, timestamp=timestamp)
        assert producer.flush(PATIENCE) == 0

    def transactional(self) -> Producer:
        """A producer in transactions, ready."""
        producer = Producer(producer_config(self.kafka, self.prefix + "writer"))
        producer.init_transactions(PATIENCE)
        return producer

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> str:
        """Commit offsets for a group that nobody is in; returns its full name."""
        name = self.prefix + group
        consumer = Consumer(consumer_config(self.kafka, name))
        places = [TopicPartition(topic, *item) for item in offsets.items()]

        def committed() -> bool:
            try:
                consumer.commit(offsets=places, asynchronous=False)
            except KafkaException:  # the group's coordinator is coming up
                return False
            return True

        wait_until("committed", committed, PATIENCE)
        consumer.close()
        return name

    def look(self, group: str) -> GroupSample:
        """One poll, by a poller that has seen nothing before."""
        with Poller(self.kafka, Scope(self.prefix, self.expected)) as poller:
            [found] = [each for each in poller.poll().groups if each.name == group]
        return found

    def sample(self, group: str) -> Sample:
        """What one poll says of the only partition of a group."""
        [found] = self.look(group).partitions.values()
        return found


@pytest.fixture
def bench(kafka: str, topic_prefix: str) -> Bench:
    """A bench of the test's own."""
    return Bench(kafka, topic_prefix)


def transaction(producer: Producer, topic: str, count: int, *, commit: bool = True, timestamp: int = 0) -> None:
    """One transaction with `count` records, committed or aborted; `timestamp`: ms, 0 for now."""
    producer.begin_transaction()
    for number in range(count):
        producer.produce(topic, b"%d" % number, b"k", partition=0, timestamp=timestamp)
    producer.flush()
    if commit:
        producer.commit_transaction(PATIENCE)
    else:
        producer.abort_transaction(PATIENCE)


def test_a_position_before_markers_only_is_no_lag(bench: Bench) -> None:
    """Three transactions, committed before the last one's marker: Kafka counts an offset, a reader would find nothing."""
    topic = bench.topic("in")
    producer = bench.transactional()
    for _ in range(3):
        transaction(producer, topic, 2)
    group = bench.commit("group", topic, {0: 8})
    found = bench.sample(group)
    assert (found.committed, found.end, found.lag, found.seconds) == (8, 9, 0, 0.0)
    before = bench.sample(bench.commit("before", topic, {0: 7}))
    assert before.lag == 2
    assert before.seconds is not None
    assert 0 < before.seconds < PATIENCE


def test_aborted_records_are_no_lag(bench: Bench) -> None:
    """What a reader of committed records will never see does not wait."""
    topic = bench.topic("in")
    producer = bench.transactional()
    transaction(producer, topic, 2)
    transaction(producer, topic, 5, commit=False)
    found = bench.sample(bench.commit("group", topic, {0: 3}))
    assert (found.end, found.lag, found.seconds) == (9, 0, 0.0)
    transaction(producer, topic, 1)
    found = bench.sample(bench.commit("group", topic, {0: 3}))
    assert (found.end, found.lag) == (11, 8)


def test_behind_an_open_transaction_records_wait(bench: Bench) -> None:
    """Nobody can read them yet, and somebody ought to know: they wait since they were written."""
    topic = bench.topic("in")
    producer = bench.transactional()
    transaction(producer, topic, 1)
    written = brokers_clock()
    producer.begin_transaction()
    producer.produce(topic, b"open", b"k", partition=0)
    producer.flush()
    group = bench.commit("group", topic, {0: 2})
    time.sleep(0.5)  # so that the marker of the transaction before is told apart
    found = bench.sample(group)
    producer.abort_transaction(PATIENCE)
    assert found.lag == 1
    assert found.seconds is not None
    assert 0.5 <= found.seconds <= (found.at - written) / 1000 + 0.1


def test_seconds_are_those_of_the_record_at_the_committed_offset(bench: Bench) -> None:
    """Not of the last one read, and not of the newest."""
    topic = bench.topic("in")
    now = brokers_clock()
    for age in (900, 500, 100):
        bench.write(topic, 1, now - age * 1000)
    found = bench.sample(bench.commit("group", topic, {0: 1}))
    assert found.lag == 2
    assert found.seconds == pytest.approx(500, abs=PATIENCE)


def test_retention_ratio(bench: Bench) -> None:
    """Half of the topic's retention has passed over the first unread record; without retention there is no ratio."""
    topic, kept = bench.topic("in", retention_ms="7200000"), bench.topic("kept", retention_ms="-1")
    for each in (topic, kept):
        bench.write(each, 2, brokers_clock() - 3_600_000)
    assert bench.sample(bench.commit("group", topic, {0: 1})).ratio == pytest.approx(0.5, abs=0.01)
    assert bench.sample(bench.commit("of-kept", kept, {0: 1})).ratio is None


def test_records_deleted_unread_show(bench: Bench) -> None:
    """The first record kept is the first that can be read; the ratio is 1 at least, and rule 4 says how many are gone."""
    topic = bench.topic("in")
    bench.write(topic, 10)
    group = bench.commit("group", topic, {0: 2})
    [deleted] = bench.admin.delete_records([TopicPartition(topic, 0, 6)]).values()
    deleted.result(PATIENCE)
    found = bench.sample(group)
    assert (found.committed, found.begin, found.lag, found.ratio) == (2, 6, 8, 1.0)


def test_a_compacted_topic_is_marked_and_judged_by_time(bench: Bench) -> None:
    """`compact` has no retention; `compact,delete` has one, and both are marked."""
    topic = bench.topic("table", cleanup_policy="compact")
    both = bench.topic("both", cleanup_policy="compact,delete", retention_ms="7200000")
    for each in (topic, both):
        bench.write(each, 3, brokers_clock() - 3_600_000)
    found = bench.sample(bench.commit("group", topic, {0: 1}))
    assert (found.compacted, found.lag, found.ratio) == (True, 2, None)
    assert found.seconds == pytest.approx(3600, abs=PATIENCE)
    assert bench.sample(bench.commit("of-both", both, {0: 1})).ratio == pytest.approx(0.5, abs=0.01)


def test_an_expected_group_that_was_never_there(bench: Bench) -> None:
    """It is absent and stopped, with everything on its topic as lag; of a topic that is not there nothing is expected."""
    topic = bench.topic("in", 2)
    bench.write(topic, 4, partition=1)
    group = bench.prefix + "nobody"
    bench.expected = {group: topic, bench.prefix + "elsewhere": bench.prefix + "no-topic"}
    with Poller(bench.kafka, Scope(bench.prefix, bench.expected)) as poller:
        judged = History(Limits()).judge(poller.poll())
    [found] = judged.groups
    assert (found.sample.name, found.sample.absent, found.lag) == (group, True, 4)
    assert (found.verdict.status, found.verdict.rule) == ("stopped", 1)
    bench.commit("nobody", topic, {0: 0})
    found_now = bench.look(group)
    assert (found_now.absent, found_now.members) == (False, 0)


def test_lag_is_never_negative_while_records_come(bench: Bench) -> None:
    """A reader that commits at once what it has read, under a running producer: each committed offset is at or below the end."""
    topic = bench.topic("in")
    stop = threading.Event()

    def produce() -> None:
        producer = Producer(producer_config(bench.kafka))
        while not stop.is_set():
            producer.produce(topic, b"x", partition=0)
            producer.flush(PATIENCE)

    def consume() -> None:
        consumer = Consumer(consumer_config(bench.kafka, bench.prefix + "group"))
        consumer.subscribe([topic])
        while not stop.is_set():
            if consumer.poll(0.1) is not None:
                consumer.commit(asynchronous=True, offsets=consumer.position(consumer.assignment()))
        consumer.close()

    threads = [threading.Thread(target=produce), threading.Thread(target=consume)]
    for thread in threads:
        thread.start()
    seen: list[Sample] = []
    try:
        with Poller(bench.kafka, Scope(bench.prefix, {})) as poller:

            def moving() -> bool:
                seen.extend(s for group in poller.poll().groups for s in group.partitions.values())
                return len({each.committed for each in seen}) > 20

            wait_until("20 commits seen", moving, PATIENCE)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all((each.committed or 0) <= each.end for each in seen)
    assert {each.lag == each.end - (each.committed or each.begin) for each in seen if each.lag} <= {True}


def test_searching_says_what_reading_says(bench: Bench) -> None:
    """On a topic that brokers stamp, at every offset, within a few milliseconds; all partitions in one request a round."""
    topic = bench.topic("in", 3, message_timestamp_type="LogAppendTime")
    for number in range(24):
        bench.write(topic, 1 + number % 4, partition=number % 3)
        time.sleep(0.003 * (number % 5))  # so that times differ
    places = [(topic, number) for number in range(3)]
    begins, ends = begin_offsets(bench.admin, places), end_offsets(bench.admin, places)
    targets = [Target(*place, offset, ends[place]) for place in places for offset in range(begins[place], ends[place])]
    assert len(targets) > 50
    with closing(ReadingSince(bench.kafka)) as reading:
        read = reading(targets)
    search = SearchingSince(offsets_at(bench.admin), brokers_clock)
    searched = search(targets)
    assert set(read) == set(searched) == set(targets)
    for target in targets:
        assert searched[target] == pytest.approx(read[target], abs=3), target
    search = SearchingSince(offsets_at(bench.admin), brokers_clock)
    search([Target(*place, ends[place] - 1, ends[place]) for place in places])
    assert search.rounds <= 30


def test_searching_where_producers_clocks_disagree(bench: Bench) -> None:
    """The latest timestamp up to the offset: an old stamp on a new record does not make the group look late."""
    topic = bench.topic("in")
    now = brokers_clock()
    for age in (300, 200, 500, 100):
        bench.write(topic, 1, now - age * 1000)
    search = SearchingSince(offsets_at(bench.admin), brokers_clock)
    [since] = search([Target(topic, 0, 2, 4)]).values()
    assert since == pytest.approx(now - 200_000, abs=3)


@pytest.fixture
def consumer(bench: Bench) -> Iterator[Callable[[str], Consumer]]:
    """Makes static members of `group`, which leave only when their session is over."""
    made: list[Consumer] = []

    def join(topic: str) -> Consumer:
        member = Consumer(consumer_config(bench.kafka, bench.prefix + "group", instance="0", session_ms=6_000))
        member.subscribe([topic])
        made.append(member)
        return member

    yield join
    for member in made:
        member.close()


def test_a_member_that_does_not_get_on_is_stalled_and_one_that_left_is_stopped(
    bench: Bench, consumer: Callable[[str], Consumer]
) -> None:
    """A static member that heartbeats and commits nothing: STALLED; once its session is over: STOPPED; read again: ok."""
    topic = bench.topic("in")
    bench.write(topic, 3)
    group = bench.commit("group", topic, {0: 1})
    history = History(Limits(stalled=1.0))
    with Poller(bench.kafka, Scope(bench.prefix, {group: topic})) as poller:

        def judged() -> tuple[str, int]:
            [found] = history.judge(poller.poll()).groups
            return found.verdict.status, found.verdict.rule

        assert judged() == ("stopped", 2)
        frozen = consumer(topic)
        wait_until("assigned", lambda: frozen.poll(0.1) is not None, PATIENCE)
        wait_until("stalled", lambda: judged() == ("stalled", 3), PATIENCE)
        frozen.close()  # a static member's place is kept for it until its session is over
        wait_until("stopped", lambda: judged() == ("stopped", 2), PATIENCE)
        healthy = consumer(topic)
        wait_until("assigned again", lambda: healthy.poll(0.1) is not None, PATIENCE)
        healthy.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
        wait_until("ok", lambda: judged() == ("ok", 10), PATIENCE)
