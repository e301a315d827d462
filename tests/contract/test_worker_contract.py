"""What every worker owes every stage: one suite, held against the in-memory broker and against Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.codec.framing import decode_as
from pipeline.domain.errors import ConfigError, Retryable
from pipeline.kafka import held
from pipeline.kafka.clients import murmur2_partition
from pipeline.kafka.limits import Limits
from pipeline.kafka.stores import DictStore, RocksStore, Store
from pipeline.stages.effects import headers_of
from tests.contract.toy_stages import Alarm, Broken, Counter, Flaky, Gauge, Patient, Picky, Router
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


@pytest.fixture(params=["dict", "rocks"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes a fresh store of either kind."""
    return DictStore if request.param == "dict" else lambda: RocksStore(tmp_path / "state")


def test_outputs_keep_key_value_headers_and_partition_order(world: World) -> None:
    """What goes in comes out once, whole, in order within its partition, placed by Java's hash of the key."""
    source, target = world.create("in", 3), world.create("out", 4)
    for number in range(40):
        world.send(source, b"k%d" % (number % 5), target.encode(), (("n", b"%d" % number), ("n", b"again")))
    worker = world.worker(Router((source,)))
    worker.run_until_idle()
    found = world.messages(target)
    assert sorted(int(message.headers[0][1]) for message in found) == list(range(40))
    for message in found:
        assert message.value == target.encode()
        assert message.headers[1] == ("n", b"again")
        assert message.partition == murmur2_partition(message.key or b"", 4)
    for key in {message.key for message in found}:
        numbers = [int(message.headers[0][1]) for message in found if message.key == key]
        assert numbers == sorted(numbers)


def test_an_explicit_partition_wins_over_the_key(world: World) -> None:
    """A stage may choose the partition itself."""
    source, target = world.create("in"), world.create("out", 4)
    for partition in range(4):
        world.send(source, b"the same key", f"{target}/{partition}".encode())
    world.worker(Router((source,))).run_until_idle()
    assert [message.partition for message in world.messages(target)] == [0, 1, 2, 3]


def test_a_stage_may_read_several_topics(world: World) -> None:
    """Without state, inputs are as many as the stage names."""
    one, two, target = world.create("one", 2), world.create("two"), world.create("out")
    world.send(one, b"a", target.encode())
    world.send(two, b"b", target.encode())
    world.worker(Router((one, two))).run_until_idle()
    assert {message.key for message in world.messages(target)} == {b"a", b"b"}


def test_lag_returns_to_zero(world: World) -> None:
    """Once idle, the group has committed all there is."""
    source, target = world.create("in", 2), world.create("out")
    for number in range(10):
        world.send(source, b"%d" % number, target.encode())
    worker = world.worker(Router((source,)))
    assert world.lag(worker, source) == 10
    worker.run_until_idle()
    assert world.lag(worker, source) == 0


def test_state_is_restored_after_a_restart(world: World, store: Callable[[], Store]) -> None:
    """A new worker counts on where the last one stopped, from the changelog alone; deleted keys stay deleted."""
    source, log, target = world.create("in", 3), world.create("log", 3), world.create("out")
    stage = Counter((source,), log, target)
    keys = [b"a", b"b", b"c", b"d"]
    for key in keys * 2:
        world.send(source, key, b"+")
    world.send(source, b"a", b"")
    first = world.worker(stage, store())
    first.run_until_idle()
    first.close()
    for key in keys:
        world.send(source, key, b"+")
    second = world.worker(stage, store())
    second.run_until_idle()
    counts = {key: [int(m.value or b"") for m in world.messages(target) if m.key == key] for key in keys}
    assert counts == {b"a": [1, 2, 3, 1], b"b": [1, 2, 3], b"c": [1, 2, 3], b"d": [1, 2, 3]}
    assert second.store.get(murmur2_partition(b"b", 3), b"b") == b"3"
    assert all(message.partition == murmur2_partition(message.key or b"", 3) for message in world.messages(log))


def test_a_timer_fires_once_when_it_is_due_and_survives_a_restart(world: World, store: Callable[[], Store]) -> None:
    """Timers are state: set before a restart, they fire after it, in order, not early, and never again."""
    source, log, target = world.create("in", 2), world.create("log", 2), world.create("out")
    stage = Alarm((source,), log, target)
    world.send(source, b"late", b"3000", partition=1)
    world.send(source, b"soon", b"2000", partition=1)
    world.send(source, b"other", b"2500", partition=0)
    first = world.worker(stage, store())
    first.run_until_idle()
    assert world.messages(target) == []
    first.close()
    second = world.worker(stage, store())
    world.clock.now = 2_499
    second.run_until_idle()
    assert [message.key for message in world.messages(target)] == [b"soon"]
    world.clock.now = 9_999
    second.run_until_idle()
    second.run_until_idle()
    assert sorted(message.key or b"" for message in world.messages(target)) == [b"late", b"other", b"soon"]


