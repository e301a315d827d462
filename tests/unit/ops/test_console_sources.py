"""The console's way to the watch: over the watch's own API, so that both agree about whose application is meant."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from pipeline.ops.console.gate import Refusal
from pipeline.ops.console.sources import SeveralParties, Source, SourceAway
from pipeline.ops.watch_api import WatchApi
from pipeline.ops.watch_tables import WatchTables
from pipeline.ops.watch_views import Views
from tests.unit.ops.watch_events import NOW, change

ID = "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d"
PATH = f"/api/watch/applications/{ID}"


def asked(app: web.Application, course: Callable[[Source], Awaitable[None]]) -> None:
    """Run questions to a server of figures."""

    async def main() -> None:
        async with TestServer(app) as server, aiohttp.ClientSession() as session:
            await course(Source(lambda: str(server.make_url("")).rstrip("/"), ssl.create_default_context(), session))

    asyncio.run(main())


def watching(*parties: str) -> web.Application:
    """The watch, which knows an application of the same id from each of these parties."""
    tables = WatchTables()
    for party in parties:
        tables.add(change("arrived", NOW - 100, 1, "under_review", ID, party=party, count=1))
    views = Views(tables, lambda: NOW, lambda: 0.0)
    return WatchApi(views, CollectorRegistry(), lambda: True, lambda: 0.0, lambda: None).application()


def test_of_several_requesters_one_is_named() -> None:
    """Whose there are is told; with a party it is that one's; of a party that has none there is none."""

    async def course(watch: Source) -> None:
        with pytest.raises(SeveralParties) as several:
            await watch.get(PATH)
        assert several.value.parties == ["11", "37"]
        for party in ("11", "37"):
            assert (await watch.get(PATH, {"party": party}))["party"] == party
        with pytest.raises(Refusal, match="unknown"):
            await watch.get(PATH, {"party": "53"})

    asked(watching("37", "11"), course)


def test_one_requester_needs_no_name() -> None:
    """As long as the id is its alone."""

    async def course(watch: Source) -> None:
        assert (await watch.get(PATH))["party"] == "37"

    asked(watching("37"), course)


@pytest.mark.parametrize("body", ["[]", "{}", '{"parties": 5}', "no"])
def test_a_conflict_that_names_nobody_is_no_answer(body: str) -> None:
    """What is not as it should be is told as a source that is away."""

    async def conflict(_: web.Request) -> web.Response:
        return web.Response(status=409, text=body)

    app = web.Application()
    app.add_routes([web.get(PATH, conflict)])

    async def course(watch: Source) -> None:
        with pytest.raises(SourceAway):
            await watch.get(PATH)

    asked(app, course)
