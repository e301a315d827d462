"""hedx metrics: the names of all figures, and what a Prometheus needs to collect them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.center.installation import Installation, set_up
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.kafka.clock import wall_clock
from pipeline.ops.metric_names import METRICS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HEDX_HOME of a machine that is set up."""
    made = tmp_path / "home"
    set_up(Installation(made), ["37"], wall_clock())
    monkeypatch.setenv("HEDX_HOME", str(made))
    return made


def test_every_name_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With kind, source, labels and meaning for programs; a table for readers."""
    assert run(["metrics", "list", "--json"]) == Exit.FINE
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == [metric.name for metric in METRICS]
    assert {"name", "kind", "source", "help", "labels", "buckets"} == listed[0].keys()
    assert run(["metrics", "list"]) == Exit.FINE
    assert all(metric.name in line for metric, line in zip(METRICS, _rows(capsys.readouterr().out), strict=True))


def _rows(table: str) -> list[str]:
    return [line for line in table.splitlines() if " hedx_" in line or " kafka_" in line]


def test_prometheus_gets_a_key_it_can_read(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In clear, so nobody else's to read, and it is said what the key can do; the configuration names these files."""
    out = tmp_path / "prometheus"
    assert run(["metrics", "prometheus", "--out", str(out), "--json"]) == Exit.FINE
    said = capsys.readouterr()
    assert {Path(name).name for name in json.loads(said.out)["files"]} == {path.name for path in out.iterdir()}
    assert "lies in clear" in said.err
    assert "no right on Kafka" in said.err
    assert out.stat().st_mode & 0o777 == 0o700
    assert (out / "monitor.key").stat().st_mode & 0o777 == 0o600
    load_pem_private_key((out / "monitor.key").read_bytes(), None)
    [job] = yaml.safe_load((out / "prometheus.yml").read_text())["scrape_configs"]
    assert job["scheme"] == "https"
    assert job["tls_config"]["key_file"] == str(out / "monitor.key")
    assert job["file_sd_configs"][0]["files"] == [str(home / "metrics" / "*.json")]
    for name in ("ca_file", "cert_file", "key_file"):
        assert Path(job["tls_config"][name]).is_file()


@pytest.mark.usefixtures("plaintext")
def test_without_tls_there_is_no_key(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A throw-away cluster's figures are fetched in clear, from this machine."""
    out = tmp_path / "prometheus"
    assert run(["metrics", "prometheus", "--out", str(out)]) == Exit.FINE
    assert [path.name for path in out.iterdir()] == ["prometheus.yml"]
    [job] = yaml.safe_load((out / "prometheus.yml").read_text())["scrape_configs"]
    assert job["scheme"] == "http"
    assert "tls_config" not in job
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("home")
def test_rules_are_named_by_folder_or_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules that are not there are one sentence, and nothing is written."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "own.yml").write_text("groups: []\n")
    rules = ["--rules", str(tmp_path / "rules"), "--rules", str(tmp_path / "own.yml")]
    assert run(["metrics", "prometheus", "--out", str(tmp_path / "out"), "--interval", "3", *rules]) == Exit.FINE
    written = yaml.safe_load((tmp_path / "out" / "prometheus.yml").read_text())
    assert written["rule_files"] == [str(tmp_path / "rules" / "*.yml"), str(tmp_path / "own.yml")]
    assert written["global"]["scrape_interval"] == "3s"
    capsys.readouterr()
    missing = ["--rules", str(tmp_path / "nowhere")]
    assert run(["metrics", "prometheus", "--out", str(tmp_path / "other"), *missing]) == Exit.FAILED
    assert "nowhere is not there" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_missing_certificate_of_monitor_is_one_sentence(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says whose is missing, and where."""
    (home / "principals" / "monitor" / "tls.pem").unlink()
    assert run(["metrics", "prometheus", "--out", str(tmp_path / "out")]) == Exit.FAILED
    assert "principals/monitor has no tls.pem: Prometheus needs the certificate of `monitor`" in capsys.readouterr().err


def test_an_installation_that_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no folder is made for it."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path / "nowhere"))
    assert run(["metrics", "prometheus", "--out", str(tmp_path / "out")]) == Exit.FAILED
    assert "set HEDX_HOME" in capsys.readouterr().err
