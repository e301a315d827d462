"""The keeper: publishes seal keys and signs heads of the trust log, each once, and waits when Kafka is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.keys import LocalSigner
from pipeline.crypto.keystore import write_identity
from pipeline.crypto.seal_keys import read_seal_key
from pipeline.domain.errors import Retryable
from pipeline.domain.records import LogHead
from pipeline.province.keeper import RETRY_AFTER, TEND_EVERY, Keeper
from pipeline.signer.keyring import Keyring
from pipeline.stages.effects import Output
from tests.unit.crypto.exchange import DAY, NOW, identity, trust


@dataclass
class Keys:
    """A keyring in this process, with a clock that the test sets."""

    folder: Path
    now: int = NOW

    def __post_init__(self) -> None:
        write_identity(self.folder, identity("37"))
        self.keyring = Keyring(self.folder, lambda: self.now)

    @property
    def party(self) -> str:
        return "37"

    @property
    def signer(self) -> LocalSigner:
        return self.keyring.identity.signer

    def tend(self) -> list[tuple[int, bytes]]:
        return self.keyring.seals.tend()

    def published(self, number: int) -> None:
        self.keyring.seals.published(number)


@dataclass
class Log:
    """The head that the party has not signed yet."""

    head: LogHead | None = None

    def uncosigned(self) -> LogHead | None:
        return self.head


@dataclass
class Brokers:
    """Takes records, or is away."""

    sent: list[Output] = field(default_factory=list)
    away: bool = False

    def send(self, outputs: Sequence[Output]) -> None:
        if self.away:
            raise Retryable("no broker")
        self.sent += outputs


class Stand:
    """A keeper between signer, log and brokers."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.log, self.brokers = Keys(folder), Log(), Brokers()
        self.keeper = Keeper(self.keys, self.log, self.brokers.send)

    def turn(self, now: int) -> list[Output]:
        """One turn; what was sent in it."""
        self.keys.now, before = now, len(self.brokers.sent)
        self.keeper.turn(now)
        return self.brokers.sent[before:]


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path / "identity")


def head(size: int) -> LogHead:
    return LogHead(log="trust", size=size, root=bytes((size,)) * 32, at=0)


def test_the_seal_key_is_published_once_under_the_partys_name(stand: Stand) -> None:
    """At the first turn, and not again until the next key."""
    [output] = stand.turn(NOW)
    assert (output.topic, output.key) == ("hedx.checkpoints", b"37")
    assert read_seal_key(output.value or b"", trust()).number == NOW // DAY
    assert stand.turn(NOW + 1000) == []
    assert stand.turn(NOW + TEND_EVERY) == []
    [following] = stand.turn(NOW + 27 * DAY)
    assert read_seal_key(following.value or b"", trust()).number == NOW // DAY + 27


def test_what_was_not_taken_is_sent_again(stand: Stand) -> None:
    """Brokers that are away stop nobody: the statement goes when they are back, after a restart as well."""
    stand.brokers.away = True
    assert stand.turn(NOW) == []
    stand.brokers.away = False
    assert stand.turn(NOW + 1000) == []
    [output] = stand.turn(NOW + RETRY_AFTER)
    other = Stand(stand.keys.folder.with_name("other"))
    other.brokers.away = True
    other.turn(NOW)
    again = Keeper(other.keys, other.log, stand.brokers.send)
    again.turn(NOW)
    assert stand.brokers.sent[0] == output
    assert len(stand.brokers.sent) == 2


def test_a_new_head_is_signed_once(stand: Stand) -> None:
    """With the time of signing; not at each turn until it comes back from the topic, only after a while."""
    stand.turn(NOW)
    stand.log.head = head(7)
    [output] = stand.turn(NOW + 1000)
    verified = signed.verify(output.value or b"", "checkpoint", trust(), now=NOW + 1000, issuer="37")
    said: LogHead = framing.decode_as("LogHead", verified.payload)  # type: ignore[assignment]
    assert (said["size"], said["root"], said["at"]) == (7, head(7)["root"], NOW + 1000)
    assert (output.topic, output.key) == ("hedx.checkpoints", b"37")
    assert stand.turn(NOW + 2000) == []
    assert len(stand.turn(NOW + 1000 + RETRY_AFTER)) == 1
    stand.log.head = head(8)
    assert len(stand.turn(NOW + 1001 + RETRY_AFTER)) == 1
    stand.log.head = None
    assert stand.turn(NOW + TEND_EVERY) == []
