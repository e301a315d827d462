"""What a party does for everybody's trust while its adapter runs: seal keys, and watching the center's log grow.

Seal keys are made and destroyed by its signer; their statements, and the party's signature under each head of the trust
log that it has seen grow, go to hedx.checkpoints under its own name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.crypto.keys import Signer
from pipeline.domain.errors import Retryable
from pipeline.domain.records import LogHead
from pipeline.stages.effects import Output
from pipeline.stages.reference import cosign, publish_seal_key

log = logging.getLogger(__name__)

TEND_EVERY = 3600 * 1000
"""How often (ms) the signer is asked what is due."""
RETRY_AFTER = 10_000
"""How long (ms) after a failure, or after signing a head that does not come back from the topic, it is tried again."""

Send = Callable[[Sequence[Output]], None]
"""Hands records to the brokers. Raises Retryable when they do not take them."""


class SealKeys(Protocol):
    """A signer that makes and destroys seal keys (`signer.client.RemoteIdentity`)."""

    @property
    def party(self) -> str:
        """Whose they are."""

    @property
    def signer(self) -> Signer:
        """The party's signing key."""

    def tend(self) -> list[tuple[int, bytes]]:
        """Do what is due; the statements not published yet, by number."""

    def published(self, number: int) -> None:
        """Statement `number` is published."""


class Witness(Protocol):
    """A view of the trust log that knows what the party has not signed yet."""

    def uncosigned(self) -> LogHead | None:
        """The center's newest head that this party has seen the log grow to, and not yet signed."""


def publish_seal_keys(keys: SealKeys, send: Send) -> list[int]:
    """Let the signer do what is due, and publish the statements that are not published yet; returns their numbers."""
    numbers = []
    for number, statement in keys.tend():
        send([publish_seal_key(statement, keys.party)])
        keys.published(number)
        numbers.append(number)
    return numbers


class Keeper:
    """Does in turns what is due. A cluster that is away is waited for; a signer that is gone is an error."""

    def __init__(self, keys: SealKeys, witness: Witness, send: Send) -> None:
        self._keys = keys
        self._witness = witness
        self._send = send
        self._tend_at = 0
        self._signed: tuple[int, bytes] | None = None
        self._sign_again_at = 0

    def turn(self, now: int) -> None:
        """One look, cheap when nothing is due. `now`: ms."""
        try:
            self._tend(now)
            self._cosign(now)
        except Retryable as trouble:
            log.warning("checkpoints wait: %s", trouble)
            self._tend_at = max(self._tend_at, now + RETRY_AFTER)
            self._sign_again_at = now + RETRY_AFTER

    def _tend(self, now: int) -> None:
        if now >= self._tend_at:
            publish_seal_keys(self._keys, self._send)
            self._tend_at = now + TEND_EVERY

    def _cosign(self, now: int) -> None:
        head = self._witness.uncosigned()
        if head is None or ((head["size"], head["root"]) == self._signed and now < self._sign_again_at):
            return
        self._send([cosign(head, self._keys.signer, now)])
        self._signed = head["size"], head["root"]
        self._sign_again_at = now + RETRY_AFTER
