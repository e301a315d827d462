"""Whatever happens to a worker, its results stand exactly once: killed anywhere, stopped and woken, handed over."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import pytest

from pipeline.kafka.slots import Slot
from pipeline.kafka.worker import TransactionalWorker
from tests.contract.toy_stages import Counter
from tests.contract.worlds import KafkaWorld, kafka_lag
from tests.kafka.worker_process import LIMITS, start, wait_for

POINTS = ("stepped", "begun", "produced", "offsets_sent", "committed")
KEYS, MESSAGES = 7, 400


@dataclass
class Count:
    """A counting stage over four partitions, with messages to count."""

    world: KafkaWorld
    group: str
    source: str
    log: str
    output: str

    def process(self, slot: int, *fault: str | int) -> subprocess.Popen[bytes]:
        """A worker process in `slot`."""
        return start(self.world.bootstrap, self.group, slot, self.source, self.log, self.output, *fault)

    def send(self, messages: int) -> None:
        """`messages` more, over all keys."""
        for number in range(messages):
            self.world.send(self.source, b"k%d" % (number % KEYS), b"+")

    def worker(self, slot: int) -> TransactionalWorker:
        """A worker in this process, in `slot`."""
        worker = self.world.worker(Counter((self.source,), self.log, self.output), limits=LIMITS)
        worker.group, worker.slot = self.group, Slot(slot)
        return worker

    def check(self, messages: int) -> None:
        """Each key was counted 1, 2, 3 … in order, without gap or repetition, and Kafka sees no lag."""
        counts = Tally(b"k%d" % (number % KEYS) for number in range(messages))
        found: dict[bytes, list[int]] = {key: [] for key in counts}
        for message in self.world.messages(self.output):
            found[message.key or b""].append(int(message.value or b""))
        assert found == {key: list(range(1, count + 1)) for key, count in counts.items()}
        assert kafka_lag(self.world.bootstrap, self.group, self.source) == 0


@pytest.fixture
def count(kafka: str, unique: Callable[[str], str]) -> Iterator[Count]:
    """A stage with `MESSAGES` messages waiting."""
    world = KafkaWorld(kafka, unique)
    made = Count(world, unique("group"), world.create("in", 4), world.create("log", 4), world.create("out"))
    made.send(MESSAGES)
    yield made
    world.close()


def test_sigkill_at_any_point_leaves_each_result_exactly_once(count: Count) -> None:
    """The same slot is killed at every point of a transaction, each time restarted; nothing is lost or doubled."""
    for nth, point in enumerate(POINTS, 1):
        process = count.process(0, "SIGKILL", point, nth)
        assert process.wait(30) == -signal.SIGKILL
    count.worker(0).run_until_idle()
    count.check(MESSAGES)


def test_a_stopped_worker_is_fenced_when_it_wakes(count: Count) -> None:
    """Stopped between its changelog and its offsets, woken after another has taken over, it adds nothing of that.

    Within 20 s the other has everything: six of its session, then the rest of its transaction's eight. Awake, it either
    ends or takes its place in the group again; either way all counts stay exact.
    """
    zombie = count.process(0, "SIGSTOP", "produced", 3)
    wait_for(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_STOPPED)
    try:
        successor = count.worker(1)
        successor.run_until_idle(20)
        count.check(MESSAGES)
        zombie.send_signal(signal.SIGCONT)
        count.send(10 * KEYS)
        wait_for(lambda: work_on(successor) and kafka_lag(count.world.bootstrap, count.group, count.source) == 0)
        count.check(MESSAGES + 10 * KEYS)
    finally:
        zombie.kill()
        zombie.wait()


def test_sigterm_finishes_the_transaction_and_exits_cleanly(count: Count) -> None:
    """A stop asked for loses nothing and ends with exit code 0."""
    process = count.process(0)
    wait_for(lambda: len(count.world.messages(count.output)) > 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    count.worker(0).run_until_idle()
    count.check(MESSAGES)


def work_on(worker: TransactionalWorker) -> bool:
    """Keep the worker in its group for a moment, whatever partitions it has."""
    try:
        worker.run_until_idle(0.3)
    except TimeoutError:
        return False
    return True
