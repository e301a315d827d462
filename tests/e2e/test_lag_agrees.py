"""The lag exporter against Kafka's own tool, on a running exchange: for every group, topic and partition the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from pipeline.kafka.clients import admin_config, consumer_config
from pipeline.kafka.ends import end_offsets
from pipeline.kafka.security import ssl_context
from pipeline.ops.lag_reading import ReadingSince
from pipeline.ops.lag_samples import Target
from pipeline.ops.metric_names import BY_NAME
from tests.exchange import LONG, Exchange
from tests.processes import wait_until
from tests.secured import Secured

pytestmark = pytest.mark.timeout(400)

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
ROW = re.compile(r"^(\S+) +(\S+) +(\d+) +(\d+|-) +(\d+) +(\d+|-) ", re.MULTILINE)
MARKERS = "hedx.ops.trial"
"""A group that stands before transaction markers, on a topic that operations may read."""
LATE = "53"
"""The party whose adapter is down; it is asked something, as all are."""

Key = tuple[str, str, int]


class Told(NamedTuple):
    """What Kafka's tool prints of one partition; None where it prints a dash: never committed."""

    committed: int | None
    end: int
    lag: int | None


def tool(exchange: Exchange) -> dict[Key, Told]:
    """What `kafka-consumer-groups --describe --all-groups` says, run as operations."""
    said = Secured(exchange.installation, exchange.bootstrap, "").tool(GROUPS, "ops", "--describe", "--all-groups")
    found: dict[Key, Told] = {}
    for group, topic, partition, committed, end, lag in ROW.findall(said):
        numbers = [None if text == "-" else int(text) for text in (committed, lag)]
        found[group, topic, int(partition)] = Told(numbers[0], int(end), numbers[1])
    assert found, said
    return found


