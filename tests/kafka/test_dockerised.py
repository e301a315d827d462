"""The container gets a configuration that its own start-up program accepts (no engine needed to know that)."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from pipeline.center.installation import LOOPBACK
from pipeline.crypto.authority import create_authority, issue_transport
from pipeline.crypto.keystore import write_transport
from pipeline.kafka.dockerised import container_environment
from pipeline.kafka.java import DEPLOYMENT, classpath, find_java
from pipeline.kafka.production import PRINCIPAL
from pipeline.kafka.security import write_java_store


def set_up_in_image(tmp_path: Path, environment: dict[str, str]) -> list[str]:
    """The lines of `server.properties` that the image's own start-up program makes of `environment`."""
    folders = {name: tmp_path / name for name in ("default", "mounted", "final")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / name).touch()
    command = [str(find_java()), "-cp", classpath(), "kafka.docker.KafkaDockerWrapper", "setup"]
    for option, folder in zip(("-D", "-M", "-F"), folders.values(), strict=True):
        command += [option, str(folder)]
    done = subprocess.run(
        command,
        env={**environment, "KAFKA_LOG_DIRS": str(tmp_path / "data"), "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (folders["final"] / "server.properties").read_text().split("\n")


def test_image_start_up_program_accepts_our_environment(tmp_path: Path) -> None:
    """The wrapper that the image runs turns our variables into the settings we mean and formats the storage."""
    settings = set_up_in_image(tmp_path, container_environment("docker.example", 19092))
    assert "advertised.listeners=PLAINTEXT://docker.example:19092" in settings
    assert "transaction.state.log.min.isr=1" in settings
    assert (tmp_path / "data" / "meta.properties").exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A broker's TLS files."""
    now = time.time_ns() // 1_000_000
    authority = create_authority(now)
    write_transport(tmp_path / "broker", issue_transport(authority, "broker", now, LOOPBACK), authority.certificates)
    write_java_store(tmp_path / "broker")
    return tmp_path / "broker"


def test_image_start_up_program_accepts_tls(tmp_path: Path, folder: Path) -> None:
    """With TLS files the same program reads keys and passphrase from the mounted folder; the environment has neither."""
    environment = container_environment("localhost", 19092, folder)
    assert "SSL://" not in environment["KAFKA_ADVERTISED_LISTENERS"], "the image would want TLS described its own way"
    assert (folder / "passphrase").read_text() not in "".join(environment.values())
    settings = set_up_in_image(tmp_path, environment)
    assert "listener.security.protocol.map=TLS:SSL,CONTROLLER:SSL" in settings
    assert "advertised.listeners=TLS://localhost:19092" in settings
    assert f"ssl.keystore.location={folder}/tls.p12" in settings
    assert f"ssl.keystore.password=${{directory:{folder}:passphrase}}" in settings


def test_production_file_is_accepted_by_kafkas_own_program(tmp_path: Path, folder: Path) -> None:
    """Kafka's format tool reads deploy/kafka/broker.properties, with the folders of this test, and formats the storage."""
    text = (DEPLOYMENT / "broker.properties").read_text().replace("/var/lib/kafka/data", str(tmp_path / "data"))
    properties = tmp_path / "broker.properties"
    properties.write_text(text.replace(str(PRINCIPAL), str(folder)))
    tool = [str(find_java()), "-cp", classpath(), "kafka.tools.StorageTool", "format", "--no-initial-controllers"]
    command = [*tool, "-t", "5L6g3nShT-eMCtK--X86sw", "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "meta.properties").exists()
