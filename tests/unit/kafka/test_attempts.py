"""The order in which a batch is worked through, and what offsets may be committed meanwhile."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipeline.codec import framing
from pipeline.crypto.authority import create_authority
from pipeline.crypto.trust import Trust
from pipeline.domain.catalog import Release
from pipeline.domain.errors import ConfigError, InvalidMessage, Retryable, ViewLost
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.attempts import Place, work_through
from pipeline.kafka.limits import Limits, Pace
from pipeline.kafka.stores import DictStore
from pipeline.signer.protocol import SignerGone
from pipeline.stages.collect import Collect
from pipeline.stages.effects import Batch, Effects, Message, Output, State

NOW = 1_795_150_800_000
TOPIC = "requests"


@dataclass
class Patient:
    """Lets messages that begin with `s` wait; fails on `sbug`, and puts it aside when it is alone."""

    name: str = "patient"
    inputs: tuple[str, ...] = (TOPIC,)
    changelog: str | None = None
    tick: float | None = None
    waiting: list[list[bytes | None]] = field(default_factory=list)

    def step(self, state: State, batch: Batch) -> Effects:
        """One output a message."""
        self.waiting.append([message.value for message in batch.waiting])
        if any(message.value == b"sbug" for message in batch.messages):
            raise KeyError
        return Effects([Output("out", None, message.value) for message in batch.messages])

    def can_wait(self, message: Message, now: int) -> bool:
        """By the first letter."""
        return (message.value or b"").startswith(b"s")


@dataclass
class Known:
    """A reference of nothing but a trust list."""

    trust: Trust
    current: Release | None = None

    def release(self, number: int) -> Release | None:
        """There is none."""
        return None


def message(offset: int, value: bytes, partition: int = 0, topic: str = TOPIC) -> Message:
    """A message appended `offset` seconds after the first."""
    return Message(topic, partition, offset, NOW + 1000 * offset, None, value)


def worked(stage: Patient, batch: list[Message]) -> list[tuple[list[bytes | None], dict[Place, int]]]:
    """Values written and first offsets left, transaction by transaction."""
    limits = Limits()
    steps = work_through(stage, DictStore(), batch, clock=lambda: NOW, owned=(), limits=limits, pace=Pace(limits))
    return [([o.value for o in step.effects.outputs], step.remaining) for step in steps]


def test_what_can_wait_comes_last_in_a_transaction_of_its_own() -> None:
    """The others are committed first; each group keeps the order of the log."""
    batch = [message(n, b"s%d" % n if n % 2 == 0 else b"g%d" % n) for n in range(6)]
    stage = Patient()
    assert worked(stage, batch) == [([b"g1", b"g3", b"g5"], {(TOPIC, 0): 0}), ([b"s0", b"s2", b"s4"], {})]
    assert stage.waiting == [[b"s0", b"s2", b"s4"], []]


def test_no_offset_passes_a_message_that_still_waits() -> None:
    """Whatever fails between the transactions, the waiting ones are read again: the lowest offset of each partition."""
    batch = [message(4, b"g", 0), message(5, b"s", 0), message(6, b"g", 0), message(7, b"s", 0), message(1, b"s", 1)]
    [(_, left), (_, nothing)] = worked(Patient(), batch)
    assert left == {(TOPIC, 0): 5, (TOPIC, 1): 1}
    assert nothing == {}


def test_a_batch_of_one_kind_stays_one_transaction() -> None:
    """No message is worked on earlier than it would be, and none later, when there is nothing to choose from."""
    assert len(worked(Patient(), [message(n, b"s") for n in range(5)])) == 1
    assert len(worked(Patient(), [message(n, b"g") for n in range(5)])) == 1


def test_a_failing_message_among_those_that_wait_is_singled_out() -> None:
    """Cutting in half goes on within the group, and offsets never pass what is left."""
    batch = [message(0, b"s0"), message(1, b"g1"), message(2, b"sbug"), message(3, b"g3"), message(4, b"s4")]
    steps = worked(Patient(), batch)
    assert sorted(value for values, _ in steps for value in values if value) == [b"g1", b"g3", b"s0", b"s4"]
    assert [left.get((TOPIC, 0)) for _, left in steps] == [0, 2, 4, None]


def test_the_watermark_does_not_pass_an_answer_that_still_waits() -> None:
    """Deadlines fire by the watermark: an answer that was put off has to be forwarded before one can."""
    collect = Collect(Known(Trust(create_authority(NOW).certificates)), sources=1, join_partitions=1)
    topic = inbox(CENTER, "responses")
    batch = Batch([message(9, b"", topic=topic)], NOW, (), [message(3, b"", topic=topic), message(5, b"", topic=topic)])
    effects = collect.step(DictStore(), batch)
    [watermark] = [
        framing.decode_as("Watermark", o.value or b"") for o in effects.outputs if (o.key or b"").startswith(b"water")
    ]
    assert watermark["time"] == NOW + 3000


@dataclass
class Failing(Patient):
    """Every step of it fails in one way."""

    failure: Exception = field(default_factory=KeyError)

    def step(self, state: State, batch: Batch) -> Effects:
        """Fails."""
        raise self.failure


@pytest.mark.parametrize(
    "failure",
    [
        ViewLost("the reference topics are not followed any more"),
        SignerGone("the signer is gone"),
        Retryable("not now"),
        ConfigError("a setting is wrong"),
        OSError(28, "No space left on device"),
        sqlite3.OperationalError("disk I/O error"),
        KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN)),
        MemoryError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_what_is_the_processs_fault_puts_no_message_aside(failure: Exception) -> None:
    """It passes through, whether one message was tried or many; nothing is yielded, so no offset is committed."""
    for batch in ([message(0, b"g")], [message(n, b"g") for n in range(4)]):
        with pytest.raises(type(failure)):
            worked(Failing(failure=failure), batch)


@pytest.mark.parametrize("failure", [KeyError("x"), RuntimeError("x"), RecursionError(), InvalidMessage("some_code")])
def test_any_other_failure_is_the_messages(failure: Exception) -> None:
    """One that no batch can be worked through with is put aside alone, and the next is worked on."""
    limits = Limits()
    stage = Failing(failure=failure)
    batch = [message(n, b"g") for n in range(2)]
    steps = work_through(stage, DictStore(), batch, clock=lambda: NOW, owned=(), limits=limits, pace=Pace(limits))
    dead = [error.code for step in steps for _, error in step.effects.dead]
    assert dead == [failure.code if isinstance(failure, InvalidMessage) else "stage_failed"] * 2
