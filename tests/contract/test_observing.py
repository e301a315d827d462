"""What a worker tells who looks on: every committed message once, with the step it was in, whichever the broker."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterator

import pytest

from pipeline.domain.errors import Retryable
from pipeline.kafka.observing import Observers, Restored, Worked
from tests.contract.toy_stages import Alarm, Counter, Flaky, Patient, Picky, Router
from tests.contract.worlds import KafkaWorld, MemoryWorld, World


@pytest.fixture(params=["memory", "kafka"])
def world(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> Iterator[World]:
    """The in-memory broker, then the real one."""
    if request.param == "memory":
        yield MemoryWorld(unique)
        return
    real = KafkaWorld(request.getfixturevalue("kafka"), unique)
    yield real
    real.close()


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.works: list[Worked] = []
        self.restores: list[Restored] = []
        self.aborts: list[tuple[str, str]] = []

    def worked(self, work: Worked) -> None:
        self.works.append(work)

    def restored(self, restored: Restored) -> None:
        self.restores.append(restored)

    def aborted(self, stage: str, reason: str) -> None:
        self.aborts.append((stage, reason))

    @property
    def steps(self) -> list[Worked]:
        """Those with messages."""
        return [work for work in self.works if work.messages]


def test_each_message_is_told_of_once_with_its_own_step(world: World) -> None:
    """A batch that had to be cut in half is told of piece by piece; what failed alone is in its own step's dead letters."""
    source, target = world.create("in"), world.create("out")
    values = [b"a", b"bug", b"b", b"bad", b"c"]
    for value in values:
        world.send(source, b"k", value)
    notes = Notes()
    world.worker(Picky((source,), target), observer=notes).run_until_idle()
    assert Counts(m.value for work in notes.steps for m in work.messages) == Counts(values)
    for work in notes.steps:
        assert work.stage == "picky"
        done = [*(o.value for o in work.effects.outputs), *(m.value for m, _ in work.effects.dead)]
        assert Counts(done) == Counts(m.value for m in work.messages)
        assert work.stepped >= 0
        assert work.committed >= 0
    assert sorted(e.code for work in notes.works for _, e in work.effects.dead) == ["not_wanted", "stage_failed"]


def test_a_step_that_waits_is_told_of_after_its_transaction(world: World) -> None:
    """What can wait has a transaction of its own, and is told of with that."""
    source, log, target = world.create("in"), world.create("log"), world.create("out")
    for value in (b"slow1", b"fast1", b"slow2", b"fast2"):
        world.send(source, b"k", value)
    notes = Notes()
    world.worker(Patient((source,), log, target), observer=notes).run_until_idle()
    told = [[m.value for m in work.messages] for work in notes.steps]
    assert told[0] == [b"fast1", b"fast2"]
    assert [value for values in told[1:] for value in values] == [b"slow1", b"slow2"]


def test_a_tick_is_told_of_without_messages(world: World) -> None:
    """A timer that fired is a transaction like any other."""
    source, log, target = world.create("in"), world.create("log"), world.create("out")
    world.send(source, b"k", b"2000")
    notes = Notes()
    worker = world.worker(Alarm((source,), log, target), observer=notes)
    worker.run_until_idle()
    world.clock.now = 3_000
    worker.run_until_idle()
    assert [work.messages for work in notes.works if work.effects.outputs] == [()]


def test_what_was_put_back_is_told_of_with_its_reason(world: World) -> None:
    """And the messages only once they are through."""
    source, target = world.create("in"), world.create("out")
    world.send(source, b"k", b"v")
    notes = Notes()
    world.worker(Flaky((source,), target, Retryable, 2), observer=notes).run_until_idle()
    assert notes.aborts == [("flaky", "Retryable")] * 2
    assert [m.value for work in notes.steps for m in work.messages] == [b"v"]


def test_a_restore_is_told_of_with_its_records(world: World) -> None:
    """The second worker reads back what the first one wrote; its view then shows as much."""
    source, log, target = world.create("in", 2), world.create("log", 2), world.create("out")
    for number in range(6):
        world.send(source, b"k%d" % number, b"+")
    stage = Counter((source,), log, target)
    first = world.worker(stage)
    first.run_until_idle()
    first.close()
    notes = Notes()
    second = world.worker(stage, observer=Observers([notes]))
    second.run_until_idle()
    assert sum(restored.records for restored in notes.restores) == 6
    assert sorted(p for restored in notes.restores for p in restored.partitions) == [0, 1]
    view = second.view()
    assert (view.partitions, view.held, view.entries, view.bytes) == (2, 0, 6, 6 * len(b"k0") + 6 * len(b"1"))
    assert view.turned_at > 0


def test_several_look_on(world: World) -> None:
    """Each is told the same, in order."""
    source, target = world.create("in"), world.create("out")
    world.send(source, b"k", target.encode())
    one, two = Notes(), Notes()
    world.worker(Router((source,)), observer=Observers([one, two])).run_until_idle()
    assert one.works == two.works
    assert len(one.steps) == 1


class Raising:
    """An observer with a defect."""

    def worked(self, work: Worked) -> None:
        raise KeyError("a label")

    def restored(self, restored: Restored) -> None:
        raise Retryable("a collector is away")

    def aborted(self, stage: str, reason: str) -> None:
        raise ValueError("a label")


def test_one_that_raises_changes_nothing(world: World) -> None:
    """Neither the messages, of which none is a dead letter or worked on twice, nor the worker, which goes on."""
    source, log, target = world.create("in"), world.create("log"), world.create("out")
    for _ in range(3):
        world.send(source, b"k", b"+")
    stage = Counter((source,), log, target)
    first = world.worker(stage, observer=Raising())
    first.run_until_idle()
    first.close()
    world.send(source, b"k", b"+")
    second = world.worker(stage, observer=Observers([Raising()]))
    second.run_until_idle()
    assert [message.value for message in world.messages(target)] == [b"1", b"2", b"3", b"4"]


def test_one_that_raises_when_told_of_an_abort_keeps_nothing_from_coming_again(world: World) -> None:
    """The messages are through after as many times as without it."""
    source, target = world.create("in"), world.create("out")
    world.send(source, b"k", b"v")
    world.worker(Flaky((source,), target, Retryable, 2), observer=Raising()).run_until_idle()
    assert [message.value for message in world.messages(target)] == [b"v"]
