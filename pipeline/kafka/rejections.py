"""What a process says about messages it refuses: one line each, that nobody can forge, and never enough to fill a disk.

    rejected <code> <topic>/<partition>/<offset> issuer=<claimed party or ?> stage=<stage> <detail>

A line is made of what this process knows (code, place, stage), of a claimed issuer only when it is the code of a party,
and of a detail made harmless. Under a flood the first lines of each (code, claimed issuer) in a second are written, the
others counted and told once a second.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from time import monotonic

from pipeline.crypto.envelopes import claimed_issuer
from pipeline.domain.errors import InvalidMessage
from pipeline.stages.effects import Message

log = logging.getLogger(__name__)

EACH = 10
"""Lines a second for one code and one claimed issuer."""
TOGETHER = 100
"""Lines a second of one process, whatever the codes: there are 34 parties to claim to be, and many ways to fail."""
SUMMARIES = 20
"""Kinds that a second's summary names; what is left is told in one line more."""
LONGEST = 200
"""Characters of a detail that are kept."""

_NUMBER = re.compile(r"\d{14,}[\dXx]?")  # an ID number has 18 digits (GB 11643), an older one 15; also in full width

Kind = tuple[str, str]
"""(code, claimed issuer or `?`)."""


def harmless(detail: str) -> str:
    """`detail` on one line: what does not print (controls, bidi controls, line separators) escaped, long digits masked.

    A detail is not supposed to quote what a stranger chose; where it does all the same, it can neither forge a line, nor
    turn one around, nor carry an ID number into a log.
    """
    masked = _NUMBER.sub("(number)", detail[: 2 * LONGEST])
    text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in masked)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


class Rejections:
    """Writes the rejections of one stage. `clock`: seconds, monotonic."""

    def __init__(self, stage: str, clock: Callable[[], float] = monotonic) -> None:
        self._stage = stage
        self._clock = clock
        self._until = 0.0
        self._written: Counter[Kind] = Counter()
        self._left_out: Counter[Kind] = Counter()

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
            log.warning("… and %s more rejected %s issuer=%s stage=%s", f"{count:,}", code, issuer, self._stage)
        rest = self._left_out.total() - sum(count for _, count in told)
        if rest:
            kinds = len(self._left_out) - len(told)
            log.warning("… and %s more rejected, of %d other kinds, stage=%s", f"{rest:,}", kinds, self._stage)
        self._written.clear()
        self._left_out.clear()

    def _line(self, message: Message, error: InvalidMessage, issuer: str) -> None:
        place = f"{message.topic}/{message.partition}/{message.offset}"
        line = f"rejected {error.code} {place} issuer={issuer} stage={self._stage} {harmless(error.detail)}"
        log.warning("%s", line.rstrip())
