"""The watch's HTTP API over mutual TLS: who gets in, what it takes and says, and that nobody can keep the others waiting."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from pipeline.center.installation import Installation, set_up
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import ssl_context
from pipeline.ops.doors import Limits, listening
from pipeline.ops.listening import Address
from pipeline.ops.metric_names import METRICS
from pipeline.ops.metrics_building import Asked
from pipeline.ops.watch_api import LARGEST_PAGE, WatchApi
from pipeline.ops.watch_metrics import families
from pipeline.ops.watch_tables import WatchTables
from pipeline.ops.watch_views import Views
from tests.unit.ops.watch_events import DAY, HOUR, NOW, change, dispatched, event, exchange

ID = "0b5ad0a4-4c5d-4f0e-9a55-3ac1a8d9a001"
LOOPBACK = Address("127.0.0.1", 0)
PATHS = [
    "/metrics",
    "/healthz",
    "/api/watch/summary",
    "/api/watch/rates",
    "/api/watch/latency",
    "/api/watch/punctuality",
    "/api/watch/flow",
    "/api/watch/risks",
    "/api/watch/applications",
    f"/api/watch/applications/{ID}",
]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Everything of one machine."""
    made = Installation(tmp_path_factory.mktemp("home") / "hedx")
    set_up(made, ["37"], wall_clock())
    return made


class Served:
    """An API over made-up events, and clients of it."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.tables = WatchTables(since=5)
        for each in [
            *exchange(1, 30),
            change("started", NOW - 9 * HOUR, 3, "started", ID),
            dispatched("32", NOW - 9 * HOUR, ID),
        ]:
            self.tables.add(each)
        self.behind, self.rebuilt, self.revoked = 0.0, True, False
        self.port = 0

    @asynccontextmanager
    async def running(self, limits: Limits) -> AsyncIterator[Served]:
        """While the server runs."""
        views = Views(self.tables, lambda: NOW, lambda: self.behind)
        registry = CollectorRegistry()
        Asked(registry, lambda: families(self.tables, views, lambda: NOW, lambda: self.behind, lambda: self.rebuilt))
        api = WatchApi(views, registry, lambda: self.rebuilt, lambda: self.behind, lambda: None)
        monitor = self.installation.transport("monitor")
        async with listening(api.application(), LOOPBACK, monitor, limits) as address:
            self.port = address.port
            yield self

    async def ask(
        self, path: str, principal: str = "ops", method: str = "GET"
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, document (or text) and answer."""
        context = ssl_context(self.installation.transport(principal))
        assert context is not None
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"https://127.0.0.1:{self.port}{path}", ssl=context) as answer,
        ):
            is_json = answer.content_type == "application/json" and method == "GET"
            return answer.status, await (answer.json() if is_json else answer.text()), answer


def served(
    installation: Installation, check: Callable[[Served], Awaitable[None]], limits: Limits | None = None
) -> None:
    """Run `check` against a server."""

    async def both() -> None:
        async with Served(installation).running(limits or Limits()) as server:
            await asyncio.wait_for(check(server), 30)

    asyncio.run(both())


@pytest.mark.parametrize("principal", ["monitor", "ops", "admin", "center"])
def test_operators_read_everything(installation: Installation, principal: str) -> None:
    """Each path answers 200, is kept by no cache, and tells nothing about the server."""

    async def check(server: Served) -> None:
        for path in PATHS:
            status, _, answer = await server.ask(path, principal)
            assert status == 200, path
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert answer.headers["Server"] == "hedx"

    served(installation, check)


def test_a_party_reads_nothing(installation: Installation) -> None:
    """Its certificate is of the exchange and gets 403, on every path, known or not."""

    async def check(server: Served) -> None:
        for path in [*PATHS, "/nothing", "/api/watch/rates?minutes=x"]:
            status, document, _ = await server.ask(path, "P37")
            assert (status, document) == (403, {"error": "this principal may not read figures"}), path

    served(installation, check)


