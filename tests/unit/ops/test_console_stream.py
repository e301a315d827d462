"""Events: their frames, their numbers, and how a page that comes back goes on."""

from __future__ import annotations

import asyncio
import json

from pipeline.ops.console.stream import Hub, frame


def test_a_frame_is_one_line_of_json() -> None:
    """Line breaks in a value cannot end the event or begin another."""
    raw = frame("lag", {"reason": "a\n\nevent: forged\rdata: 1"}, "ab-3").decode()
    assert raw.startswith("id: ab-3\nevent: lag\ndata: {")
    assert raw.endswith("\n\n")
    assert raw.count("\n") == 4
    assert json.loads(raw.split("data: ", 1)[1]) == {"reason": "a\n\nevent: forged\rdata: 1"}
    assert frame("beat", {}).startswith(b"event: beat\n")


def test_only_the_newest_of_a_kind_is_told() -> None:
    """A page that was away gets what changed, once, in order; what did not change is no news."""

    async def course() -> None:
        hub = Hub()
        hub.publish("lag", 1)
        hub.publish("flow", 1)
        hub.publish("lag", 2)
        hub.publish("flow", 1)
        told = list(hub.since(0))
        assert [(one.kind, one.value) for one in told] == [("flow", 1), ("lag", 2)]
        last = told[-1].number
        hub.publish("desk", [])
        assert [one.kind for one in hub.since(last)] == ["desk"]

    asyncio.run(course())


def test_ids_of_another_process_start_from_the_beginning() -> None:
    """After a restart numbers begin again, so a page's last id says nothing; nor does a made-up one."""

    async def course() -> None:
        one, other = Hub(), Hub()
        assert one.resumed(one.identifier(7)) == 7
        assert other.resumed(one.identifier(7)) == 0
        for text in ("", "x", "-", f"{one.identifier(1)[:-1]}٣", one.identifier(1).replace("-1", "--1")):
            assert one.resumed(text) == 0

    asyncio.run(course())


def test_waiting_ends_with_news_and_without() -> None:
    """At once when there is news already, when it comes, and after the time given when none does."""

    async def course() -> None:
        hub = Hub()
        hub.publish("lag", 1)
        await asyncio.wait_for(hub.wait(0, 60), 1)
        waiting = asyncio.create_task(hub.wait(1, 60))
        await asyncio.sleep(0)
        hub.publish("lag", 2)
        await asyncio.wait_for(waiting, 1)
        await asyncio.wait_for(hub.wait(2, 0.01), 1)

    asyncio.run(course())
