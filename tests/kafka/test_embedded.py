"""The embedded broker is a real one, keeps its data and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.domain.errors import ConfigError
from pipeline.kafka.embedded import EmbeddedBroker

REPOSITORY = Path(__file__).resolve().parents[2]


def write(bootstrap: str, topic: str, value: bytes) -> None:
    """Produce one record and wait for its acknowledgement."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    producer.produce(topic, value)
    assert producer.flush(10) == 0


def read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """The first `count` values of a topic."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": f"read-{topic}", "auto.offset.reset": "earliest"})
    reader.subscribe([topic])
    try:
        values: list[bytes | None] = []
        deadline = time.monotonic() + 20
        while len(values) < count and time.monotonic() < deadline:
            values += [message.value() for message in reader.consume(count - len(values), 0.5)]
        return values
    finally:
        reader.close()


def make_topic(bootstrap: str, topic: str) -> None:
    """Create a topic of one partition."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    client.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether `true()` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return true()


def test_shared_broker_carries_a_record(kafka: str, topic_prefix: str) -> None:
    """What is produced to the session's broker is consumed from it."""
    make_topic(kafka, f"{topic_prefix}t")
    write(kafka, f"{topic_prefix}t", b"one")
    assert read(kafka, f"{topic_prefix}t", 1) == [b"one"]


def test_data_and_groups_survive_a_restart(tmp_path: Path) -> None:
    """A broker started again over the same directory, even on another port, serves what the first one stored."""
    broker = EmbeddedBroker(tmp_path)
    with broker:
        first = broker.bootstrap
        make_topic(first, "t")
        write(first, "t", b"before")
    assert not broker.is_running()
    (tmp_path / "ports.json").unlink()
    with EmbeddedBroker(tmp_path) as again:
        assert again.bootstrap != first
        write(again.bootstrap, "t", b"after")
        assert read(again.bootstrap, "t", 2) == [b"before", b"after"]


def test_second_broker_over_one_directory_is_refused(tmp_path: Path) -> None:
    """Two brokers never share a data directory; the running one is not disturbed."""
    with EmbeddedBroker(tmp_path) as broker:
        with pytest.raises(ConfigError, match="already"):
            EmbeddedBroker(tmp_path).start()
        assert broker.is_running()


def test_taken_port_is_named(tmp_path: Path, kafka: str) -> None:
    """Asking for a port that is in use is an error that names the port, not a broker on another one."""
    port = int(kafka.rpartition(":")[2])
    with pytest.raises(ConfigError, match=str(port)):
        EmbeddedBroker(tmp_path, port=port).start()


STARTER = textwrap.dedent(
    """
    import sys, threading, time
    from pathlib import Path
    from pipeline.kafka.embedded import EmbeddedBroker
    broker = EmbeddedBroker(Path(sys.argv[1]))
    starter = threading.Thread(target=broker.start)  # the thread ends at once; the broker must not
    starter.start()
    starter.join()
    time.sleep(1)
    print(broker.pid, broker.is_running(), flush=True)
    try:
        time.sleep(600)
    finally:
        broker.stop()
    """
)


def start_in_a_child(directory: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A process that runs a broker over `directory`, and the broker's JVM."""
    child = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert child.stdout is not None
    pid, running = child.stdout.readline().split()
    assert running == "True"
    return child, psutil.Process(int(pid))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_broker_ends_with_its_starter(tmp_path: Path, how: signal.Signals) -> None:
    """Killed or interrupted: the process that started the broker leaves no JVM and no guard behind."""
    child, jvm = start_in_a_child(tmp_path)
    guard = jvm.parent()
    assert guard is not None
    assert guard.pid != child.pid
    child.send_signal(how)
    child.wait(30)
    assert wait_until(lambda: not jvm.is_running() and not guard.is_running(), 20)


def test_broker_ends_with_its_guard(tmp_path: Path) -> None:
    """The guard itself may be killed; the JVM goes with it."""
    child, jvm = start_in_a_child(tmp_path)
    guard = jvm.parent()
    assert guard is not None
    guard.kill()
    assert wait_until(lambda: not jvm.is_running(), 10)
    child.terminate()
    child.wait(30)


def test_detached_broker_outlives_its_starter_until_stopped(tmp_path: Path) -> None:
    """A detached broker is found and stopped by any process that knows its directory."""
    script = "import sys; from pathlib import Path; from pipeline.kafka.embedded import EmbeddedBroker as E; "
    script += "E(Path(sys.argv[1]), detached=True).start()"
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )
    other = EmbeddedBroker(tmp_path)
    assert other.is_running()
    jvm = psutil.Process(other.pid)
    other.stop()
    assert not jvm.is_running()
    assert not other.is_running()


def test_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A setting the broker refuses becomes one error with the broker's own words."""
    with pytest.raises(ConfigError, match=r"offsets\.topic\.num\.partitions"):
        EmbeddedBroker(tmp_path, extra={"offsets.topic.num.partitions": "none"}).start()
