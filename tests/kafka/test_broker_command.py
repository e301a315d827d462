"""`hedx broker` as a script sees it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from pipeline.center.installation import Installation, set_up
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
        assert started["security"] == "tls"
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


def test_plaintext_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--plaintext` gives a broker without TLS, which other commands use only under HEDX_SECURITY=plaintext."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    monkeypatch.delenv("HEDX_BOOTSTRAP", raising=False)
    monkeypatch.delenv("HEDX_SECURITY", raising=False)
    try:
        assert run(["broker", "start", "--plaintext", "--json"]) == Exit.FINE
        told = capsys.readouterr()
        assert json.loads(told.out)["security"] == "plaintext"
        assert "HEDX_SECURITY=plaintext" in told.err
        assert run(["topics", "plan", "--parties", "37"]) == Exit.FAILED
        assert "admin" in capsys.readouterr().err
        monkeypatch.setenv("HEDX_SECURITY", "plaintext")
        assert run(["topics", "plan", "--parties", "37"]) == Exit.DRIFT
    finally:
        run(["broker", "stop"])


def test_keystore_is_for_kafkas_own_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hedx broker keystore` writes a store under the principal's own passphrase, and properties without a secret."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    set_up(Installation(tmp_path), (), time.time_ns() // 1_000_000)
    assert run(["broker", "keystore", "admin", "--json"]) == Exit.FINE
    files = json.loads(capsys.readouterr().out)
    passphrase = (tmp_path / "principals" / "admin" / "passphrase").read_bytes()
    _, certificate, issuers = pkcs12.load_key_and_certificates(Path(files["keystore"]).read_bytes(), passphrase)
    assert certificate is not None
    assert certificate.subject.rfc4514_string() == "CN=admin,OU=admin,O=HEDX"
    assert len(issuers) == 1
    assert passphrase.decode() not in Path(files["properties"]).read_text()
    assert run(["broker", "keystore", "P37"]) == Exit.FAILED


def test_an_authority_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where an authority is and the broker has no certificate yet, the broker asks for one; it does not make its own."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HEDX_BOOTSTRAP", raising=False)
    assert run(["ca", "init", "--root", str(tmp_path / "root")]) == Exit.FINE
    issuing = (tmp_path / "home" / "authority" / "issuing.pem").read_bytes()
    assert run(["broker", "start"]) == Exit.FAILED
    assert "hedx party request --service broker" in capsys.readouterr().err
    assert (tmp_path / "home" / "authority" / "issuing.pem").read_bytes() == issuing


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
