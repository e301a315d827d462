"""Figures of real processes on a real cluster with TLS: who gets them, what is in them, and how they are found."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.cli.exits import Exit
from pipeline.demo.preparation import equip
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.security import ssl_context
from tests.processes import ROOT, Processes, wait_until
from tests.scraping import contradictions, families, own, promised, values
from tests.secured import PARTIES, Secured, secured

START = 60.0
"""Seconds a process gets until it gives its figures."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Kafka as the demo runs it, with trust entries and a catalog."""
    with secured(tmp_path_factory.mktemp("metrics")) as made:
        equip(made.bootstrap, made.installation, PARTIES, [])
        yield made


@pytest.fixture
def processes(cluster: Secured, tmp_path: Path) -> Iterator[Processes]:
    """Processes that give figures at any free port."""
    environment = {"HEDX_HOME": str(cluster.installation.folder), "HEDX_METRICS": "127.0.0.1:0"}
    made = Processes(tmp_path / "logs", environment)
    yield made
    made.close()


def target(cluster: Secured, process: str) -> Path:
    """The file by which Prometheus finds a process."""
    return cluster.installation.folder / "metrics" / f"{process}.json"


def start(processes: Processes, cluster: Secured, process: str, *arguments: str) -> None:
    """Start `hedx <arguments>` and wait until it is found under the name `process`."""
    processes.start(process, "pipeline.cli.main", *arguments, "--bootstrap", cluster.bootstrap)
    wait_until(process, lambda: _alive(processes, process) and target(cluster, process).exists(), START)


def _alive(processes: Processes, process: str) -> bool:
    assert processes.is_running(process), processes.tail(process)
    return True


def ask(cluster: Secured, process: str, principal: str | None, path: str = "/metrics") -> tuple[int, bytes]:
    """What a process answers to a principal; None: to somebody without a certificate."""
    [found] = json.loads(target(cluster, process).read_text())
    host, _, port = found["targets"][0].rpartition(":")
    folder = cluster.installation.transport(principal or "ops")
    context = ssl_context(folder) if principal else ssl.create_default_context(cafile=folder / "authorities.pem")
    connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def scrape(cluster: Secured, process: str) -> bytes:
    """What Prometheus would get."""
    status, text = ask(cluster, process, "monitor")
    assert status == 200
    return text


def send(cluster: Secured, topic: str, value: bytes) -> None:
    """Write one record as an operator."""
    producer = Producer(cluster.client("admin"))
    producer.produce(topic, value, b"k")
    assert producer.flush(30) == 0


def test_a_worker_gives_its_figures_to_operators_alone(cluster: Secured, processes: Processes) -> None:
    """200 with the right certificate, 403 with a province's, no handshake without one; ended, it is found no more."""
    start(processes, cluster, "center.intake.0", "center", "run", "intake")
    for principal in ("monitor", "ops", "admin", "center"):
        assert ask(cluster, "center.intake.0", principal)[0] == 200
    assert ask(cluster, "center.intake.0", "P37") == (403, b"403 Forbidden\n")
    assert ask(cluster, "center.intake.0", "P37", "/healthz")[0] == 403
    assert ask(cluster, "center.intake.0", "ops", "/healthz") == (200, b"ok\n")
    with pytest.raises(OSError):
        ask(cluster, "center.intake.0", None)
    processes.stop("center.intake.0")
    assert not target(cluster, "center.intake.0").exists()


def test_what_a_worker_did_is_in_its_figures(cluster: Secured, processes: Processes) -> None:
    """Junk at the door: read, put aside, committed; names, kinds, labels and buckets are those of the table."""
    start(processes, cluster, "center.intake.0", "center", "run", "intake")
    send(cluster, inbox(CENTER, "requests"), b"junk")
    wait_until(
        "the dead letter is counted",
        lambda: "hedx_dead_letters_total" in families(scrape(cluster, "center.intake.0")),
        START,
    )
    text = scrape(cluster, "center.intake.0")
    assert list(contradictions(text)) == []
    rare = {"hedx_refusals_total", "hedx_outputs_total", "hedx_output_bytes_total"}  # junk is put aside, unanswered
    rare.add("hedx_dead_letters_withheld_total")  # and as little of it as here is all kept
    assert own(text) == promised("process", "worker") - rare
    assert values(text, "hedx_messages_total") == {("intake",): 1}
    assert values(text, "hedx_message_bytes") == {("intake",): 1}
    assert values(text, "hedx_partitions_owned")["intake",] >= 1
    assert values(text, "hedx_restores_total")["intake",] >= 1
    assert values(text, "hedx_crypto_operations_total")["verify",] > 0
    processes.stop("center.intake.0")


