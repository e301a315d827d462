"""A worker whose signer is gone ends; no message is blamed for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipeline.crypto import signed
from pipeline.crypto.keys import Signer
from pipeline.crypto.keystore import write_identity
from pipeline.kafka.attempts import work_through
from pipeline.kafka.limits import Limits, Pace
from pipeline.kafka.stores import DictStore
from pipeline.signer.client import open_identity
from pipeline.signer.protocol import SignerGone
from pipeline.stages.effects import Batch, Effects, Message, Output, State
from tests.unit.crypto.exchange import NOW, identity

LIMITS = Limits()


@dataclass
class Signing:
    """A stage that signs what comes; `raw` is signed as it is, which no signer does."""

    signer: Signer
    name: str = "signing"
    inputs: tuple[str, ...] = ("in",)
    changelog: str | None = None
    tick: float | None = None

    def step(self, state: State, batch: Batch) -> Effects:
        """One receipt a message."""
        outputs = []
        for message in batch.messages:
            value = message.value or b""
            if value == b"raw":
                outputs.append(Output("out", None, self.signer.sign(value)))
            else:
                made = signed.sign("receipt", value, self.signer, audience="53", now=batch.now)
                outputs.append(Output("out", None, made.raw))
        return Effects(outputs)


def run(stage: Signing, *values: bytes) -> list[Effects]:
    messages = [Message("in", 0, offset, NOW, None, value) for offset, value in enumerate(values)]
    through = work_through(stage, DictStore(), messages, clock=lambda: NOW, owned=(), limits=LIMITS, pace=Pace(LIMITS))
    return [step.effects for step in through]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_identity(tmp_path / "identity", identity("37"))
    return tmp_path / "identity"


def test_a_killed_signer_ends_the_worker_and_blames_no_message(folder: Path) -> None:
    """Otherwise every message that comes would be put aside as one on which the stage failed."""
    with open_identity(folder) as remote:
        stage = Signing(remote.signer)
        [effects] = run(stage, b"one", b"two")
        assert len(effects.outputs) == 2
        [signer] = [child for child in psutil.Process().children() if "pipeline.signer" in child.cmdline()]
        signer.kill()
        with pytest.raises(SignerGone):
            run(stage, b"three")


def test_a_refusal_stays_with_the_message_that_led_to_it(folder: Path) -> None:
    """A stage that has the wrong thing signed for one message has a defect there, and goes on with the others."""
    with open_identity(folder) as remote:
        found = run(Signing(remote.signer), b"one", b"raw", b"two")
    assert sum(len(effects.outputs) for effects in found) == 2
    [(message, error)] = [dead for effects in found for dead in effects.dead]
    assert (message.value, error.code) == (b"raw", "stage_failed")
    assert "SignerRefused" in error.detail
