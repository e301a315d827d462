"""What a party's adapter tells of its work: a port, so that metrics stay out of it. Its own threads call it; it must be quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.domain.errors import InvalidMessage
from pipeline.stages.answer import Question
from pipeline.stages.effects import Message
from pipeline.stages.local import Posted


class AdapterObserver(Protocol):
    """Is told what an adapter did, after the fact. Times in seconds. What it raises goes nowhere (`kafka.onlooking.tell`)."""

    def looked_up(self, category: str, seconds: float) -> None:
        """One bulk look-up in a register, whether it answered or not."""

    def answered(self, questions: Sequence[Question], posts: Sequence[Posted]) -> None:
        """These were stored, to be sent: answers, and what else the questions led to."""

    def refused(self, stage: str, refused: Sequence[tuple[Message, InvalidMessage]]) -> None:
        """Messages were put aside, or refused with an answer."""

    def turned(self, desk: str) -> None:
        """A desk (`answer`, `deliver`, `outbox`, `keeper`) finished a turn."""


class _Nobody:
    def looked_up(self, category: str, seconds: float) -> None:
        """Nothing."""

    def answered(self, questions: Sequence[Question], posts: Sequence[Posted]) -> None:
        """Nothing."""

    def refused(self, stage: str, refused: Sequence[tuple[Message, InvalidMessage]]) -> None:
        """Nothing."""

    def turned(self, desk: str) -> None:
        """Nothing."""


UNOBSERVED: AdapterObserver = _Nobody()
"""Nobody looks on."""
