"""The port between a pure stage and the shell that runs it: messages in, effects out.

A stage never touches Kafka, a clock or a file. The shell gives it a `Batch` and a `State`, and carries out the
`Effects` in one transaction. The same stage runs on the in-memory broker and on Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pipeline.domain.errors import InvalidMessage

Headers = tuple[tuple[str, bytes], ...]

TIMER = b"@"
"""State keys that start with this byte are timers: `@` + due time (8 bytes, big-endian ms) + anything."""


def timer_key(due: int, subject: bytes) -> bytes:
    """State key of a timer due at `due` (ms) for `subject`."""
    return TIMER + due.to_bytes(8, "big") + subject


def timer_due(key: bytes) -> int:
    """The time (ms) at which the timer with this key is due."""
    return int.from_bytes(key[1:9], "big")


def timer_subject(key: bytes) -> bytes:
    """What the timer with this key is for."""
    return key[9:]


@dataclass(frozen=True, slots=True)
class Message:
    """One record read from a topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # ms; LogAppendTime on inboxes
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One record to write. `partition` None: by key (murmur2)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one owned partition has been read.

    `caught_up_at`: time (ms) at which the shell saw the stage's position, this batch included, at the partition's
    end; None while it is behind.
    """

    topic: str
    partition: int
    caught_up_at: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step works on. Empty `messages` on a timer tick.

    `waiting`: messages that were read with these and are worked on after them, some of them with lower offsets (`Wary`).
    """

    messages: Sequence[Message]
    now: int  # ms
    owned: Sequence[Progress] = ()
    waiting: Sequence[Message] = ()


@dataclass(slots=True)
class Effects:
    """What a step wants done, all of it or nothing.

    `dead`: what nothing can be done with, put aside. `refused`: what is turned away with an answer to its sender, only
    to be logged.
    """

    outputs: list[Output] = field(default_factory=list)
    changes: dict[tuple[int, bytes], bytes | None] = field(default_factory=dict)  # (partition, key) -> value
    dead: list[tuple[Message, InvalidMessage]] = field(default_factory=list)
    refused: list[tuple[Message, InvalidMessage]] = field(default_factory=list)


class State(Protocol):
    """Committed state of the owned partitions."""

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value at `key`, or None."""

    def due(self, partition: int, now: int, limit: int) -> Sequence[bytes]:
        """At most `limit` timer keys of `partition` due at or before `now`, earliest first."""

    def scan(self, partition: int, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All entries of `partition` whose key starts with `prefix`."""


class Stage(Protocol):
    """A pure stage. Its state partition number is the partition of the input message."""

    name: str
    inputs: tuple[str, ...]
    changelog: str | None
    tick: float | None  # seconds between timer steps; None: no timers

    def step(self, state: State, batch: Batch) -> Effects:
        """Work on one batch. Raises nothing for bad messages (they are in `Effects.dead`)."""


@runtime_checkable
class Wary(Protocol):
    """A stage with messages that can wait: in a batch they come last, in a transaction after the others'.

    So a message may be worked on before one with a lower offset, and again after a failure between the two transactions: the
    stage must know what it has worked on (the receivers of envelopes do).
    """

    def can_wait(self, message: Message, now: int) -> bool:
        """Whether the others go before this message. It is never more than an order."""


class Overlay:
    """A step's own view of the state: reads see the writes of the same step."""

    def __init__(self, state: State | Overlay) -> None:
        self._state = state
        self.changes: dict[tuple[int, bytes], bytes | None] = {}

    def get(self, partition: int, key: bytes) -> bytes | None:
        """The value at `key` as of this step, or None."""
        try:
            return self.changes[partition, key]
        except KeyError:
            return self._state.get(partition, key)

    def put(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Set `key` to `value`; None deletes (a tombstone in the changelog)."""
        self.changes[partition, key] = value


def headers_of(message: Message) -> Mapping[str, bytes]:
    """The message's headers as a mapping; of repeated names the last wins."""
    return dict(message.headers)
