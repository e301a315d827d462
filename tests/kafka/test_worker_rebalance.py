"""Workers share partitions, hand them over with their state, and see committed records only."""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer

from pipeline.kafka.clients import producer_config
from pipeline.kafka.limits import Limits
from pipeline.kafka.restore import RestoreTimeout, restore
from pipeline.kafka.slots import Slot
from pipeline.kafka.stores import DictStore
from pipeline.kafka.worker import TransactionalWorker
from tests.contract.toy_stages import Counter, Gauge, Router
from tests.contract.worlds import KafkaWorld
from tests.kafka.worker_process import wait_for


@pytest.fixture
def world(kafka: str, unique: Callable[[str], str]) -> Iterator[KafkaWorld]:
    """A real broker."""
    made = KafkaWorld(kafka, unique)
    yield made
    made.close()


def test_a_second_worker_takes_over_partitions_with_their_state(world: KafkaWorld) -> None:
    """Two workers share four partitions while messages keep coming; every count stays exact."""
    source, log, target = world.create("in", 4), world.create("log", 4), world.create("out")
    stage = Counter((source,), log, target)
    one, two = world.worker(stage), world.worker(stage)
    two.slot = Slot(1)
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in (one, two)]
    for number in range(600):
        world.send(source, b"k%d" % (number % 20), b"+")
        if number == 300:
            threads[0].start()
            wait_for(lambda: one.tally.messages == 301)
            threads[1].start()
    deadline = time.monotonic() + 30
    while (world.lag(one, source) or not two.tally.messages) and time.monotonic() < deadline:
        world.send(source, b"k%d" % (number % 20), b"+")
        number += 1
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join(20)
    found: dict[bytes, list[int]] = {}
    for message in world.messages(target):
        found.setdefault(message.key or b"", []).append(int(message.value or b""))
    sent = Tally(message.key for message in world.messages(source))
    assert one.tally.messages > 0
    assert two.tally.messages > 0
    assert two.tally.restored > 0
    assert {key: sorted(counts) for key, counts in found.items()} == {
        key: list(range(1, count + 1)) for key, count in sent.items()
    }


def test_aborted_records_are_never_seen_and_lag_still_returns_to_zero(world: KafkaWorld, kafka: str) -> None:
    """Of three transactions the aborted one leaves nothing but its marker, which the committed offset passes."""
    source, target = world.create("in"), world.create("out")
    producer = transactional(kafka, source)
    for key, ending in ((b"1", "commit"), (b"2", "abort"), (b"3", "commit"), (b"4", "abort")):
        producer.begin_transaction()
        producer.produce(source, target.encode(), key)
        producer.flush()
        producer.commit_transaction() if ending == "commit" else producer.abort_transaction()
    worker = world.worker(Router((source,)))
    worker.run_until_idle()
    assert [message.key for message in world.messages(target)] == [b"1", b"3"]
    assert world.lag(worker, source) == 0
    assert len(world.messages(source)) == 2


def test_a_partition_behind_an_open_transaction_is_not_caught_up(world: KafkaWorld, kafka: str) -> None:
    """Records appended but not yet committed hold the watermark back: nothing is reported until they are read."""
    source, target = world.create("in"), world.create("out")
    producer = transactional(kafka, source)
    producer.begin_transaction()
    producer.produce(source, b"v", b"k")
    producer.flush()
    stage = Gauge((source,), target)
    worker = world.worker(stage)
    with pytest.raises(TimeoutError):
        worker.run_until_idle(2)
    assert stage.ticks > 5
    assert world.messages(target) == []
    producer.commit_transaction()
    worker.run_until_idle()
    assert {message.value for message in world.messages(target)} == {b"1000"}


def test_restore_waits_for_another_workers_open_transaction(world: KafkaWorld, kafka: str) -> None:
    """An open transaction on the changelog is waited for, not skipped; if it outlasts the limit, restoring fails."""
    log = world.create("log")
    world.send(log, b"a", b"1")
    producer = transactional(kafka, log)
    producer.begin_transaction()
    producer.produce(log, b"2", b"a")
    producer.flush()
    store = DictStore()
    with pytest.raises(RestoreTimeout):
        restore(store, kafka, log, [0], seconds=1)
    commit = threading.Timer(1, producer.commit_transaction)
    commit.start()
    restore(store, kafka, log, [0], seconds=20)
    commit.join()
    assert store.get(0, b"a") == b"2"


def test_a_second_process_in_the_same_slot_fences_the_first(world: KafkaWorld) -> None:
    """One slot is one transactional id: the older worker cannot write once the newer has opened."""
    source, log, target = world.create("in"), world.create("log"), world.create("out")
    stage = Counter((source,), log, target)
    first, second = world.worker(stage), world.worker(stage)
    world.send(source, b"k", b"+")
    first.run_until_idle()
    second.open()
    world.send(source, b"k", b"+")
    with pytest.raises(Exception, match=r"(?i)fenced"):
        first.run_until_idle()
    second.run_until_idle()
    assert [message.value for message in world.messages(target)] == [b"1", b"2"]


def test_an_output_topic_that_does_not_exist_ends_the_worker(world: KafkaWorld, kafka: str) -> None:
    """A destination nobody made is no passing fault: the worker gives up, and has committed nothing."""
    source = world.create("in")
    world.send(source, b"k", world.create("out").encode() + b"-misspelt")
    worker = TransactionalWorker(Router((source,)), kafka, group=source + ".group", limits=Limits(transaction_ms=2_000))
    with worker, pytest.raises(Exception, match=r"(?i)unknown|timed|partition|aborted"):
        worker.run_until_idle(60)
    assert world.lag(worker, source) == 1


def transactional(bootstrap: str, name: str) -> Producer:
    """A producer with a transactional id of its own."""
    producer = Producer(producer_config(bootstrap, f"{name}.other", transaction_ms=15_000))
    producer.init_transactions(20)
    return producer
