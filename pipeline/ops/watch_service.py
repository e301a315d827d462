"""The running watch: Faust feeds the tables, time makes them forget, and whoever may asks them over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from pipeline.kafka.clock import real_clock
from pipeline.ops.doors import listening
from pipeline.ops.listening import Address
from pipeline.ops.metrics_building import Asked
from pipeline.ops.watch import Watch
from pipeline.ops.watch_api import WatchApi
from pipeline.ops.watch_metrics import families
from pipeline.ops.watch_tables import WatchTables
from pipeline.ops.watch_views import Views

FORGET_EVERY = 60_000
"""How often (ms) the tables let go of what is old."""


class WatchService:
    """Tables, their documents and the Kafka side of one watch. `now`: ms, the time that applications live by.

    `days`: how far back it reads; None: from the topic's start. `principal`: as for `Watch`.
    """

    def __init__(
        self,
        bootstrap: str,
        now: Callable[[], int],
        *,
        days: float | None = None,
        topic: str | None = None,
        principal: Path | None = None,
    ) -> None:
        since = None if days is None else real_clock() - int(days * 24 * 3600 * 1000)
        self.tables = WatchTables(since or 0)
        self.watch = Watch(bootstrap, self.tables.read, topic, since=since, principal=principal)
        self.views = Views(self.tables, now, self.watch.behind)
        self._now = now
        self._forgot = now()
        self._is_rebuilt = False

    def is_rebuilt(self) -> bool:
        """Whether all that was there at the start is read, and counters count from then on."""
        return self._is_rebuilt

    async def wait(self, seconds: float) -> None:
        """Let it read for `seconds`. Raises what made it crash, if it did."""
        await self.watch.wait(seconds)
        if not self._is_rebuilt and self.watch.is_rebuilt():
            self._is_rebuilt = True
            self.tables.totals.from_nothing()
        if self._now() - self._forgot >= FORGET_EVERY:
            self._forgot = self._now()
            self.tables.forget(self._forgot)

    @asynccontextmanager
    async def served(
        self, address: Address, monitor: Path, newest_list: Callable[[], bytes | None]
    ) -> AsyncIterator[Address]:
        """Its API and metrics at `address`, with the certificate in `monitor`; the block gets the address to call.

        `newest_list`: gives the revocation list (DER) to hold readers against.
        """
        registry = CollectorRegistry()
        Asked(registry, lambda: families(self.tables, self.views, self._now, self.watch.behind, self.is_rebuilt))
        api = WatchApi(self.views, registry, self.is_rebuilt, self.watch.behind, newest_list)
        async with listening(api.application(), address, monitor) as bound:
            yield bound
