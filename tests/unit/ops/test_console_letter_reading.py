"""Dead letters are read for the page without keeping anybody else waiting: threads of their own, bounds for each caller."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline.center.deadletter_facts import Shown
from pipeline.ops.console.gate import Refusal
from pipeline.ops.console.letter_reading import AT_ONCE, KEPT, LetterReading
from tests.console import LETTER, NOW, Letters

PLACE = LETTER.place


class Slow(Letters):
    """Letters on a Kafka that answers once `answers` is set; `read`: the places that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.read: list[str] = []

    def show(self, place: str) -> Shown:
        """The one letter there is, later."""
        self.read.append(place)
        assert self.answers.wait(20)
        return super().show(place)


class Asking:
    """A reading, its clock (ms), and the letters behind it."""

    def __init__(self) -> None:
        self.letters, self.now = Slow(), NOW
        self.reading = LetterReading(self.letters, lambda: self.now, ())  # type: ignore[arg-type]

    async def ask(self, place: str = PLACE, *, session: str = "s", fingerprint: str = "f") -> dict[str, Any] | str:
        """The facts, or the code of the refusal."""
        try:
            return await self.reading.facts(place, session=session, fingerprint=fingerprint)
        except Refusal as refusal:
            return refusal.code


def run(course: Callable[[Asking], Awaitable[None]]) -> None:
    """Run a course of questions."""

    async def main() -> None:
        asking = Asking()
        try:
            await course(asking)
        finally:
            asking.letters.answers.set()
            asking.reading.close()

    asyncio.run(main())


def test_a_letter_is_read_once_for_all_who_ask() -> None:
    """While it is being read, and for a moment after; then, and after an act, anew."""

    async def course(asking: Asking) -> None:
        asked = [asyncio.create_task(asking.ask(session=f"s{n}", fingerprint=f"f{n}")) for n in range(10)]
        await asyncio.sleep(0)
        asking.letters.answers.set()
        assert all(isinstance(facts, dict) and facts["place"] == PLACE for facts in await asyncio.gather(*asked))
        assert asking.letters.read == [PLACE]
        await asking.ask()
        assert len(asking.letters.read) == 1
        asking.reading.forget()
        await asking.ask()
        assert len(asking.letters.read) == 2
        asking.now += KEPT
        await asking.ask()
        assert len(asking.letters.read) == 3

    run(course)


def test_a_certificate_never_has_all_threads() -> None:
    """What is more than its share is refused at once, another's is read; when it is done there is room again."""

    async def course(asking: Asking) -> None:
        mine = [asyncio.create_task(asking.ask(f"0/{n}", session=f"s{n}")) for n in range(AT_ONCE + 2)]
        await asyncio.sleep(0)
        other = asyncio.create_task(asking.ask(fingerprint="other", session="other"))
        await asyncio.sleep(0)
        assert [task.result() for task in mine if task.done()] == ["too_often"] * 2
        asking.letters.answers.set()
        answers = await asyncio.gather(*mine)
        assert answers == ["unknown"] * AT_ONCE + ["too_often"] * 2
        assert isinstance(await other, dict)
        assert sorted(asking.letters.read) == [*(f"0/{n}" for n in range(AT_ONCE)), PLACE]
        assert isinstance(await asking.ask(), dict)
        assert await asking.ask("0/99") == "unknown"

    run(course)


def test_a_session_is_throttled() -> None:
    """Twenty at once, then one every two seconds; another session has its own."""

    async def course(asking: Asking) -> None:
        asking.letters.answers.set()
        answers = [await asking.ask() for _ in range(22)]
        assert answers[20:] == ["too_often"] * 2
        assert "too_often" not in answers[:20]
        assert isinstance(await asking.ask(session="another"), dict)
        asking.now += 2_000
        assert isinstance(await asking.ask(), dict)

    run(course)


def test_a_closed_page_does_not_end_the_others_reading() -> None:
    """Whoever asked first may leave."""

    async def course(asking: Asking) -> None:
        first = asyncio.create_task(asking.ask())
        await asyncio.sleep(0)
        second = asyncio.create_task(asking.ask(session="second", fingerprint="second"))
        await asyncio.sleep(0)
        first.cancel()
        asking.letters.answers.set()
        assert isinstance(await second, dict)
        assert asking.letters.read == [PLACE]

    run(course)
