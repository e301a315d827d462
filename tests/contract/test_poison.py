"""Poison: a message nobody can process goes to the dead letters as it came, and the stage lives on."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.deadletters import HEADER
from pipeline.stages import topics
from pipeline.stages.effects import Message
from tests.network import Network
from tests.scenario import assert_equals_oracle, network_for

CENTER_INPUTS = {
    inbox(CENTER, "requests"): "intake",
    topics.APPLICATIONS: "applications",
    inbox(CENTER, "responses"): "collect",
    topics.JOIN: "join",
}


def poison(network: Network, topic: str, partition: int) -> list[Message]:
    """Records of all kinds of wrongness, at the head of a partition."""
    record = framing.encode("LifecycleEvent", _event())
    values = [None, b"", b"\0", b"\xff" * 100, os.urandom(1000), os.urandom(100_000), record, record[:-1]]
    return [
        network.broker.produce(topic, b"key %d" % n, value, (("trace", b"t%d" % n),), partition)
        for n, value in enumerate(values)
    ]


@pytest.mark.parametrize("topic", CENTER_INPUTS)
def test_poison_at_the_center_is_put_aside_with_its_bytes(tmp_path: Path, sample: Sample, topic: str) -> None:
    """Key, value and headers are kept; the reason is in Connect's headers and in the record; work goes on."""
    network = network_for(sample, tmp_path)
    sent = [message for partition in range(3) for message in poison(network, topic, partition)]
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)
    letters = network.broker.messages(topics.DEAD_LETTERS)
    assert sorted((m.key, m.value or b"") for m in letters) == sorted((m.key, m.value or b"") for m in sent)
    for letter in letters:
        headers = dict(letter.headers)
        record = framing.decode_as("DeadLetter", headers[HEADER])
        [original] = [m for m in sent if (m.partition, m.offset) == (record["partition"], record["offset"])]
        assert (record["topic"], record["stage"]) == (topic, CENTER_INPUTS[topic])
        assert (original.key, original.value) == (letter.key, letter.value)
        assert record["digest"] == sha256(letter.value or b"").digest()
        assert headers["trace"] == dict(original.headers)["trace"]
        assert headers["__connect.errors.topic"] == topic.encode()
        assert headers["__connect.errors.exception.message"] == record["code"].encode()
        assert record["code"] != "stage_failed", "every kind of poison is refused by name, none by accident"


@pytest.mark.parametrize("kind", ["requests", "responses"])
@pytest.mark.parametrize("party", ["37", "53"])
def test_poison_at_a_party_is_kept_in_its_store(tmp_path: Path, sample: Sample, party: str, kind: str) -> None:
    """A party keeps dead letters beside its work, in the same transaction; its inbox is never stuck."""
    network = network_for(sample, tmp_path)
    topic = inbox(party, kind)  # type: ignore[arg-type]
    sent = [message for partition in range(3) for message in poison(network, topic, partition)]
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)
    store = network.parties[party].store.connection
    kept = store.execute("SELECT topic, partition, offset, key, value FROM dead_letter").fetchall()
    assert sorted(kept, key=repr) == sorted([(m.topic, m.partition, m.offset, m.key, m.value) for m in sent], key=repr)


@pytest.mark.parametrize("kind", ["requests", "responses"])
def test_a_genuine_envelope_with_any_bit_wrong_is_put_aside(tmp_path: Path, sample: Sample, kind: str) -> None:
    """Bits flipped across a real envelope never reach a stage's state, and the genuine one is taken after it."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("intake",) if kind == "requests" else ("collect",))
    topic = inbox(CENTER, kind)  # type: ignore[arg-type]
    [genuine, *_] = network.broker.messages(topic)
    value = genuine.value or b""
    places = range(0, len(value) * 8, max(1, len(value) * 8 // 40))
    altered = {bytes(value[: b // 8] + bytes((value[b // 8] ^ 1 << b % 8,)) + value[b // 8 + 1 :]) for b in places}
    other = (genuine.partition + 1) % 3
    for wrong in altered:
        network.broker.produce(topic, genuine.key, wrong, genuine.headers, other)
    network.run()
    assert {m.value for m in network.broker.messages(topics.DEAD_LETTERS)} == altered
    assert_equals_oracle(network, sample)


def _event() -> dict[str, object]:
    return {
        "event_id": "e",
        "at": 0,
        "stage": "intake",
        "kind": "poison",
        "application_id": None,
        "section": None,
        "party": None,
        "provider": None,
        "count": 1,
        "code": None,
        "by": None,
        "since": None,
        "state": None,
        "change": None,
        "parts": [],
    }