def test_without_a_certificate_there_is_no_answer(installation: Installation) -> None:
    """TLS ends the connection before a request is read."""

    async def check(server: Served) -> None:
        context = ssl.create_default_context(cafile=installation.transport("ops") / "authorities.pem")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"https://127.0.0.1:{server.port}/healthz", ssl=context)
        status, _, _ = await server.ask("/healthz")
        assert status == 200

    served(installation, check)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("rates?minutes=0", "minutes must be a whole number from 1 to 1440"),
        ("rates?minutes=1441", "minutes must be a whole number from 1 to 1440"),
        ("rates?minutes=%EF%BC%91", "minutes must be a whole number from 1 to 1440"),
        ("rates?minute=5", "there is no such parameter here, only: minutes"),
        ("rates?minutes=5&minutes=6", "minutes is given twice"),
        ("summary?x=1", "there is no such parameter here, only: none"),
        ("applications?state=sleeping", "state must be a state of docs/lifecycle.md"),
        ("applications?party=99x", "party must be a party's code, for instance 37"),
        (f"applications?limit={LARGEST_PAGE + 1}", f"limit must be a whole number from 1 to {LARGEST_PAGE}"),
        ("applications?before=-1", "before must be a whole number from 0 to 999999999999999"),
        (f"applications/{ID}?limit=1", "there is no such parameter here, only: party"),
        (f"applications/{ID}?party=99x", "party must be a party's code, for instance 37"),
    ],
)
def test_a_wrong_parameter_is_told_in_a_sentence(installation: Installation, path: str, sentence: str) -> None:
    """400, and which values there are."""

    async def check(server: Served) -> None:
        status, document, _ = await server.ask(f"/api/watch/{path}")
        assert (status, document) == (400, {"error": sentence})

    served(installation, check)


def test_an_application_is_found_by_its_id(installation: Installation) -> None:
    """With what is missing and what happened; another id, or what is none, is 404."""

    async def check(server: Served) -> None:
        status, document, _ = await server.ask(f"/api/watch/applications/{ID}")
        assert status == 200
        owed = {"provider": "32", "persons": 5, "subqueries": 10, "deadline": NOW - 6 * HOUR}
        assert (document["state"], document["missing"], document["stuck"]) == ("started", [owed], "not_certified")
        assert [line["kind"] for line in document["history"]] == ["started", "dispatched"]
        for other in ("0b5ad0a4-4c5d-4f0e-9a55-3ac1a8d9a002", "application-1", "..%2F..", "%00"):
            status, _, _ = await server.ask(f"/api/watch/applications/{other}")
            assert status == 404

    served(installation, check)


def test_an_id_of_two_requesters_asks_whose_is_meant(installation: Installation) -> None:
    """Alone 200 without a party; of several 409 names them, and each is told by its own; one that has none is 404."""

    async def check(server: Served) -> None:
        path = f"/api/watch/applications/{ID}"
        _, honest, _ = await server.ask(path)
        for number, (kind, state) in enumerate((("arrived", "under_review"), ("rejected", "rejected")), 1):
            server.tables.add(change(kind, NOW - 10 + number, number, state, ID, party="11", count=1))
        status, document, _ = await server.ask(path)
        sentence = "several parties have an application of this id: 11, 37; name one with ?party="
        assert (status, document) == (409, {"error": sentence, "parties": ["11", "37"]})
        assert (await server.ask(f"{path}?party=37"))[:2] == (200, honest)
        status, other, _ = await server.ask(f"{path}?party=11")
        assert (status, other["party"], other["state"], other["persons"]) == (200, "11", "rejected", 1)
        assert (await server.ask(f"{path}?party=32"))[0] == 404

    served(installation, check)


def test_pages_of_applications_meet_without_gap_or_overlap(installation: Installation) -> None:
    """Following `before`, every application of a state is met once, the newest change first."""

    async def check(server: Served) -> None:
        met: list[dict[str, Any]] = []
        before = ""
        while True:
            status, page, _ = await server.ask(f"/api/watch/applications?state=completed&limit=3{before}")
            assert status == 200
            met += page["applications"]
            if not page["more"]:
                break
            before = f"&before={page['applications'][-1]['since']}"
        ids = [row["application_id"] for row in met]
        assert len(ids) == len(set(ids)) > 6
        assert [row["since"] for row in met] == sorted((row["since"] for row in met), reverse=True)
        everybody = Views(server.tables, lambda: NOW, lambda: 0.0).applications("completed", None, None, LARGEST_PAGE)
        assert {row["application_id"] for row in everybody["applications"]} == set(ids)

    served(installation, check)


