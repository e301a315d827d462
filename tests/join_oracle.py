"""What a section's certificates must say, computed again from the list of what happened, one person and row at a time.

Shares no code with the join: no bit sets, no records, no incremental state beyond a dictionary of cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Cell = tuple[str, int, int]
"""(provider, row, person)."""
Standing = tuple[str, str | None, int | None]
"""(status, code, until)."""


@dataclass(frozen=True)
class Answered:
    """A provider's bundle: who it is about, which rows, what it says, when the broker had it."""

    name: str
    provider: str
    rows: tuple[int, ...]
    persons: tuple[int, ...]
    outcome: Standing
    at: int


@dataclass(frozen=True)
class Extended:
    """Rows with another deadline, or closed."""

    provider: str
    rows: tuple[int, ...]
    until: int
    closed: bool = False


@dataclass(frozen=True)
class Withdrawn:
    """The application was taken back."""


@dataclass(frozen=True)
class Passed:
    """Everything appended before `time` has been forwarded."""

    time: int


Happening = Answered | Extended | Withdrawn | Passed


@dataclass
class SectionOracle:
    """One section: `deadlines` of (provider, row), in the beginning."""

    deadlines: dict[tuple[str, int], int]
    persons: int
    suspended: frozenset[str] = frozenset()
    low: int = 0
    answers: dict[Cell, Answered] = field(default_factory=dict)
    delivered: list[str] = field(default_factory=list)  # names, in order
    closed: dict[tuple[str, int], int] = field(default_factory=dict)
    certificates: list[dict[Cell, Standing]] = field(default_factory=list)
    withdrawn: bool = False
    gone: bool = False

    def happen(self, batch: Iterable[Happening]) -> None:
        """What happened in one go; certificates are written at its end."""
        fresh = False
        for event in batch:
            if isinstance(event, Passed):
                self.low = max(self.low, event.time)
            elif self.gone:
                continue
            elif isinstance(event, Answered):
                fresh |= self._answer(event)
            elif isinstance(event, Extended):
                self._extend(event)
            elif not self.withdrawn:
                if self.certificates and fresh:
                    self._write()
                    fresh = False
                self.withdrawn = True
        if not self.gone:
            self._end(fresh)

    def _answer(self, event: Answered) -> bool:
        keys = [(event.provider, row) for row in event.rows]
        known = all(key in self.deadlines for key in keys) and len(set(keys)) == len(keys) > 0
        inside = event.persons and all(0 <= person < self.persons for person in event.persons)
        if event.name in self.delivered or not known or not inside or event.provider in self.suspended:
            return False
        open_ones = [key for key in keys if key not in self.closed]
        cells = [(*key, person) for key in open_ones for person in event.persons]
        if len(open_ones) != len(keys):  # a closed row among them: none of it is passed on
            return False
        if self.withdrawn or not cells or any(cell in self.answers for cell in cells):
            return False
        self.answers.update(dict.fromkeys(cells, event))
        self.delivered.append(event.name)
        return True

    def _extend(self, event: Extended) -> None:
        for row in event.rows:
            key = (event.provider, row)
            if key in self.deadlines and event.closed:
                if not self.certificates and not self.withdrawn:
                    self.closed.setdefault(key, event.until)
            elif key in self.deadlines:
                self.deadlines[key] = max(self.deadlines[key], event.until)

    def _end(self, fresh: bool) -> None:
        if self.certificates:
            if fresh:
                self._write()
        elif self.withdrawn or self._nothing_to_wait_for():
            self._write()
            if any(self._late(cell) for cell in self.answers) and not self.withdrawn:
                self._write()
        if self.certificates and all(cell in self.answers for cell in self._cells(active=True)):
            self.gone = True

    def _nothing_to_wait_for(self) -> bool:
        missing = [
            self.deadlines[cell[:2]]
            for cell in self._cells(active=True)
            if cell[:2] not in self.closed and (cell not in self.answers or self._late(cell))
        ]
        return not missing or self.low > max(missing)

    def _write(self) -> None:
        first = not self.certificates
        self.certificates.append({cell: self._standing(cell, first=first) for cell in self._cells(active=False)})

    def _standing(self, cell: Cell, *, first: bool) -> Standing:
        if cell[0] in self.suspended:
            return "unavailable", "provider_suspended", None
        if cell in self.answers and (not first or self.withdrawn or not self._late(cell)):
            return self.answers[cell].outcome
        if cell[:2] in self.closed:
            return "unavailable", "force_majeure", self.closed[cell[:2]]
        return ("withdrawn" if self.withdrawn and first else "expired"), None, None

    def _late(self, cell: Cell) -> bool:
        return self.answers[cell].at > self.deadlines[cell[:2]]

    def _cells(self, *, active: bool) -> list[Cell]:
        keys: Sequence[tuple[str, int]] = list(self.deadlines)
        return [
            (*key, person)
            for key in keys
            for person in range(self.persons)
            if not active or key[0] not in self.suspended
        ]