def test_a_tick_knows_how_far_each_partition_is_read(world: World) -> None:
    """Caught up, every owned partition reports the clock's time, also those that never held a message."""
    source, target = world.create("in", 2), world.create("out")
    world.send(source, b"k", b"v", partition=1)
    worker = world.worker(Gauge((source,), target))
    worker.run_until_idle()
    world.clock.now = 5_000
    worker.run_until_idle()
    reported = {(message.key, message.value) for message in world.messages(target)}
    assert {(b"0", b"5000"), (b"1", b"5000")} <= reported


def test_a_bad_message_becomes_a_dead_letter(world: World) -> None:
    """The original bytes and headers, why it is there, and nothing of its content in the reasons; the rest goes on."""
    source, target = world.create("in"), world.create("out")
    world.send(source, b"1", b"good")
    world.send(source, b"2", b"bad \xff\x00", (("ce_id", b"7"),))
    world.send(source, b"3", b"good")
    worker = world.worker(Picky((source,), target))
    worker.run_until_idle()
    assert [message.key for message in world.messages(target)] == [b"1", b"3"]
    [letter] = world.messages(source.replace(".in", ".dead"))
    assert (letter.key, letter.value) == (b"2", b"bad \xff\x00")
    headers = headers_of(letter)
    assert headers["ce_id"] == b"7"
    assert {name.removeprefix("__connect.errors."): text for name, text in headers.items() if "errors" in name} == {
        "topic": source.encode(),
        "partition": b"0",
        "offset": b"1",
        "connector.name": b"picky",
        "task.id": b"0",
        "stage": b"picky",
        "exception.class.name": b"InvalidMessage",
        "exception.message": b"not_wanted",
    }
    record = decode_as("DeadLetter", headers["hedx.deadletter"])
    assert record["digest"] == sha256(b"bad \xff\x00").digest()
    assert {name: record[name] for name in ("stage", "topic", "partition", "offset", "code", "detail")} == {
        "stage": "picky",
        "topic": source,
        "partition": 0,
        "offset": 1,
        "code": "not_wanted",
        "detail": "it says so",
    }


def test_one_poison_message_is_singled_out_of_a_batch(world: World) -> None:
    """A stage that raises on a batch costs one message, not the batch; order holds; its text is not published."""
    source, target = world.create("in"), world.create("out")
    for number in range(50):
        world.send(source, b"%d" % number, b"bug Zhang San" if number == 23 else b"good")
    worker = world.worker(Picky((source,), target))
    worker.run_until_idle()
    assert [int(message.key or b"") for message in world.messages(target)] == [n for n in range(50) if n != 23]
    [letter] = world.messages(source.replace(".in", ".dead"))
    assert (letter.key, letter.value) == (b"23", b"bug Zhang San")
    headers = headers_of(letter)
    assert headers["__connect.errors.exception.message"] == b"stage_failed"
    assert decode_as("DeadLetter", headers["hedx.deadletter"])["detail"].startswith("KeyError in step, line ")
    assert not any(b"Zhang" in content for content in headers.values())
    assert world.lag(worker, source) == 0


def mixed(world: World, source: str, count: int) -> list[bytes]:
    """`count` messages over three partitions, two of three of which can wait."""
    values = [b"%s %d" % (b"fast" if n % 3 == 0 else b"slow", n) for n in range(count)]
    for number, value in enumerate(values):
        world.send(source, b"", value, partition=number % 5 % 3)
    return values


@pytest.mark.parametrize("fail", [None, b"slow 31", b"fast 30"])
def test_what_can_wait_comes_after_the_others_and_is_not_lost(world: World, fail: bytes | None) -> None:
    """All are worked on, once each by their effects, whatever fails meanwhile; lag returns to 0."""
    source, log, output = world.create("source", 3), world.create("log", 3), world.create("output")
    values = mixed(world, source, 60)
    worker = world.worker(Patient((source,), log, output, fail=fail))
    worker.run_until_idle()
    written = [message.value for message in world.messages(output)]
    assert sorted(written, key=repr) == sorted(values, key=repr)
    assert world.lag(worker, source) == 0
    if fail is None and isinstance(world, MemoryWorld):  # Kafka may hand over one partition before another
        assert {value[:4] for value in written[:20] if value} == {b"fast"}
    assert (written[0] or b"").startswith(b"fast")
    worker.close()


