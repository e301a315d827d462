"""Three real brokers with the settings of deploy/compose.yaml: what topics.yaml wants of production, and what may go wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from pipeline.center.installation import Installation, set_up
from pipeline.kafka.clients import producer_config, reader_config
from pipeline.kafka.compose_brokers import NODES, PRINCIPAL
from pipeline.kafka.java import DEPLOYMENT
from pipeline.kafka.readiness import free_ports
from pipeline.kafka.security import client_security, write_client_properties
from pipeline.ops.lag_history import History
from pipeline.ops.lag_poll import Poller, Scope, brokers_clock
from pipeline.ops.lag_rules import Limits
from pipeline.ops.lag_service import LagService
from tests.broker_cluster import BrokerCluster
from tests.processes import ROOT, wait_until
from tests.scraping import families

PARTIES = "00,37"
TOPIC = "hedx.center.join"
INTERNAL = ("__consumer_offsets", "__transaction_state")


@dataclass
class Cluster:
    """Three brokers, and an installation whose `admin` has brought topics and rights onto them."""

    installation: Installation
    brokers: BrokerCluster

    @cached_property
    def admin(self) -> AdminClient:
        """As the operator."""
        security = client_security(self.installation.transport("admin"))
        return AdminClient({"bootstrap.servers": self.brokers.bootstrap, "log_level": 0, **security})

    def hedx(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`hedx …` as the production cluster's operator calls it."""
        environment = {
            **os.environ,
            "HEDX_HOME": str(self.installation.folder),
            "HEDX_BOOTSTRAP": self.brokers.bootstrap,
            "HEDX_ENVIRONMENT": "production",
            "HEDX_PARTIES": PARTIES,
        }
        command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def await_step(self) -> None:
        """deploy/kafka/in-step.sh, as the guide on upgrades has it."""
        properties = write_client_properties(self.installation.transport("admin"))
        done = subprocess.run(
            [DEPLOYMENT / "in-step.sh", self.brokers.bootstrap, str(properties), "120"],
            env={**os.environ, "KAFKA_BIN": str(self.brokers.tools())},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def leader(self, topic: str = TOPIC) -> int:
        """The node that leads partition 0."""
        return int(self.admin.list_topics(topic, timeout=20).topics[topic].partitions[0].leader)

    def read(self) -> list[bytes]:
        """All committed values of the topic."""
        security = client_security(self.installation.transport("center"))
        reader = Consumer(reader_config(self.brokers.bootstrap, security))
        partitions = self.admin.list_topics(TOPIC, timeout=20).topics[TOPIC].partitions
        reader.assign([TopicPartition(TOPIC, number, 0) for number in partitions])
        values, left = [], set(partitions)
        deadline = time.monotonic() + 60
        while left:
            assert time.monotonic() < deadline, f"partitions {left} never ended"
            for message in reader.consume(500, 0.5):
                if message.error():
                    left.discard(message.partition())
                else:
                    values.append(message.value())
        reader.close()
        return [value for value in values if value is not None]


@dataclass
class Writer:
    """Writes numbered records in transactions of five until told to stop, as the center's stages do."""

    cluster: Cluster
    committed: list[bytes] = field(default_factory=list)
    doubtful: list[bytes] = field(default_factory=list)
    longest: float = 0.0
    """Seconds that the slowest transaction took."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _producer: Producer | None = None
    _number: int = 0

    def once(self) -> None:
        """One transaction, tried until it is committed, or in doubt."""
        began = time.monotonic()
        values = [b"%08d" % number for number in range(self._number, self._number + 5)]
        self._number += 5
        try:
            producer = self._producer or self._connect()
            producer.begin_transaction()
            for value in values:
                producer.produce(TOPIC, value, value)
            while True:
                try:
                    producer.commit_transaction(30)
                    break
                except KafkaException as error:
                    if not error.args[0].retriable():
                        raise
            self.committed += values
        except KafkaException as error:
            self.doubtful += values
            if not error.args[0].txn_requires_abort() or not self._aborted():
                self._producer = None
        self.longest = max(self.longest, time.monotonic() - began)

    def _aborted(self) -> bool:
        """Whether the transaction could be aborted; not when the coordinator died after it had ended it, say. A stage's worker ends then."""
        assert self._producer is not None
        try:
            self._producer.abort_transaction(30)
        except KafkaException as error:
            if not error.args[0].fatal():
                raise
            return False
        return True

    def _connect(self) -> Producer:
        security = client_security(self.cluster.installation.transport("center"))
        extra = {"log_level": 0, **security}
        producer = Producer(producer_config(self.cluster.brokers.bootstrap, "hedx.center.test", extra=extra))
        producer.init_transactions(60)
        self._producer = producer
        return producer

    def _run(self) -> None:
        while not self._stop.is_set():
            self.once()

    def __enter__(self) -> Writer:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def check(self, read: list[bytes]) -> None:
        """Everything committed is there once, and nothing else but what is in doubt."""
        assert len(read) == len(set(read)), "a record was written twice"
        assert set(self.committed) <= set(read), "a committed record is lost"
        assert set(read) <= {*self.committed, *self.doubtful}


@contextmanager
def exported(cluster: Cluster) -> Iterator[Callable[[], dict[str, set[float]]]]:
    """A call makes the lag exporter poll, as operations run it, and gives what its page says of the cluster and of the topic."""
    security = client_security(cluster.installation.transport("ops"))
    with Poller(cluster.brokers.bootstrap, Scope("hedx.", {}), security) as poller:
        service = LagService(poller.poll, poller.replicas, History(Limits()), "hedx", 10.0, brokers_clock)

        def figures() -> dict[str, set[float]]:
            service.once()
            found: dict[str, set[float]] = defaultdict(set)
            for family in families(service.routes()["/metrics"]()[1]).values():
                for each in family.samples:
                    if each.labels.get("topic", TOPIC) == TOPIC:
                        found[each.name].add(each.value)
            return found

        yield figures


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers up, topics and rights applied as for production."""
    folder = tmp_path_factory.mktemp("cluster")
    installation = Installation(folder / "home")
    set_up(installation, PARTIES.split(","), time.time_ns() // 1_000_000)
    brokers = BrokerCluster(folder / "brokers", installation.transport(""))
    try:
        brokers.start(*NODES)
        made = Cluster(installation, brokers)
        done = made.hedx("topics", "apply")
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
    finally:
        brokers.close()


@pytest.fixture(scope="module")
def writer(cluster: Cluster) -> Writer:
    """One writer for all tests of the module, so that each also sees what the earlier ones wrote."""
    return Writer(cluster)


def test_topics_are_replicated_as_production_wants(cluster: Cluster) -> None:
    """Three replicas of every topic, two of which must have a record; the plan has nothing left to do."""
    plan = cluster.hedx("topics", "plan", "--json")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert json.loads(plan.stdout)["in_step"]
    topics = cluster.admin.list_topics(timeout=20).topics
    assert TOPIC in topics
    for name, topic in topics.items():
        assert {len(partition.replicas) for partition in topic.partitions.values()} == {3}, name
    resource = ConfigResource(ResourceType.TOPIC, TOPIC)
    [settings] = [found.result(20) for found in cluster.admin.describe_configs([resource]).values()]
    assert settings["min.insync.replicas"].value == "2"


def test_a_broker_passes_its_containers_health_check(cluster: Cluster) -> None:
    """What deploy/compose.yaml's health check runs, with the settings it mounts: a broker passes, a port without one does not."""
    own = str(cluster.installation.transport("broker"))
    settings = cluster.brokers.folder / "client.properties"
    settings.write_text((DEPLOYMENT / "client.properties").read_text().replace(str(PRINCIPAL), own))

    def check(port: int, seconds: float) -> subprocess.CompletedProcess[str]:
        tool = str(cluster.brokers.tools() / "kafka-broker-api-versions.sh")
        command = [tool, "--bootstrap-server", f"127.0.0.1:{port}", "--command-config", str(settings)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)

    done = check(cluster.brokers.ports[2].inside, 20)  # the health check's own limit
    assert done.returncode == 0, done.stderr
    assert check(free_ports(1)[0], 60).returncode != 0


def test_writes_go_on_without_one_broker(cluster: Cluster, writer: Writer) -> None:
    """The leader of the partition dies by SIGKILL; transactions go on with two brokers, nothing is lost, and the exporter tells."""
    writer.once()
    assert writer.committed
    dead = cluster.leader()
    cluster.brokers.kill(dead)
    before = len(writer.committed)
    for _ in range(5):
        writer.once()
    assert len(writer.committed) >= before + 20, writer.doubtful
    assert cluster.leader() != dead
    writer.check(cluster.read())
    with exported(cluster) as figures:
        wait_until("a broker is missing", lambda: figures()["kafka_brokers"] == {2}, 30)
        told = figures()
        assert told["kafka_topic_partition_replicas"] == {3}
        assert told["kafka_topic_partition_in_sync_replica"] == told["hedx_topic_min_in_sync_replicas"] == {2}
        assert told["kafka_topic_partition_leader"] <= {*NODES} - {dead}
        cluster.brokers.start(dead)
        cluster.await_step()
        wait_until("all in sync", lambda: figures()["kafka_topic_partition_in_sync_replica"] == {3}, 30)
        assert figures()["kafka_brokers"] == {3}
    topics = cluster.admin.list_topics(timeout=20).topics
    assert set(INTERNAL) & set(topics), "offsets and transactions are topics, too"
    for name in [*set(INTERNAL) & set(topics), TOPIC]:
        assert {len(each.isrs) for each in topics[name].partitions.values()} == {3}, name


@pytest.mark.cluster
def test_writes_stop_with_one_broker_left_and_go_on_with_two(cluster: Cluster, writer: Writer) -> None:
    """One replica is not enough to acknowledge anything: what is acknowledged has two."""
    cluster.brokers.stop(1, 2)
    try:
        security = client_security(cluster.installation.transport("center"))
        settings = {"bootstrap.servers": cluster.brokers.bootstrap, "acks": "all", "message.timeout.ms": 3000}
        producer = Producer({**settings, "log_level": 0, **security})
        failed: list[object] = []
        producer.produce(TOPIC, b"never", on_delivery=lambda error, _: failed.append(error))
        producer.flush(20)
        assert failed
        assert failed[0] is not None
    finally:
        cluster.brokers.start(1, 2)
    cluster.await_step()
    writer.once()
    writer.check([value for value in cluster.read() if value != b"never"])


@pytest.mark.cluster
def test_rolling_restart_loses_nothing(cluster: Cluster, writer: Writer) -> None:
    """Broker by broker as docs/upgrade.md says, while transactions are written: all of them are there, none twice."""
    before = len(writer.committed)
    with writer:
        for node in NODES:
            cluster.brokers.restart(node)
            cluster.await_step()
    assert len(writer.committed) - before >= 100
    assert writer.longest < 30
    writer.check([value for value in cluster.read() if value != b"never"])


@pytest.mark.cluster
def test_cold_backup_brings_a_lost_cluster_back(cluster: Cluster, writer: Writer, tmp_path: Path) -> None:
    """docs/backup.md: all brokers stopped, folders copied; lost; copied back; everything of the copy is there and writes go on."""
    writer.once()
    kept = cluster.read()
    cluster.brokers.stop(*NODES)
    for node in NODES:
        shutil.copytree(cluster.brokers.data(node), tmp_path / str(node))
    cluster.brokers.start(*NODES)
    cluster.await_step()
    writer.once()
    assert len(cluster.read()) > len(kept)
    for node in NODES:
        cluster.brokers.kill(node)
        shutil.rmtree(cluster.brokers.data(node))
        shutil.copytree(tmp_path / str(node), cluster.brokers.data(node))
    cluster.brokers.start(*NODES)
    cluster.await_step()
    assert cluster.hedx("topics", "plan").returncode == 0
    assert sorted(cluster.read()) == sorted(kept)
    after = Writer(cluster, _number=50_000_000)
    after.once()
    assert sorted(cluster.read()) == sorted([*kept, *after.committed])
    assert after.committed
