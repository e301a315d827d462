"""Dead letters: a message nobody can process, put aside whole, with the story of why."""

from __future__ import annotations

from hashlib import sha256

from pipeline.codec.framing import encode
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import DeadLetter
from pipeline.kafka.rejections import harmless
from pipeline.stages.effects import Message, Output

TOPIC = "hedx.deadletters"
HEADER = "hedx.deadletter"
CONNECT = "__connect.errors."
"""Prefix of the headers Kafka Connect gives its dead letters (KIP-298), so that tools for those read these too."""


def dead_letter(message: Message, error: InvalidMessage, *, stage: str, task: int, topic: str = TOPIC) -> Output:
    """The record that puts `message` aside: its own key, value (sealed as it came) and headers, then the reasons.

    Nothing of the message's content gets into the headers: the exception's message is its code alone.
    """
    story = {
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "connector.name": stage,
        "task.id": str(task),
        "stage": stage,
        "exception.class.name": type(error).__name__,
        "exception.message": error.code,
    }
    headers = tuple((CONNECT + name, text.encode()) for name, text in story.items())
    record = encode("DeadLetter", _record(message, error, stage))
    return Output(topic, message.key, message.value, (*message.headers, *headers, (HEADER, record)))


def _record(message: Message, error: InvalidMessage, stage: str) -> DeadLetter:
    return DeadLetter(
        stage=stage,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp=message.timestamp,
        code=error.code,
        detail=harmless(error.detail),
        digest=sha256(message.value or b"").digest(),
    )