def test_an_adapter_gives_its_figures(cluster: Secured, processes: Processes) -> None:
    """Its outbox, what it owes, its desks' turns, its certificates; junk in its inbox is counted by code."""
    start(processes, cluster, "party.37", "province", "run", "--party", "37")
    send(cluster, inbox("37", "requests"), b"junk")
    wait_until("the refusal is counted", lambda: "hedx_refusals_total" in families(scrape(cluster, "party.37")), START)
    wait_until("each desk has had a turn", lambda: _desks(cluster) == {"answer", "deliver", "outbox", "keeper"}, START)
    text = scrape(cluster, "party.37")
    assert list(contradictions(text)) == []
    answering = {"hedx_lookup_seconds", "hedx_answers_total"}  # 37 has no databases here
    assert own(text) == promised("process", "adapter") - answering
    certificates = {(party, usage) for party, usage, _ in values(text, "hedx_certificate_expiry_seconds")}
    assert certificates == {("37", "sign"), ("37", "encrypt"), ("37", "tls"), ("monitor", "tls")}
    processes.stop("party.37")


def _desks(cluster: Secured) -> set[str]:
    return {desk for _, desk in values(scrape(cluster, "party.37"), "hedx_adapter_turn_seconds")}


def test_a_crew_and_its_members_each_give_theirs(cluster: Secured, processes: Processes) -> None:
    """The parent counts restarts: a member that is killed is found anew, and its old file is taken away."""
    start(processes, cluster, "center", "center", "run", "intake", "collect")
    for member in ("center.intake.0", "center.collect.0"):
        wait_until(member, lambda member=member: target(cluster, member).exists(), START)  # type: ignore[misc]
    before = target(cluster, "center.intake.0").read_text()
    assert values(scrape(cluster, "center"), "hedx_process_restarts_total") == {("intake.0",): 0, ("collect.0",): 0}
    assert values(scrape(cluster, "center"), "hedx_process_up") == {("intake.0",): 1, ("collect.0",): 1}
    os.kill(_child(processes, "intake"), signal.SIGKILL)
    wait_until(
        "it is started again",
        lambda: values(scrape(cluster, "center"), "hedx_process_restarts_total")["intake.0",] == 1,
        START,
    )
    wait_until(
        "it is found anew",
        lambda: (
            target(cluster, "center.intake.0").exists() and target(cluster, "center.intake.0").read_text() != before
        ),
        START,
    )
    assert ask(cluster, "center.intake.0", "ops")[0] == 200
    assert list(contradictions(scrape(cluster, "center"))) == []
    processes.stop("center")
    assert list((cluster.installation.folder / "metrics").glob("*.json")) == []


def _child(processes: Processes, stage: str) -> int:
    """The process id of the crew's member for a stage."""
    children = psutil.Process(processes.pid("center")).children()
    [found] = [child.pid for child in children if stage in child.cmdline()]
    return found


def run_once(cluster: Secured, **environment: str) -> subprocess.CompletedProcess[str]:
    """`hedx center run intake`, which must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli.main", "center", "run", "intake", "--bootstrap", cluster.bootstrap],
        cwd=ROOT,
        env={**os.environ, "HEDX_HOME": str(cluster.installation.folder), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=START,
    )


def test_a_port_that_is_taken_ends_the_process_with_one_sentence(cluster: Secured) -> None:
    """It does not go on without figures that somebody asked for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_once(cluster, HEDX_METRICS=f"127.0.0.1:{port}")
    assert done.returncode == Exit.FAILED
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_certificate_of_monitor_ends_it_with_one_sentence(cluster: Secured) -> None:
    """As does an address that is none."""
    monitor = cluster.installation.transport("monitor")
    elsewhere = monitor.rename(monitor.with_name("gone"))
    try:
        done = run_once(cluster, HEDX_METRICS="127.0.0.1:0")
    finally:
        elsewhere.rename(monitor)
    assert done.returncode == Exit.FAILED
    assert "principals/monitor is missing" in done.stderr
    done = run_once(cluster, HEDX_METRICS="yes")
    assert done.returncode == Exit.FAILED
    assert "HEDX_METRICS=yes: must be HOST:PORT" in done.stderr


def committed(cluster: Secured) -> int:
    """How far intake has come, all partitions together."""
    consumer = Consumer(cluster.client("center", group_id="hedx.center.intake"))
    topic = inbox(CENTER, "requests")
    numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    places = consumer.committed([TopicPartition(topic, number) for number in numbers], timeout=30)
    consumer.close()
    return sum(max(0, place.offset) for place in places)


def test_without_the_variable_nothing_listens(cluster: Secured, tmp_path: Path) -> None:
    """A worker that works has no port open then, and no file tells of it."""
    quiet = Processes(tmp_path / "quiet", {"HEDX_HOME": str(cluster.installation.folder), "HEDX_METRICS": ""})
    before = committed(cluster)
    try:
        quiet.start("intake", "pipeline.cli.main", "center", "run", "intake", "--bootstrap", cluster.bootstrap)
        send(cluster, inbox(CENTER, "requests"), b"junk")
        wait_until("it works", lambda: committed(cluster) > before, START, pause=0.5)
        connections = psutil.Process(quiet.pid("intake")).net_connections(kind="inet")
        assert connections
        assert [each for each in connections if each.status == psutil.CONN_LISTEN] == []
        assert list((cluster.installation.folder / "metrics").glob("*.json")) == []
        quiet.stop("intake")
    finally:
        quiet.close()
