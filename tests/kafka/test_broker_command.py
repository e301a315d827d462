"""`hedx broker` as a script sees it."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.domain.errors import ConfigError
from pipeline.kafka.brokers import ExternalBroker, bootstrap_from_environment, broker_from_environment
from pipeline.kafka.dockerised import DockerBroker
from pipeline.settings import broker_dir


def test_start_status_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """start leaves a broker that status and other commands find and stop ends; each may be said twice."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    monkeypatch.delenv("HEDX_BOOTSTRAP", raising=False)

    def say(word: str) -> tuple[int, dict[str, object]]:
        code = run(["broker", word, "--json"])
        return code, json.loads(capsys.readouterr().out)

    assert say("status")[0] == Exit.UNHEALTHY
    try:
        _, started = say("start")
        assert say("start")[1] == started
        assert say("status") == (Exit.FINE, started)
        assert bootstrap_from_environment(broker_dir()) == started["bootstrap"]
    finally:
        code, stopped = say("stop")
    assert (code, stopped["running"]) == (Exit.FINE, False)
    assert not psutil.pid_exists(int(str(started["pid"])))
    assert say("stop")[0] == Exit.FINE
    with pytest.raises(ConfigError, match="hedx broker start"):
        bootstrap_from_environment(broker_dir())


def test_environment_chooses_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEDX_BOOTSTRAP wins, HEDX_BROKER=docker makes a container, and an unknown word is an error that names it."""
    monkeypatch.setenv("HEDX_BOOTSTRAP", "kafka.example:9092")
    monkeypatch.setenv("HEDX_BROKER", "docker")
    chosen = broker_from_environment(tmp_path)
    assert isinstance(chosen, ExternalBroker)
    assert chosen.bootstrap == "kafka.example:9092"
    monkeypatch.delenv("HEDX_BOOTSTRAP")
    assert isinstance(broker_from_environment(tmp_path), DockerBroker)
    monkeypatch.setenv("HEDX_BROKER", "podman")
    with pytest.raises(ConfigError, match="podman"):
        broker_from_environment(tmp_path)


def test_a_cluster_that_runs_is_neither_started_nor_stopped(kafka: str) -> None:
    """HEDX_BOOTSTRAP's cluster is checked at the start and left alone at the end."""
    with ExternalBroker(kafka) as broker:
        assert broker.is_running()
    assert ExternalBroker(kafka).is_running()
