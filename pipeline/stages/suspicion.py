"""Whose messages wait until the others have been worked on: those in whose name bad signatures came lately.

Only an order: nothing is refused or dropped for it, because the name is the sender's claim. Whoever sends junk in another's
name makes that one wait behind the junk, which is where it would have stood anyway. See docs/decisions/0004-floods.md.
"""

from __future__ import annotations

from pipeline.crypto.envelopes import claimed_issuer
from pipeline.domain.errors import InvalidMessage
from pipeline.stages.effects import Message

LATELY = 60_000
"""ms for which one bad signature makes the messages in that name wait."""


class Suspicion:
    """Of one stage in one process; held in memory, since no result depends on it."""

    def __init__(self) -> None:
        self._until: dict[str | None, int] = {}

    def note(self, message: Message, error: InvalidMessage, now: int) -> None:
        """Take a refusal into account: that of a signature tells that somebody sends junk in this name."""
        if error.code == "signature_invalid":
            self._until[claimed_issuer(message.value or b"")] = now + LATELY

    def rests_on(self, message: Message, now: int) -> bool:
        """Whether the message is in a name under suspicion."""
        return bool(self._until) and self._until.get(claimed_issuer(message.value or b""), now) > now
