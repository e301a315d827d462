"""What the watch must say of a real exchange: read by Faust over TLS, asked for over its API, held against certificates and SQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import aiohttp

from pipeline.codec import framing
from pipeline.domain.records import Application, LifecycleEvent, StatusCount
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import ssl_context
from pipeline.ops.listening import Address
from pipeline.ops.watch_service import WatchService
from pipeline.ops.watch_tables import WatchTables
from pipeline.ops.watch_views import Views
from pipeline.stages import topics
from tests.exchange import Exchange
from tests.watch_oracle import WatchOracle

MINUTES = 1440
STATUSES = ("done", "refused", "unavailable", "expired", "withdrawn")


def assert_watched(
    exchange: Exchange, application: Application, first: Sequence[StatusCount], newest: Sequence[StatusCount]
) -> None:
    """The API's figures are plain SQL's over all events; the application's own are those of its certificates.

    `first`, `newest`: what its first and its newest certificate say. What the newest has and the first had not came late.
    """
    name = application["application_id"]
    values = [message.value or b"" for message in exchange.messages(topics.EVENTS)]
    events = [cast("LifecycleEvent", framing.decode_as("LifecycleEvent", value)) for value in values]
    found = asyncio.run(_asked(exchange, name))
    oracle = WatchOracle(events)
    assert found["summary"]["events"] == oracle.events()
    minutes = [(m["minute"], m["applications"], m["subqueries"], m["answers"]) for m in found["rates"]["minutes"]]
    assert [row for row in minutes if any(row[1:])] == oracle.minutes()
    _assert_settled(found["punctuality"], oracle)
    assert found["application"]["state"] == oracle.states()[name]
    assert found["application"]["missing"] == []
    assert {"section_received", "accepted", "dispatched", "answer_accepted", "certified"} <= {
        line["kind"] for line in found["application"]["history"]
    }
    assert _own(events, name) == _certified(first, newest)


def _assert_settled(rows: list[dict[str, Any]], oracle: WatchOracle) -> None:
    settled = oracle.settled()
    assert {row["provider"] for row in rows} == settled.keys() | oracle.unsettled().keys()
    for row in rows:
        counts = settled[row["provider"]]
        assert {status: row[status] for status in (*STATUSES, "late")} == {
            status: counts[status] for status in (*STATUSES, "late")
        }
        assert row["open"] == oracle.unsettled().get(row["provider"], 0)
        assert row["asked"] == row["open"] + counts.total() - counts["suspended"]


def _own(events: list[LifecycleEvent], name: str) -> dict[str, Counter[str]]:
    """Provider → the figures of the application's own events."""
    tables = WatchTables()
    for event in events:
        if event["application_id"] == name:
            tables.add(event)
    rows = Views(tables, wall_clock, lambda: 0.0).punctuality()
    return {
        row["provider"]: Counter({key: row[key] for key in ("asked", *STATUSES, "late") if row[key]}) for row in rows
    }


def _certified(first: Sequence[StatusCount], newest: Sequence[StatusCount]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for status in first:
        counts = found.setdefault(status["provider"], Counter())
        counts[status["status"]] += status["count"]
        counts["asked"] += status["count"]
    for provider, counts in found.items():
        left = sum(s["count"] for s in newest if (s["provider"], s["status"]) == (provider, "expired"))
        counts["late"], counts["expired"] = counts["expired"] - left, left
    return {
        provider: Counter({key: count for key, count in counts.items() if count}) for provider, counts in found.items()
    }


async def _asked(exchange: Exchange, name: str) -> dict[str, Any]:
    """What the API answers to ops, of a watch that has read everything."""
    transport = exchange.installation.transport
    context = ssl_context(transport("ops"))
    assert context is not None
    service = WatchService(exchange.bootstrap, wall_clock, principal=transport("ops"))
    paths = {
        "summary": "summary",
        "rates": f"rates?minutes={MINUTES}",
        "punctuality": "punctuality",
        "application": f"applications/{name}",
    }
    async with service.watch, aiohttp.ClientSession() as session:
        await service.watch.until_end()
        address = Address("127.0.0.1", 0)
        async with service.served(address, transport("monitor"), exchange.installation.newest_crl) as bound:
            found: dict[str, Any] = {}
            for key, path in paths.items():
                async with session.get(f"https://{bound}/api/watch/{path}", ssl=context) as answer:
                    assert answer.status == 200, path
                    found[key] = await answer.json()
            return found