def test_only_reading_is_allowed(installation: Installation) -> None:
    """Another method is 405, another path 404."""

    async def check(server: Served) -> None:
        for method in ("POST", "PUT", "DELETE"):
            status, _, _ = await server.ask("/api/watch/summary", method=method)
            assert status == 405
        status, _, _ = await server.ask("/api/watch")
        assert status == 404

    served(installation, check)


def test_health_says_when_the_figures_are_not_how_things_are(installation: Installation) -> None:
    """503 while it is rebuilt and when it does not keep up; how far behind it is, always."""

    async def check(server: Served) -> None:
        server.rebuilt, server.behind = False, 86_400.0
        assert (await server.ask("/healthz"))[:2] == (503, {"status": "rebuilding", "behind_seconds": 86_400.0})
        server.rebuilt, server.behind = True, 301.0
        assert (await server.ask("/healthz"))[:2] == (503, {"status": "behind", "behind_seconds": 301.0})
        server.behind = 2.0
        assert (await server.ask("/healthz"))[:2] == (200, {"status": "ok", "behind_seconds": 2.0})

    served(installation, check)


def test_metrics_are_those_of_the_table_and_half_a_figure_is_not_shown(installation: Installation) -> None:
    """Every metric of the watch is there; while it is rebuilt only how far behind it is."""

    async def check(server: Served) -> None:
        near = event("deadline_near", NOW, provider="32", section=1, count=5, application=ID, parts=[
            {"category": "medical", "status": "missing", "provider": None, "deadline": NOW + DAY, "count": 5}
        ])  # fmt: skip
        server.tables.add(near)
        server.tables.add(event("section_received", NOW, "intake", ID, section=1, since=NOW - 5))
        server.tables.unreadable["schema_unknown"] += 1
        found = {each.name: each for each in text_string_to_metric_families((await server.ask("/metrics"))[1])}
        named = {metric.name.removesuffix("_total") for metric in METRICS if metric.source == "watch"}
        assert found.keys() == named
        assert all(each.samples for each in found.values())
        server.rebuilt, server.behind = False, 7.0
        found = {each.name: each for each in text_string_to_metric_families((await server.ask("/metrics"))[1])}
        assert [(name, each.samples[0].value) for name, each in found.items()] == [("hedx_watch_behind_seconds", 7.0)]

    served(installation, check)


def test_who_says_nothing_keeps_nobody_waiting(installation: Installation) -> None:
    """All places taken by silence: they are free again after the handshake's limit, and more than these are closed at once."""

    async def check(server: Served) -> None:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        await asyncio.sleep(0)
        surplus = await asyncio.open_connection("127.0.0.1", server.port)
        assert await surplus[0].read() == b""
        surplus[1].close()
        for connection in silent:
            connection.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(connection, 1) == b""
            connection.close()
        assert (await server.ask("/healthz"))[0] == 200

    served(installation, check, Limits(most=3, handshake=0.2))


def test_who_drips_is_cut_off(installation: Installation) -> None:
    """After the handshake a request must come to its end, too."""

    async def check(server: Served) -> None:
        context = ssl_context(installation.transport("ops"))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)):
            await reader.readexactly(1)
        writer.close()

    served(installation, check, Limits(longest=0.3))


def test_an_address_in_use_is_a_sentence(installation: Installation) -> None:
    """Not a traceback."""

    async def check(server: Served) -> None:
        app = aiohttp.web.Application()
        with pytest.raises(ConfigError, match="cannot be listened on"):
            async with listening(app, Address("127.0.0.1", server.port), installation.transport("monitor")):
                pass

    served(installation, check)


def test_without_tls_only_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP is for a throw-away broker, on a loopback address."""
    monkeypatch.setenv("HEDX_SECURITY", "plaintext")

    async def attempt() -> None:
        async with listening(aiohttp.web.Application(), Address("0.0.0.0", 0), tmp_path):  # noqa: S104 - refused
            pass

    with pytest.raises(ConfigError, match="loopback"):
        asyncio.run(attempt())
