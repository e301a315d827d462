"""What stages look up but do not own: parties and catalog releases, as the readers of hedx.trust and hedx.catalog see them."""

from __future__ import annotations

from typing import Protocol

from pipeline.crypto.trust import Trust
from pipeline.domain.catalog import Release


class Reference(Protocol):
    """A live view; a process makes it ready before its first step (at the end offset of both topics)."""

    @property
    def trust(self) -> Trust:
        """The parties and their certificates, newest state."""

    @property
    def current(self) -> Release | None:
        """The newest complete catalog release, None before the first."""

    def release(self, number: int) -> Release | None:
        """Release `number`, if it can still be rebuilt."""
