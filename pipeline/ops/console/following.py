"""What keeps the page's figures fresh: one task for each source, all of them telling the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from confluent_kafka import KafkaException

from pipeline.center.deadletters import DeadLetters
from pipeline.center.installation import Installation
from pipeline.domain.errors import HedxError
from pipeline.ops.console.letters import letter_row
from pipeline.ops.console.registers import Desk, Registers
from pipeline.ops.console.shapes import Trends, catalog_table, certificates_table, finding_row, lag_rows
from pipeline.ops.console.sources import Health, Source
from pipeline.ops.console.stream import Hub
from pipeline.ops.health import examine
from pipeline.ops.health_facts import gather

PACE: Final = 1.0
"""Seconds between two looks at the lag and at the watch's figures."""
SLOW_PACE: Final = 3.0
"""Seconds between two looks at dead letters."""
RARE_PACE: Final = 60.0
"""Seconds between two looks at certificates."""
AGAIN: Final = 3.0
"""Seconds until a register that failed is opened again."""
WATCHED: Final = ("summary", "flow", "punctuality", "latency", "risks")


class _Followed(Protocol):
    def open(self) -> None: ...
    def look(self) -> None: ...
    def close(self) -> None: ...


class Following:
    """The tasks. `lag`, `watch`: servers of figures; `letters`, `desk`, `registers`: on Kafka, None where nobody here may read it."""

    def __init__(
        self,
        hub: Hub,
        installation: Installation,
        now: Callable[[], int],
        *,
        lag: Source,
        watch: Source,
        registers: Registers,
        letters: DeadLetters,
        desk: Desk | None,
    ) -> None:
        self._hub = hub
        self._installation = installation
        self._now = now
        self._lag = lag
        self._watch = watch
        self._registers = registers
        self._letters = letters
        self._desk = desk
        self._trends = Trends()
        self._health = Health(lambda states: hub.publish("sources", states))
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="console")
        self._tasks: list[asyncio.Task[None]] = []
        self._letters_wanted = asyncio.Event()
        self.revoked: Collection[int] = frozenset()
        self.suspended: Collection[str] = frozenset()

    async def start(self) -> None:
        """Read the lists of who may come in, then follow everything. Raises what `Registers.open` does."""
        await self._in_thread(self._registers.open)
        await self._look_at_registers()
        followed = [self._follow("registers", self._registers, self._look_at_registers)]
        if self._desk is not None:
            followed.append(self._follow("desk", self._desk, self._look_at_desk))
        looks = (("lag", PACE, self._look_at_lag), ("watch", PACE, self._look_at_watch))
        rare = ("certificates", RARE_PACE, self._look_at_certificates)
        followed += [self._repeat(*each) for each in (*looks, rare)]
        followed.append(self._repeat("dead_letters", SLOW_PACE, self._look_at_letters, self._letters_wanted))
        self._tasks = [asyncio.create_task(each) for each in followed]

    async def stop(self) -> None:
        """End all tasks and let go of Kafka."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)
        self._registers.close()
        if self._desk is not None:
            self._desk.close()

    def look_at_letters_now(self) -> None:
        """Something was done about one: do not wait for the next look."""
        self._letters_wanted.set()

    async def _repeat(
        self, name: str, pause: float, look: Callable[[], Awaitable[None]], wanted: asyncio.Event | None = None
    ) -> None:
        """Look again and again; a source that is away is told as such and asked again."""
        never = asyncio.Event()
        while True:
            (wanted or never).clear()
            try:
                await look()
                self._health.answered(name, self._now())
            except (HedxError, KafkaException, KeyError, TypeError, ValueError, OSError) as error:
                self._health.away(name, error)
            try:
                await asyncio.wait_for((wanted or never).wait(), pause)
            except TimeoutError:
                continue

    async def _follow(self, name: str, followed: _Followed, tell: Callable[[], Awaitable[None]]) -> None:
        """Open, look and tell until it fails; then once more from the start."""
        opened = name == "registers"  # `start` has opened them
        while True:
            try:
                if not opened:
                    await self._in_thread(followed.open)
                opened = True
                await tell()
                self._health.answered(name, self._now())
                await self._in_thread(followed.look)
            except (HedxError, KafkaException, OSError) as error:
                self._health.away(name, error)
                opened = False
                await asyncio.sleep(AGAIN)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _look_at_registers(self) -> None:
        self.suspended = self._registers.suspended()
        self.revoked = frozenset(self.revoked) | frozenset(self._registers.revoked())
        self._hub.publish("catalog", catalog_table(self._registers.release))

    async def _look_at_desk(self) -> None:
        assert self._desk is not None, "it is followed only where there is one"
        self._hub.publish("desk", {"rows": self._desk.rows()})

    async def _look_at_lag(self) -> None:
        document = await self._lag.get("/api/lag")
        rows = self._trends.added(lag_rows(document))
        told = {key: document[key] for key in ("now", "cluster", "poll_seconds", "absent", "healthy")}
        self._hub.publish("lag", {**told, "rows": rows})

    async def _look_at_watch(self) -> None:
        for kind in WATCHED:
            self._hub.publish(kind, await self._watch.get(f"/api/watch/{kind}"))
        self._hub.publish("rates", await self._watch.get("/api/watch/rates", {"minutes": "60"}))
        events = self._hub.value("summary")["events"]
        self._hub.publish("applications", {"events": events})  # the page asks for the list it shows

    async def _look_at_certificates(self) -> None:
        facts = await asyncio.to_thread(gather, self._installation, self._now())
        self._hub.publish("certificates", certificates_table(facts))
        self._hub.publish("findings", [finding_row(each) for each in examine(facts)])

    async def _look_at_letters(self) -> None:
        loop = asyncio.get_running_loop()
        letters = await loop.run_in_executor(self._threads, self._letters.list)
        self._hub.publish("dead_letters", [letter_row(letter) for letter in letters])
