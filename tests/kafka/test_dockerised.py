"""The container gets a configuration that its own start-up program accepts (no engine needed to know that)."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pipeline.kafka.dockerised import container_environment
from pipeline.kafka.java import classpath, find_java


def test_image_start_up_program_accepts_our_environment(tmp_path: Path) -> None:
    """The wrapper that the image runs turns our variables into the settings we mean and formats the storage."""
    folders = {name: tmp_path / name for name in ("default", "mounted", "final")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (folders["default"] / name).touch()
    environment = container_environment("docker.example", 19092) | {"KAFKA_LOG_DIRS": str(tmp_path / "data")}
    command = [str(find_java()), "-cp", classpath(), "kafka.docker.KafkaDockerWrapper", "setup"]
    for option, folder in zip(("-D", "-M", "-F"), folders.values(), strict=True):
        command += [option, str(folder)]
    done = subprocess.run(
        command,
        env={**environment, "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    settings = (folders["final"] / "server.properties").read_text().split()
    assert "advertised.listeners=PLAINTEXT://docker.example:19092" in settings
    assert "transaction.state.log.min.isr=1" in settings
    assert (tmp_path / "data" / "meta.properties").exists()
