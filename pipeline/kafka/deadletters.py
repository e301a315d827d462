"""Dead letters: a message nobody can process, put aside whole, with the story of why."""

from __future__ import annotations

from hashlib import sha256

from pipeline.codec.framing import encode
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.printing import harmless
from pipeline.domain.records import DeadLetter
from pipeline.stages.effects import Headers, Message, Output

TOPIC = "hedx.deadletters"
HEADER = "hedx.deadletter"
CUT = "hedx.deadletter.cut"
"""Names, where there is something to name, what of the message the letter does not have: `key`, `value`, `headers`."""
CONNECT = "__connect.errors."
"""Prefix of the headers Kafka Connect gives its dead letters (KIP-298), so that tools for those read these too."""
LARGEST = 1024 * 1024
"""Bytes of key and value that a dead letter keeps. A topic's limit holds for compressed batches: what a reader gets out of one
may be a thousand times as large, and would fit no topic."""
_STORY = (
    "topic",
    "partition",
    "offset",
    "connector.name",
    "task.id",
    "stage",
    "exception.class.name",
    "exception.message",
)
MOST_HEADERS = 64 * 1024
"""Bytes of the message's own headers that it keeps."""


def dead_letter(message: Message, error: InvalidMessage, *, stage: str, task: int, topic: str = TOPIC) -> Output:
    """The record that puts `message` aside: its own key, value (sealed as it came) and headers, then the reasons.

    A value beyond `LARGEST` is cut off there, key and headers beyond their limits are left out; the digest in the record is
    that of the whole value, which stays where it was read.
    Nothing of the message's content gets into the headers: the exception's message is its code alone.
    """
    told = (message.topic, message.partition, message.offset, stage, task, stage, type(error).__name__, error.code)
    headers = tuple((CONNECT + name, str(text).encode()) for name, text in zip(_STORY, told, strict=True))
    record = encode("DeadLetter", _record(message, error, stage))
    key = message.key if len(message.key or b"") <= MOST_HEADERS else None
    value = message.value and message.value[: LARGEST - len(key or b"")]
    own = message.headers if sum(len(name) + len(said or b"") for name, said in message.headers) <= MOST_HEADERS else ()
    kept = {"key": (key, message.key), "value": (value, message.value), "headers": (own, message.headers)}
    cut = ",".join(name for name, (here, there) in kept.items() if here != there)
    note = ((CUT, cut.encode()),) if cut else ()
    return Output(topic, key, value, (*own, *headers, *note, (HEADER, record)))


def own_headers(headers: Headers) -> Headers:
    """The headers that the message itself had, of a letter's: ours stand behind them, whatever a stranger's are called."""
    end = len(headers) - 1  # HEADER
    if end > 0 and headers[end - 1][0] == CUT:
        end -= 1
    return headers[: max(0, end - len(_STORY))]


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
