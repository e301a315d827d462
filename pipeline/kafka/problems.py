"""What is wrong with a topics.yaml that has the right form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """`place` is the topic, principal or key concerned; `reason` says what is wrong and what would be right."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
