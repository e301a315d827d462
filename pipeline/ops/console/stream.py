"""Server-sent events: the newest of each kind, numbered, so that whoever comes back gets what changed meanwhile."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """The newest of one kind of event."""

    kind: str
    number: int
    value: Any


class Hub:
    """What all pages are told. Made and used within one event loop.

    Every event holds the whole of its kind, so only the newest of each is kept and a slow page skips what is outdated.
    """

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._latest: dict[str, Told] = {}
        self._news = asyncio.Event()

    def publish(self, kind: str, value: Any) -> None:
        """Tell it, unless it is what was told last."""
        known = self._latest.get(kind)
        if known is not None and known.value == value:
            return
        self._number += 1
        self._latest[kind] = Told(kind, self._number, value)
        self._news.set()
        self._news = asyncio.Event()

    def value(self, kind: str) -> Any:
        """The newest of a kind; None before the first."""
        told = self._latest.get(kind)
        return None if told is None else told.value

    def since(self, number: int) -> Iterator[Told]:
        """What is newer than `number`, in order."""
        yield from sorted((t for t in self._latest.values() if t.number > number), key=lambda told: told.number)

    async def wait(self, number: int, seconds: float) -> None:
        """Until there is something newer than `number`, at most `seconds`."""
        if self._number > number:
            return
        news = self._news
        try:
            await asyncio.wait_for(news.wait(), seconds)
        except TimeoutError:
            return

    def identifier(self, number: int) -> str:
        """The id of event `number`; another process's do not count here."""
        return f"{self._epoch}-{number}"

    def resumed(self, identifier: str) -> int:
        """The number behind a `Last-Event-ID`; 0, everything, for what is not of this process."""
        epoch, _, number = identifier.partition("-")
        return int(number) if epoch == self._epoch and number.isascii() and number.isdecimal() else 0


def frame(kind: str, value: Any, identifier: str | None = None) -> bytes:
    """One event as it goes over the wire (HTML, section 9.2): JSON without line breaks is one `data` line."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    head = f"id: {identifier}\n" if identifier else ""
    return f"{head}event: {kind}\ndata: {data}\n\n".encode()
