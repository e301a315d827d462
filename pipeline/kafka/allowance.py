"""How many dead letters strangers may have us keep: a flood of junk must not become a year's full disk.

A dead letter is a whole message, kept for 365 days. What a party has signed is always kept whole. Of what nobody can be
shown to have signed (`InvalidMessage.authenticated` is false) each claimed issuer has an allowance that refills slowly;
beyond it, messages are counted, and the counts told at intervals. The message itself stays in its inbox for as long as
that keeps it. See docs/decisions/0004-floods.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.crypto.envelopes import claimed_issuer
from pipeline.domain.errors import InvalidMessage
from pipeline.stages.effects import Effects, Message, Output
from pipeline.stages.events import EventLog

Letter = tuple[Message, InvalidMessage]
Kind = tuple[str, str]
"""(code, claimed issuer or `?`)."""

MOST = 100
"""Letters that one claimed issuer may have kept at once."""
MOST_BYTES = 16 * 1024 * 1024
PER_MINUTE = 10
"""Letters a minute that its allowance grows by, up to `MOST`."""
BYTES_PER_MINUTE = 64 * 1024
INTERVAL = 10_000
"""ms between two tellings of what was not kept."""
KINDS = 20
"""Kinds that one telling names; the rest is one number more."""
WITHHELD = "dead_letters_withheld"
"""Kind of the event that tells."""

_MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class _Level:
    letters: float = MOST
    bytes: float = MOST_BYTES
    at: int = 0

    def refilled(self, now: int) -> _Level:
        minutes = max(0, now - self.at) / _MINUTE
        letters = min(MOST, self.letters + PER_MINUTE * minutes)
        return _Level(letters, min(MOST_BYTES, self.bytes + BYTES_PER_MINUTE * minutes), now)

    def less(self, size: int) -> _Level | None:
        if self.letters < 1 or self.bytes < size:
            return None
        return _Level(self.letters - 1, self.bytes - size, self.at)


@dataclass(slots=True)
class Sifted:
    """What is kept whole and what is only counted of one transaction's dead letters."""

    kept: list[Letter] = field(default_factory=list)
    counted: list[Letter] = field(default_factory=list)
    withheld: Counter[Kind] = field(default_factory=Counter)
    levels: dict[str, _Level] = field(default_factory=dict)


class Allowance:
    """Of one stage in one process. Nothing counts until `settle`: a transaction that was aborted has used nothing up.

    The levels live in memory. Claimed issuers are parties' codes or `?`, so they are few. A process that starts anew
    starts with full allowances, and a crash loses the counts of one interval, never a letter.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._levels: dict[str, _Level] = {}
        self._counts: Counter[Kind] = Counter()
        self._since: int | None = None

    def sift(self, dead: Sequence[Letter], now: int) -> Sifted:
        """Choose which of `dead` to keep whole at `now` (ms); the same again when asked again before `settle`."""
        sifted = Sifted()
        for message, error in dead:
            if error.authenticated:
                sifted.kept.append((message, error))
                continue
            issuer = claimed_issuer(message.value or b"") or "?"
            level = sifted.levels.get(issuer) or self._levels.get(issuer, _Level(at=now)).refilled(now)
            left = level.less(len(message.value or b""))
            sifted.levels[issuer] = left or level
            if left is None:
                sifted.withheld[error.code, issuer] += 1
                sifted.counted.append((message, error))
            else:
                sifted.kept.append((message, error))
        return sifted

    def settle(self, sifted: Sifted, now: int) -> None:
        """The transaction is through."""
        self._levels |= sifted.levels
        self._counts += sifted.withheld
        if self._since is None and self._counts:
            self._since = now

    def is_due(self, now: int) -> bool:
        """Whether it is time to tell what was counted."""
        return self._since is not None and now >= self._since + INTERVAL

    def telling(self, now: int) -> list[Output]:
        """One event for each kind counted since the last `told`, each with its code, claimed issuer and number."""
        events = EventLog(self._stage, now)
        told = self._counts.most_common(KINDS)
        for (code, issuer), count in told:
            party = None if issuer == "?" else issuer
            events.add(WITHHELD, subject=now.to_bytes(8, "big"), party=party, code=code, count=count)
        rest = self._counts.total() - sum(count for _, count in told)
        if rest:
            events.add(WITHHELD, subject=now.to_bytes(8, "big"), count=rest)
        return events.outputs()

    def told(self) -> None:
        """The events are through: count anew."""
        self._counts.clear()
        self._since = None


class Sieve:
    """An `Allowance` around a worker's transactions: `effects` before one, `through` after it."""

    def __init__(self, stage: str) -> None:
        self.allowance = Allowance(stage)
        self._sifted = Sifted()
        self._telling = False
        self._now = 0

    def effects(self, effects: Effects, now: int, *, last: bool = False) -> Effects:
        """`effects` with the dead letters that are kept, and what there is to tell (everything, when it is the `last`).

        Those that are only counted are among the `refused` then.
        """
        self._now, self._sifted = now, self.allowance.sift(effects.dead, now)
        self._telling = last or self.allowance.is_due(now)
        telling = self.allowance.telling(now) if self._telling else []
        refused = [*effects.refused, *self._sifted.counted]
        return Effects([*effects.outputs, *telling], effects.changes, self._sifted.kept, refused)

    def is_due(self, now: int, *, last: bool = False) -> bool:
        """Whether there is something to tell although nothing comes; `last`: anything at all."""
        return self.allowance.is_due(now + INTERVAL if last else now)

    @property
    def withheld(self) -> Counter[str]:
        """How many dead letters of those effects are only counted, by code."""
        found: Counter[str] = Counter()
        for (code, _), number in self._sifted.withheld.items():
            found[code] += number
        return found

    def through(self) -> None:
        """The transaction with those effects is through."""
        if self._telling:
            self.allowance.told()
        self.allowance.settle(self._sifted, self._now)