@pytest.mark.parametrize("fail", [None, b"slow 31", b"fast 30", b"slow 199"])
def test_what_there_is_no_room_to_hold_is_read_again(
    world: World, fail: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little can be held back, and whatever fails: all are worked on, once each by their effects; lag returns to 0."""
    monkeypatch.setattr(held, "MOST", 4)
    source, log, output = world.create("source", 3), world.create("log", 3), world.create("output")
    values = mixed(world, source, 200)
    worker = world.worker(Patient((source,), log, output, fail=fail), limits=Limits(messages=16))
    worker.run_until_idle()
    values += mixed(world, source, 230)[200:]
    worker.run_until_idle()
    written = [message.value for message in world.messages(output)]
    assert sorted(set(written), key=repr) == sorted(values, key=repr)
    assert len(written) == len(values) or isinstance(world, MemoryWorld)
    assert world.lag(worker, source) == 0
    worker.close()


def test_what_waits_is_taken_up_again_by_the_next_worker(world: World) -> None:
    """A worker that ends with messages waiting has not committed beyond them: the next one reads them, and none twice."""
    source, log, output = world.create("source", 3), world.create("log", 3), world.create("output")
    values = mixed(world, source, 60)
    broken = world.worker(Broken(Patient((source,), log, output)))
    with pytest.raises(ConfigError):
        broken.run_until_idle()
    broken.close()
    assert {message.value for message in world.messages(output)} <= set(values[::3])
    worker = world.worker(Patient((source,), log, output))
    worker.run_until_idle()
    assert sorted((m.value for m in world.messages(output)), key=repr) == sorted(values, key=repr)
    assert world.lag(worker, source) == 0
    worker.close()


def test_effects_too_large_for_a_record_become_a_dead_letter(world: World) -> None:
    """A message whose output no topic would take has a defined end; its neighbours are not touched."""
    source, target = world.create("in"), world.create("out")
    for key, value in ((b"1", b"good"), (b"2", b"big"), (b"3", b"good")):
        world.send(source, key, value)
    world.worker(Picky((source,), target)).run_until_idle()
    assert [message.key for message in world.messages(target)] == [b"1", b"3"]
    [letter] = world.messages(source.replace(".in", ".dead"))
    assert (letter.key, letter.value) == (b"2", b"big")
    assert headers_of(letter)["__connect.errors.exception.message"] == b"effects_too_large"


def test_a_batch_too_large_for_a_transaction_is_cut(world: World) -> None:
    """Effects beyond the limits are split over several transactions, in order; nothing is lost or put aside."""
    source, target = world.create("in"), world.create("out")
    for number in range(30):
        world.send(source, b"%d" % number, b"x" * 1000)
    stage = Picky((source,), target)
    worker = world.worker(stage, limits=Limits(bytes=8_000, records=100))
    worker.run_until_idle()
    assert [int(message.key or b"") for message in world.messages(target)] == list(range(30))
    assert world.messages(source.replace(".in", ".dead")) == []


def test_retryable_is_tried_again_and_never_put_aside(world: World) -> None:
    """`Retryable` is nobody's fault: the same messages come again until the stage takes them."""
    source, target = world.create("in"), world.create("out")
    world.send(source, b"1", b"a")
    world.send(source, b"2", b"b")
    world.worker(Flaky((source,), target, Retryable, 2)).run_until_idle()
    assert [message.key for message in world.messages(target)] == [b"1", b"2"]
    assert world.messages(source.replace(".in", ".dead")) == []


def test_a_config_error_ends_the_worker_and_loses_nothing(world: World) -> None:
    """`ConfigError` is the operator's: it comes out, the message is not put aside, and the next worker reads it."""
    source, target = world.create("in"), world.create("out")
    world.send(source, b"1", b"a")
    stage = Flaky((source,), target, ConfigError, 1)
    first = world.worker(stage)
    with pytest.raises(ConfigError):
        first.run_until_idle()
    first.close()
    world.worker(stage).run_until_idle()
    assert [message.key for message in world.messages(target)] == [b"1"]
    assert world.messages(source.replace(".in", ".dead")) == []


def test_state_without_a_place_for_it_is_refused(world: World) -> None:
    """State needs one input topic and a changelog with as many partitions, and no changelog means no state."""
    one, two, log = world.create("one", 2), world.create("two", 2), world.create("log", 3)
    for stage, reason in (
        (Counter((one, two), world.create("log2", 2), one), "must read one topic"),
        (Counter((one,), log, one), "must be equal"),
    ):
        with pytest.raises(ConfigError, match=reason):
            world.worker(stage).run_until_idle()
    world.send(one, b"k", b"+")
    with pytest.raises(ConfigError, match="names no changelog"):
        world.worker(Counter((one,), None, two)).run_until_idle()


def test_an_unknown_topic_is_refused(world: World) -> None:
    """A misspelt input is told at once, not waited for."""
    with pytest.raises(ConfigError, match="nowhere"):
        world.worker(Router(("nowhere",))).run_until_idle()
