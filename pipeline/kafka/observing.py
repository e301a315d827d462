"""What a worker tells of its work: a port, so that metrics and traces stay out of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.domain.errors import NotReady, Retryable
from pipeline.kafka.onlooking import tell
from pipeline.stages.effects import Effects, Message


@dataclass(frozen=True, slots=True)
class Worked:
    """One transaction that is committed. Instants are ms since the epoch (real time), durations seconds.

    `messages`: what the step worked on; empty for a tick. `stepped`: how long the pure step took; `committed`: how long
    the transaction took after it, from its begin to its end. `effects` are those that were carried out: dead letters beyond
    an allowance (`kafka.allowance`), which are only counted, are among the refused; `withheld`: how many, by code.
    """

    stage: str
    messages: Sequence[Message]
    effects: Effects
    began: int
    stepped: float
    committed: float
    withheld: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restored:
    """State of partitions that a worker took up."""

    stage: str
    partitions: Sequence[int]
    records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class View:
    """What a worker has at a moment. `turned_at`: when it last finished a turn (ms, real time); 0 before the first."""

    partitions: int = 0
    held: int = 0
    entries: int = 0
    bytes: int = 0
    turned_at: int = 0


class Observer(Protocol):
    """Is told what a worker did, from the worker's own thread and after the fact; it must be quick.

    It should not raise; what it raises all the same goes nowhere (`onlooking.tell`).
    """

    def worked(self, work: Worked) -> None:
        """A transaction was committed."""

    def restored(self, restored: Restored) -> None:
        """State was read back."""

    def aborted(self, stage: str, reason: str) -> None:
        """A transaction was given up; the same messages come again. `reason`: an error's class or code."""


def reason_of(trouble: Retryable) -> str:
    """Why the same messages come again, in a word: the code of what is not ready, else the error's class."""
    return trouble.code if isinstance(trouble, NotReady) else type(trouble).__name__


@dataclass(slots=True)
class Observers:
    """Several observers as one, told in order, whatever one of them raises; none of them is Kafka's business."""

    observers: list[Observer] = field(default_factory=list)

    def worked(self, work: Worked) -> None:
        """Tell all."""
        for observer in self.observers:
            tell(observer.worked, work)

    def restored(self, restored: Restored) -> None:
        """Tell all."""
        for observer in self.observers:
            tell(observer.restored, restored)

    def aborted(self, stage: str, reason: str) -> None:
        """Tell all."""
        for observer in self.observers:
            tell(observer.aborted, stage, reason)
