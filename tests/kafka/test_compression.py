"""A compressed batch is measured by what comes out of it, before anybody reads it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.topology import TOPICS_FILE, load

ZEROS = bytes(20 << 20)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_an_inbox_refuses_what_a_small_batch_unpacks_to(kafka: str, unique: Callable[[str], str], codec: str) -> None:
    """20 MiB of zeros take some 20 KB on the wire, less than the topic's limit; the broker answers that they are too large."""
    [spec] = [spec for spec in load(TOPICS_FILE, []).topics if spec.name == inbox(CENTER, "requests")]
    topic = unique(f"bomb-{codec}")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 1, 1, config=dict(spec.config))])[topic].result()
    said: list[int | None] = []

    def reported(error: KafkaError | None, _: Message) -> None:
        said.append(error.code() if error else None)

    settings = {"bootstrap.servers": kafka, "compression.type": codec, "message.max.bytes": 1_000_000_000}
    producer = Producer({**settings, "queue.buffering.max.kbytes": 100_000})
    producer.produce(topic, ZEROS, on_delivery=reported)
    producer.flush(30)
    producer.produce(topic, b"a message of the usual size", on_delivery=reported)
    producer.flush(30)
    assert said == [KafkaError.MSG_SIZE_TOO_LARGE, None]
