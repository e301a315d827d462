"""Dead letters read from Kafka for the page: in threads of their own, a few at a time for each caller, and no letter twice at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException

from pipeline.center.deadletters import DeadLetters
from pipeline.domain.errors import ConfigError, HedxError
from pipeline.ops.console.gate import Refusal
from pipeline.ops.console.letters import letter_facts
from pipeline.ops.console.throttle import Throttle

THREADS: Final = 4
AT_ONCE: Final = 3
"""Readings that one certificate may have under way: it never has all threads to itself."""
KEPT: Final = 3_000
"""Milliseconds for which what was read is given again."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at: int
    facts: asyncio.Future[dict[str, Any]]


class LetterReading:
    """`now`: ms; `held`: the principals that can act from here. Used within one event loop; a reading takes as long as Kafka, so it never uses the threads of anything else."""

    def __init__(self, letters: DeadLetters, now: Callable[[], int], held: Collection[str]) -> None:
        self._letters = letters
        self._now = now
        self._held = held
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="letters")
        self._throttle = Throttle(20, 2_000)
        self._under_way: Counter[str] = Counter()
        self._known: dict[str, _Reading] = {}

    async def facts(self, place: str, *, session: str, fingerprint: str) -> dict[str, Any]:
        """What is told of the letter at `place`, to a session of a certificate.

        Raises Refusal: 404 for a place where none stands, 429 when it is asked too often or for too many, 503 without Kafka.
        """
        now = self._now()
        if wait := self._throttle.wait(session, now):
            raise Refusal(429, "too_often", wait)
        self._known = {key: one for key, one in self._known.items() if 0 <= now - one.at < KEPT or not one.facts.done()}
        known = self._known.get(place)
        if known is not None:
            return await asyncio.shield(known.facts)
        if self._under_way[fingerprint] >= AT_ONCE:
            raise Refusal(429, "too_often", KEPT)
        self._under_way[fingerprint] += 1
        reading = asyncio.ensure_future(self._read(place, fingerprint))
        self._known[place] = _Reading(now, reading)
        return await asyncio.shield(reading)

    def forget(self) -> None:
        """Something was done about a letter: what was read before does not count any more."""
        self._known = {}

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, place: str, fingerprint: str) -> dict[str, Any]:
        try:
            shown = await asyncio.get_running_loop().run_in_executor(self._threads, self._letters.show, place)
            return letter_facts(shown, self._held)
        except ConfigError:
            raise Refusal(404, "unknown") from None
        except (HedxError, KafkaException) as error:
            raise Refusal(503, "kafka_away") from error
        finally:
            self._under_way[fingerprint] -= 1
            if not self._under_way[fingerprint]:
                del self._under_way[fingerprint]
