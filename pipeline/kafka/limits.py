"""How much a worker takes on at once, and how it finds the right bite."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.stages.effects import Effects, Headers

RECORD_OVERHEAD = 80
"""Bytes counted for a record beside key, value and headers: framing, rounded up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker. A transaction holds at most `records` records of `bytes` bytes together.

    `messages`: most messages a step is given. `seconds`: what a step should take, at most. `record_bytes`: the largest
    record a topic takes (the broker's `message.max.bytes`, 1 MiB, less framing). `poll_seconds`: how long an idle worker
    waits, and so how soon it notices a stop. `restore_seconds`: must outlast another worker's open transaction
    (`transaction_ms`, and the ten seconds after which brokers look for timed-out ones).
    """

    messages: int = 5_000
    records: int = 50_000
    bytes: int = 16 * 1024 * 1024
    seconds: float = 1.0
    record_bytes: int = 1_000_000
    poll_seconds: float = 0.2
    session_ms: int = 10_000
    transaction_ms: int = 10_000
    restore_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What effects weigh: number of records, bytes together, bytes of the largest."""

    records: int
    bytes: int
    largest: int

    def fits(self, limits: Limits) -> bool:
        """Whether one transaction may carry it."""
        return self.records <= limits.records and self.bytes <= limits.bytes and self.largest <= limits.record_bytes


def load_of(effects: Effects) -> Load:
    """Weigh outputs, changes and dead letters; these last never count as too large, since they have to go through."""
    sizes = [record_size(output.key, output.value, output.headers) for output in effects.outputs]
    sizes += [record_size(key, value) for (_, key), value in effects.changes.items()]
    largest = max(sizes, default=0)
    sizes += [record_size(message.key, message.value, message.headers) for message, _ in effects.dead]
    return Load(len(sizes), sum(sizes), largest)


def record_size(key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
    """Bytes of a record as counted here."""
    size = RECORD_OVERHEAD + len(key or b"") + len(value or b"")
    return size + sum(len(name) + len(content) for name, content in headers) if headers else size


class Pace:
    """How many messages to take, so that a step stays within `Limits.seconds` and half of records and bytes.

    Learns from each step; grows at most fourfold at a time.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.size = min(64, limits.messages)

    def learn(self, messages: int, seconds: float, load: Load) -> None:
        """Take one step's cost into account."""
        limits = self._limits
        share = max(seconds / limits.seconds, 2 * load.records / limits.records, 2 * load.bytes / limits.bytes, 1e-9)
        fitting = int(messages / share)
        self.size = max(1, min(limits.messages, fitting, 4 * self.size))
