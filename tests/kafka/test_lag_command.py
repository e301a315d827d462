"""`hedx lag` as operations run it, on a cluster with TLS and rights: once, in a pipe, and served."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from ssl import SSLError

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.kafka.security import ssl_context
from tests.processes import PATIENCE, wait_until
from tests.secured import PARTIES, Secured, secured

INBOX = "hedx.37.requests"
GROUP = "hedx.37.answer"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A cluster whose parties have joined, on which 37 has committed behind the first of three messages; nobody runs."""
    with secured(tmp_path_factory.mktemp("lag")) as cluster:
        cluster.publish_trust()
        center, party = Producer(cluster.client("center")), Consumer(cluster.client("P37", group_id=GROUP))
        for _ in range(3):
            center.produce(INBOX, b"sealed", partition=0)
            assert center.flush(PATIENCE) == 0

        def committed() -> bool:
            try:
                party.commit(offsets=[TopicPartition(INBOX, 0, 1)], asynchronous=False)
            except KafkaException:  # its coordinator is coming up
                return False
            return True

        wait_until("committed", committed, PATIENCE)
        party.close()
        yield cluster


@pytest.fixture(autouse=True)
def environment(kafka: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find cluster and installation as on the machine of operations: without the operator's files."""
    monkeypatch.setenv("HEDX_HOME", str(kafka.installation.folder))
    monkeypatch.setenv("HEDX_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.delenv("HEDX_SECURITY", raising=False)


def test_one_look_as_operations(capsys: pytest.CaptureFixture[str]) -> None:
    """No right but to look: lag in offsets and seconds of an inbox that it cannot read; exit 10, since nobody is there."""
    assert run(["lag", "--json"]) == Exit.UNHEALTHY
    said = json.loads(capsys.readouterr().out)
    groups = {group["group"]: group for group in said["groups"]}
    parties = {f"hedx.{party}.{role}" for party in PARTIES for role in ("answer", "deliver")}
    assert set(groups) == {f"hedx.center.{stage}" for stage in ("intake", "applications", "collect", "join")} | parties
    assert set(said["absent"]) == set(groups) - {GROUP}
    mine = groups[GROUP]
    assert (mine["status"], mine["rule"], mine["lag"], mine["members"]) == ("stopped", 2, 2, 0)
    assert 0 < mine["lag_seconds"] < 120
    assert mine["partitions"][0]["retention_ratio"] == pytest.approx(mine["lag_seconds"] / 7_776_000, rel=0.01)
    assert said["healthy"] is False


def test_one_look_for_a_reader(capsys: pytest.CaptureFixture[str]) -> None:
    """A table with the rule's sentence."""
    assert run(["lag"]) == Exit.UNHEALTHY
    [row] = [line for line in capsys.readouterr().out.splitlines() if GROUP in line]
    assert row.split()[:4] == ["stopped", GROUP, INBOX, "2"]
    assert "partition 0: nobody reads: 2 wait, the first for " in row


def test_no_broker_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1 and words, no traceback."""
    monkeypatch.setattr("pipeline.ops.lag_topics.TIMEOUT", 1.0)
    assert run(["lag", "--bootstrap", "127.0.0.1:1"]) == Exit.FAILED
    assert "the brokers do not tell" in capsys.readouterr().err


def test_two_ways_to_run_at_once_are_refused() -> None:
    """--watch and --serve."""
    assert run(["lag", "--watch", "--serve", "127.0.0.1:0"]) == Exit.USAGE


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Commands that a test starts; none outlives it."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(started: list[subprocess.Popen[bytes]], out: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`hedx lag` as a process of its own, its output in a file."""
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli.main", "lag", *arguments], stdout=file, stderr=file
        )
    started.append(process)
    return process


def test_watching_in_a_pipe_tells_changes_and_ends_by_ctrl_c(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """One JSON object a group, once, as long as nothing changes; SIGINT ends it with 0 and no traceback."""
    out = tmp_path / "out"
    process = start(started, out, "--watch", "--json", "--every", "0.5")
    wait_until("told", lambda: out.read_text().count("\n") >= 8, PATIENCE)
    time.sleep(1.5)  # three more polls
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == Exit.FINE
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(told) == 8
    assert ("stopped", 2) in {(each["status"], each["rule"]) for each in told if each["group"] == GROUP}


def test_the_live_table_on_a_terminal(started: list[subprocess.Popen[bytes]]) -> None:
    """On a pseudo-terminal of 24 lines it draws, and Ctrl-C gives the terminal back as it was."""
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "pipeline.cli.main", "lag", "--watch", "--every", "0.5"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24"}
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    started.append(process)
    os.close(follower)
    seen = b""
    deadline = time.monotonic() + PATIENCE
    while seen.count(GROUP.encode()) < 2 and time.monotonic() < deadline:
        seen += os.read(leader, 65536)
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(leader, 65536):
            seen += chunk
    except OSError:  # the other end is closed: it has ended
        pass
    os.close(leader)
    assert process.wait(PATIENCE) == Exit.FINE
    text = seen.decode(errors="replace")
    assert "stopped" in text
    assert "Traceback" not in text
    assert text.rstrip().endswith(
        "\x1b[?25h\x1b[?1049l"
    )  # the cursor shows, and the screen that was there before is back


def get(kafka: Secured, place: str, path: str, principal: str) -> tuple[int, bytes]:
    """Status and body, over mutual TLS as `principal`."""
    context = ssl_context(kafka.installation.transport(principal))
    assert context is not None
    with closing(HTTPSConnection(place, context=context, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_served_over_mutual_tls(kafka: Secured, started: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    """Metrics, document and health for who may read figures, not for a party; told of in a file while it runs; SIGTERM ends it."""
    process = start(started, tmp_path / "out", "--serve", "127.0.0.1:0", "--every", "0.5")
    file = kafka.installation.folder / "metrics" / "lag.json"
    wait_until("told of", file.exists, PATIENCE)
    [target] = json.loads(file.read_text())
    [place] = target["targets"]
    assert target["labels"]["process"] == "lag"
    wait_until("polled", lambda: get(kafka, place, "/api/lag", "monitor")[0] == 200, PATIENCE)
    assert get(kafka, place, "/healthz", "ops") == (200, b"ok\n")
    status, page = get(kafka, place, "/metrics", "admin")
    assert status == 200
    assert (
        f'kafka_consumergroup_group_lag{{cluster_name="hedx",group="{GROUP}",partition="0",topic="{INBOX}"}} 2.0'.encode()
        in page
    )
    assert b'kafka_brokers{cluster_name="hedx"} 1.0' in page
    for name in ("replicas", "in_sync_replica", "leader"):
        assert f'kafka_topic_partition_{name}{{cluster_name="hedx",partition="0",topic="{INBOX}"}} 1.0'.encode() in page
    assert f'hedx_topic_min_in_sync_replicas{{cluster_name="hedx",topic="{INBOX}"}} 1.0'.encode() in page
    status, body = get(kafka, place, "/api/lag", "center")
    assert (status, json.loads(body)["poll_seconds"]) == (200, 0.5)
    assert get(kafka, place, "/metrics", "P37")[0] == 403
    bare = HTTPSConnection(place, timeout=10)
    with closing(bare), pytest.raises(SSLError):
        bare.request("GET", "/metrics")
    process.terminate()
    assert process.wait(PATIENCE) == Exit.FINE
    assert not file.exists()
