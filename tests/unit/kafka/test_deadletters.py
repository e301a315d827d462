"""Dead letters fit their topic, whatever was put aside."""

from __future__ import annotations

from hashlib import sha256

from pipeline.codec import framing
from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.deadletters import HEADER, LARGEST, dead_letter
from pipeline.kafka.topology import TOPICS_FILE, load
from pipeline.stages.effects import Message, Output

REASON = InvalidMessage("size", "too large")


def letter(message: Message) -> Output:
    """The dead letter of `message`."""
    return dead_letter(message, REASON, stage="intake", task=0)


def size(output: Output) -> int:
    """Bytes of a record, headers included."""
    headers = sum(len(name) + len(value) for name, value in output.headers)
    return len(output.key or b"") + len(output.value or b"") + headers


def test_a_message_of_the_usual_size_is_kept_whole() -> None:
    """Key, value and headers as they came; a missing value stays missing."""
    kept = letter(Message("hedx.center.requests", 0, 7, 0, b"key", bytes(900_000), (("trace", b"t"),)))
    assert (kept.key, kept.value, kept.headers[0]) == (b"key", bytes(900_000), ("trace", b"t"))
    assert letter(Message("hedx.center.requests", 0, 7, 0, None, None)).value is None


def test_what_came_out_of_a_compressed_batch_is_cut_to_what_its_topic_takes() -> None:
    """20 MiB of zeros travel in 20 KB; the dead letter has the first of them, and the digest of all."""
    value = bytes(20 << 20)
    kept = letter(Message("hedx.center.requests", 0, 7, 0, bytes(1 << 20), value, (("junk", bytes(1 << 20)),)))
    [topic] = [spec for spec in load(TOPICS_FILE, []).topics if spec.name == "hedx.deadletters"]
    assert size(kept) < int(topic.config["max.message.bytes"]) - 1024
    assert kept.value == value[:LARGEST]
    assert framing.decode_as("DeadLetter", dict(kept.headers)[HEADER])["digest"] == sha256(value).digest()