def get(exchange: Exchange, path: str) -> bytes:
    """A page of the exporter, over mutual TLS as `monitor`, where its file says that it is."""
    told = json.loads((exchange.installation.folder / "metrics" / "lag.json").read_text())
    [place] = told[0]["targets"]
    context = ssl_context(exchange.installation.transport("monitor"))
    assert context is not None
    with closing(HTTPSConnection(place, context=context, timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status)
        return body


def partitions(document: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    """The document's partitions by group, topic and number."""
    return {
        (group["group"], each["topic"], each["partition"]): each
        for group in document["groups"]
        for each in group["partitions"]
    }


def judged(exchange: Exchange) -> dict[str, dict[str, Any]]:
    """The exporter's groups by name."""
    return {group["group"]: group for group in json.loads(get(exchange, "/api/lag"))["groups"]}


def positions(document: dict[str, Any]) -> dict[Key, tuple[int | None, int]]:
    """Committed and end offsets: what must not move while the tool is at work."""
    return {key: (each["committed"], each["end"]) for key, each in partitions(document).items()}


def at_rest(exchange: Exchange) -> tuple[dict[Key, Told], dict[str, Any], bytes]:
    """What the tool and the exporter say of the same state: nothing moved between the polls before and after the tool."""
    kept: list[tuple[dict[Key, Told], dict[str, Any], bytes]] = []

    def same() -> bool:
        before = json.loads(get(exchange, "/api/lag"))
        said = tool(exchange)
        wait_until("a poll after it", lambda: bool(json.loads(get(exchange, "/api/lag"))["now"] > before["now"]), LONG)
        page, after = get(exchange, "/metrics"), json.loads(get(exchange, "/api/lag"))
        kept[:] = [(said, after, page)]
        return positions(before) == positions(after)

    wait_until("rest", same, LONG)
    return kept[0]


@pytest.fixture
def exporter(exchange: Exchange) -> Iterator[Exchange]:
    """The exchange with `hedx lag --serve` beside it, which ends cleanly and takes its file away."""
    arguments = ("lag", "--serve", "127.0.0.1:0", "--every", "1", "--stalled", "5", "--bootstrap", exchange.bootstrap)
    exchange.processes.start("lag", "pipeline.cli.main", *arguments)
    file = exchange.installation.folder / "metrics" / "lag.json"
    wait_until("the exporter is told of", file.exists, LONG)
    yield exchange
    exchange.processes.stop("lag")
    assert not file.exists()


def stand_before_markers(exchange: Exchange) -> dict[int, int]:
    """Read all events as operations and commit behind the last record; returns partition → offsets up to the end."""
    places = [("hedx.events", number) for number in range(3)]
    ends = end_offsets(AdminClient(admin_config(exchange.bootstrap, exchange.security("ops"))), places)
    settings = {**exchange.security("ops"), "enable.partition.eof": True}
    consumer = Consumer(consumer_config(exchange.bootstrap, MARKERS, extra=settings))
    consumer.assign([TopicPartition(*place, 0) for place in places])
    behind: dict[int, int] = {}
    open_ = set(range(3))
    while open_:
        event = consumer.poll(30)
        assert event is not None
        if event.error() is None:
            behind[event.partition() or 0] = (event.offset() or 0) + 1
        else:
            open_.discard(event.partition() or 0)
    consumer.commit(offsets=[TopicPartition("hedx.events", *item) for item in behind.items()], asynchronous=False)
    consumer.close()
    return {number: ends["hedx.events", number] - offset for number, offset in behind.items()}


def test_the_exporter_agrees_with_kafkas_own_tool(exporter: Exchange) -> None:
    """Idle, lagging, stopped and absent-minded groups alike; where it says 0 and the tool does not, only markers are left."""
    exchange = exporter
    persons = exchange.sample.persons[:10]
    first, application = (exchange.application(persons, requester="37") for _ in range(2))
    exchange.file(first, persons, size=5)
    exchange.wait_complete(first)  # so that every group has committed something
    exchange.processes.kill("collect")
    exchange.processes.kill(LATE)
    exchange.file(application, persons, size=5)
    wait_until("answers wait", lambda: exchange.stage_lag("collect") > 0, LONG)
    wait_until("requests wait", lambda: exchange.lag()[f"hedx.{LATE}.answer", f"hedx.{LATE}.requests"] > 0, LONG)
    markers = stand_before_markers(exchange)
    assert any(markers.values())
    for group in ("hedx.center.collect", f"hedx.{LATE}.answer"):
        wait_until("stopped", lambda name=group: judged(exchange)[name]["rule"] == 2, LONG)  # type: ignore[misc]
    said, document, page = at_rest(exchange)
    found = partitions(document)

    # every group of the exchange is there, and every row of the tool's has its like
    assert {group for group, _, _ in found} == {*exchange.readers(), MARKERS}
    assert set(said) <= set(found)
    assert all(found[key]["committed"] is None for key in set(found) - set(said))  # of which the tool says nothing
    assert set(exchange.readers()) - {group for group, _, _ in said} <= set(document["absent"])
    only_markers = set()
    for key, told in said.items():
        mine = found[key]
        assert (mine["committed"], mine["end"]) == (told.committed, told.end), key
        if told.lag is None:  # never committed: the tool counts nothing, the exporter what is there
            assert mine["lag"] == mine["end"] - mine["begin"], key
        elif mine["lag"] != told.lag:
            assert mine["lag"] == 0, key
            only_markers.add(key)
        else:
            assert (mine["lag"] > 0) == (mine["lag_seconds"] > 0), key

    # where they differ, somebody who may read everything finds no record
    assert {(MARKERS, "hedx.events", number) for number, count in markers.items() if count} == only_markers
    with closing(ReadingSince(exchange.bootstrap, exchange.security("admin"))) as reading:
        targets = [Target(topic, number, found[key]["committed"], found[key]["end"]) for key in only_markers
                   for _, topic, number in [key]]  # fmt: skip
        assert reading(targets) == dict.fromkeys(targets)

    # something did lag, so that it was not zeros that agreed
    assert sum(told.lag or 0 for (group, _, _), told in said.items() if group == "hedx.center.collect") > 0
    assert sum(each["lag"] for (group, _, _), each in found.items() if group == f"hedx.{LATE}.answer") > 0

    # and Prometheus is told the same, under the agreed names and labels
    shown: dict[Key, float] = {}
    for family in text_string_to_metric_families(page.decode()):
        for each in family.samples:
            assert each.name in BY_NAME, each.name
            assert set(each.labels) == set(BY_NAME[each.name].labels), each.name
            if each.name == "kafka_consumergroup_group_lag":
                shown[each.labels["group"], each.labels["topic"], int(each.labels["partition"])] = each.value
    assert shown == {key: mine["lag"] for key, mine in found.items()}

    # what was down is started, what was asked is answered, and the lags are gone
    admin = AdminClient(admin_config(exchange.bootstrap, exchange.security("admin")))
    [deleted] = admin.delete_consumer_groups([MARKERS]).values()
    deleted.result(30)
    exchange.processes.restart("collect")
    exchange.processes.restart(LATE)
    exchange.wait_complete(application)
    exchange.wait_rest()
    wait_until("all is well", lambda: bool(json.loads(get(exchange, "/api/lag"))["healthy"]), LONG)
