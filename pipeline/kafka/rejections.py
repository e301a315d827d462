"""What a process says about messages it refuses: one line each, that nobody can forge, and never enough to fill a disk.

    rejected <code> <topic>/<partition>/<offset> issuer=<claimed party or ?> stage=<stage> <detail>

A line is made of what this process knows (code, place, stage), of a claimed issuer only when it is the code of a party,
and of a detail made harmless. Under a flood the first lines of each (code, claimed issuer) in a second are written, the
others counted and told once a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from time import monotonic

from pipeline import logs
from pipeline.crypto.envelopes import claimed_issuer
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.printing import harmless
from pipeline.stages.effects import Message

EACH = 10
"""Lines a second for one code and one claimed issuer."""
TOGETHER = 100
"""Lines a second of one process, whatever the codes: there are 34 parties to claim to be, and many ways to fail."""
SUMMARIES = 20
"""Kinds that a second's summary names; what is left is told in one line more."""
Kind = tuple[str, str]
"""(code, claimed issuer or `?`)."""


class Rejections:
    """Writes the rejections of one stage. `clock`: seconds, monotonic."""

    def __init__(self, stage: str, clock: Callable[[], float] = monotonic) -> None:
        self._stage = stage
        self._clock = clock
        self._until = 0.0
        self._written: Counter[Kind] = Counter()
        self._left_out: Counter[Kind] = Counter()
        self._log = logs.logger(__name__).bind(stage=stage)

    def report(self, refused: Iterable[tuple[Message, InvalidMessage]]) -> None:
        """One WARNING line for each, as far as this second has room for them."""
        for message, error in refused:
            self.turn()
            kind = error.code, claimed_issuer(message.value or b"") or "?"
            if self._written[kind] < EACH and self._written.total() < TOGETHER:
                self._written[kind] += 1
                self._line(message, error, kind[1])
            else:
                self._left_out[kind] += 1

    def turn(self) -> None:
        """To be called now and then, also when nothing comes: tells what the last second left out, once it is over."""
        if self._clock() >= self._until:
            self.flush()
            self._until = self._clock() + 1.0

    def flush(self) -> None:
        """Tell what was left out, and start counting anew."""
        told = self._left_out.most_common(SUMMARIES)
        for (code, issuer), count in told:
            words = f"… and {count:,} more rejected {code} issuer={issuer} stage={self._stage}"
            self._log.warning("rejected_more", words=words, code=code, issuer=issuer, count=count)
        rest = self._left_out.total() - sum(count for _, count in told)
        if rest:
            kinds = len(self._left_out) - len(told)
            words = f"… and {rest:,} more rejected, of {kinds} other kinds, stage={self._stage}"
            self._log.warning("rejected_more", words=words, count=rest)
        self._written.clear()
        self._left_out.clear()

    def _line(self, message: Message, error: InvalidMessage, issuer: str) -> None:
        place = f"{message.topic}/{message.partition}/{message.offset}"
        detail = harmless(error.detail)
        self._log.warning(
            "rejected",
            words=f"rejected {error.code} {place} issuer={issuer} stage={self._stage} {detail}".rstrip(),
            code=error.code,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            issuer=issuer,
            detail=detail or None,
        )
