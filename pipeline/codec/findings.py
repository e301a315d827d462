"""What the checks of schemas report: one sentence, at a record and field."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing wrong. `place` is `Record`, `Record.field` or, below a field, `Record.field[]` and so on."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"
