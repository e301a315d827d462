"""hedx.checkpoints, where every party may write: what junk there costs a reader."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from pipeline.crypto.keys import LocalSigner
from pipeline.crypto.seal_keys import sign_seal_key
from pipeline.crypto.suite import generate_key, point
from pipeline.crypto.trust_log import log_head
from pipeline.domain.errors import Retryable, ViewLost
from pipeline.domain.records import SealKey
from pipeline.kafka.reference import LiveReference
from pipeline.kafka.rejections import EACH, TOGETHER
from pipeline.kafka.topology import TOPICS_FILE, load
from pipeline.stages import topics
from pipeline.stages.effects import Message
from pipeline.stages.reference import cosign, publish_seal_key
from tests.unit.crypto.exchange import DAY, NOW, identity
from tests.unit.stages.trust_world import World


class Trickle:
    """A topic that gives one record every `seconds`, `count` of them, and ends then or (`stuck`) never."""

    topic = topics.CHECKPOINTS

    def __init__(self, count: int, seconds: float, *, stuck: bool = False) -> None:
        self._left = count
        self._seconds = seconds
        self._stuck = stuck

    @property
    def ready(self) -> bool:
        """Whether its end was read."""
        return not self._left and not self._stuck

    def poll(self, timeout: float) -> list[Message]:
        """The next one."""
        time.sleep(self._seconds)
        if not self._left:
            return []
        self._left -= 1
        return [Message(self.topic, 0, self._left, NOW, b"37", b"junk")]


@pytest.fixture
def reference(tmp_path: Path) -> LiveReference:
    """A reader that has its anchor and is not connected."""
    return LiveReference("localhost:1", World().anchor(), tmp_path / "seen")


def junk(count: int, key: bytes) -> list[Message]:
    """Records that nobody signed."""
    return [Message(topics.CHECKPOINTS, 0, n, NOW, key, b"junk") for n in range(count)]


@pytest.mark.parametrize("key", [b"37", b"", b"no party", b"\xff"])
def test_a_flood_of_junk_is_a_few_lines_a_second(
    reference: LiveReference, caplog: pytest.LogCaptureFixture, key: bytes
) -> None:
    """10,000 refused records do not fill the disk of whoever reads them, whatever their key."""
    began = time.monotonic()
    with caplog.at_level(logging.INFO):
        for start in range(10):
            reference._apply(topics.CHECKPOINTS, junk(1000, key), logging.ERROR if start else logging.INFO)
    seconds = int(time.monotonic() - began) + 2
    assert EACH <= len(caplog.records) <= seconds * TOGETHER
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


def test_a_long_topic_is_read_to_its_end_however_long_it_takes(reference: LiveReference) -> None:
    """What runs out is the time without progress: a party that wrote much keeps nobody from starting."""
    reference._read_to_end(Trickle(20, 0.03), 0.3)  # type: ignore[arg-type]


def test_a_topic_that_gives_nothing_more_is_given_up(reference: LiveReference) -> None:
    """Without progress the time runs out, and whoever started the process tries again."""
    with pytest.raises(Retryable, match=r"hedx\.checkpoints"):
        reference._read_to_end(Trickle(2, 0.03, stuck=True), 0.3)  # type: ignore[arg-type]


def test_what_ends_the_following_is_told_by_class_and_place(
    reference: LiveReference, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody has set the log up: neither the text of the error nor a traceback with it."""

    def broken(*_: object) -> None:
        raise KeyError("李四 13800138000")

    monkeypatch.setattr(reference, "_look_at_list", broken)
    reference._follow()
    [record] = caplog.records
    assert "not followed any more: KeyError in broken (unit/kafka/test_reference_flood.py:" in record.getMessage()
    assert record.exc_info is None
    assert "13800138000" not in caplog.text
    with pytest.raises(ViewLost):
        reference._kept_up()


def test_the_topic_takes_what_parties_have_to_say_and_little_more() -> None:
    """A cosignature and a seal key together fit into a batch ten times; junk of a megabyte does not fit at all."""
    world = World()
    held = identity("37")
    encrypting = LocalSigner("37", held.sealing.private_key, held.sealing_certificate)
    key = SealKey(
        party="37", number=20700, point=point(generate_key().public_key()), not_before=NOW, not_after=NOW + 30 * DAY
    )
    said = [
        cosign(log_head(world.leaves, NOW), held.signer, NOW),
        publish_seal_key(sign_seal_key(key, encrypting, NOW), "37"),
    ]
    [topic] = [topic for topic in load(TOPICS_FILE, []).topics if topic.name == topics.CHECKPOINTS]
    limit = int(topic.config["max.message.bytes"])
    assert 10 * sum(len(output.value or b"") for output in said) < limit == 8192
