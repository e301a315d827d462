"""`hedx watch --serve` as a process on a cluster with TLS and rights: it reads as ops, and answers readers of figures alone."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from pipeline.codec import framing
from pipeline.domain.records import LifecycleEvent
from pipeline.kafka.clients import producer_config
from pipeline.kafka.security import client_security, ssl_context
from pipeline.stages import topics
from tests.processes import Processes, wait_until
from tests.secured import PARTIES, Secured, secured
from tests.unit.ops.watch_events import NOW, change, dispatched

START = 60.0
ID = "0b5ad0a4-4c5d-4f0e-9a55-3ac1a8d9a001"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Kafka as the demo runs it."""
    with secured(tmp_path_factory.mktemp("watch")) as made:
        yield made


@pytest.fixture(scope="module")
def processes(cluster: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A watch that is up to date, with one application started before it, as the center wrote it."""
    write(cluster, change("started", NOW, 3, "started", ID), dispatched("32", NOW, ID))
    environment = {"HEDX_HOME": str(cluster.installation.folder), "HEDX_PARTIES": ",".join(PARTIES)}
    made = Processes(tmp_path_factory.mktemp("logs"), environment)
    made.start(
        "watch", "pipeline.cli.main", "watch", "--serve", "127.0.0.1:0", "--bootstrap", cluster.bootstrap
    )  # fmt: skip
    try:
        wait_until("watch", lambda: made.pid("watch") > 0 and target(cluster).exists(), START)
        wait_until("up to date", lambda: ask(cluster, "ops", "/healthz")[0] == 200, START)
        yield made
    finally:
        made.close()


def target(cluster: Secured) -> Path:
    """The file by which Prometheus finds it."""
    return cluster.installation.folder / "metrics" / "watch.json"


def write(cluster: Secured, *events: LifecycleEvent) -> None:
    """Write events as the center does, in a transaction."""
    extra = client_security(cluster.installation.transport("center"))
    producer = Producer(producer_config(cluster.bootstrap, "hedx.center.join.9", extra=extra))
    producer.init_transactions(30)
    producer.begin_transaction()
    for each in events:
        producer.produce(topics.EVENTS, framing.encode("LifecycleEvent", each), ID)
    producer.commit_transaction()


def ask(cluster: Secured, principal: str | None, path: str) -> tuple[int, Any]:
    """What it answers to a principal; None: to somebody without a certificate."""
    [found] = json.loads(target(cluster).read_text())
    host, _, port = found["targets"][0].rpartition(":")
    folder = cluster.installation.transport(principal or "ops")
    context = ssl_context(folder) if principal else ssl.create_default_context(cafile=folder / "authorities.pem")
    connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if answer.headers["Content-Type"].startswith(
            "application/json"
        ) else body
    finally:
        connection.close()


def test_figures_are_read_with_the_rights_of_ops_and_follow_the_topic(cluster: Secured, processes: Processes) -> None:
    """What was there before it, and what comes; counters count what comes only."""
    status, document = ask(cluster, "monitor", f"/api/watch/applications/{ID}")
    assert (status, document["state"], document["missing"][0]["subqueries"]) == (200, "started", 10)
    write(cluster, dispatched("37", NOW + 5, ID), change("certified", NOW + 9, 4, "incomplete", ID))
    wait_until(
        "the certificate", lambda: ask(cluster, "ops", f"/api/watch/applications/{ID}")[1]["state"] == "incomplete", 20
    )
    assert ask(cluster, "ops", "/healthz") == (200, {"status": "ok", "behind_seconds": 0.0})
    status, text = ask(cluster, "ops", "/metrics")
    assert b'hedx_watch_subqueries_total{category="medical",provider="37"} 5.0' in text
    assert b'hedx_watch_subqueries_total{category="medical",provider="32"} 0.0' in text


def test_a_party_gets_403_and_nobody_without_a_certificate_an_answer(cluster: Secured, processes: Processes) -> None:
    """On every path, the metrics included."""
    for path in ("/metrics", "/healthz", "/api/watch/summary", f"/api/watch/applications/{ID}"):
        assert ask(cluster, "P37", path)[0] == 403
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            ask(cluster, None, path)


def test_it_ends_cleanly_and_prometheus_forgets_it(cluster: Secured, processes: Processes) -> None:
    """SIGTERM: exit code 0, and its file is gone."""
    processes.stop("watch")
    assert not target(cluster).exists()
