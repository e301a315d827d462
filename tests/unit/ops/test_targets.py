"""The files by which Prometheus finds a machine's processes: there while a process lives, and no longer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.ops.listening import Address
from pipeline.ops.targets import address_wanted, announced

HERE = Address("127.0.0.1", 41234)
DIES = """
import os, sys
from pathlib import Path
from pipeline.ops.listening import Address
from pipeline.ops.targets import announced
with announced(Path(sys.argv[1]), "center.intake.0", Address("127.0.0.1", 1)):
    os._exit(0)
"""


def test_a_living_process_is_told_of(tmp_path: Path) -> None:
    """In the form of file_sd_configs, with the labels that every figure of it gets."""
    with announced(tmp_path / "metrics", "center.intake.0", HERE, {"stage": "intake"}) as path:
        assert path == tmp_path / "metrics" / "center.intake.0.json"
        assert json.loads(path.read_text()) == [
            {
                "targets": ["127.0.0.1:41234"],
                "labels": {
                    "job": "hedx",
                    "instance": "center.intake.0",
                    "process": "center.intake.0",
                    "stage": "intake",
                },
            }
        ]
    assert list((tmp_path / "metrics").glob("*.json")) == []


def test_it_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """No draft is left that a pattern such as *.json would find."""
    with announced(tmp_path, "lag", HERE):
        assert {path.name for path in tmp_path.iterdir()} == {"lag.json", ".lock"}


def test_the_end_of_a_failing_process_is_an_end_too(tmp_path: Path) -> None:
    """The file goes with an exception."""
    with pytest.raises(ValueError, match="x"), announced(tmp_path, "lag", HERE):
        raise ValueError("x")
    assert list(tmp_path.glob("*.json")) == []


def test_files_of_dead_processes_are_taken_away(tmp_path: Path) -> None:
    """Who was killed leaves its file; the next process that starts takes it away, and those of the living it leaves."""
    subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=True)
    assert [path.name for path in tmp_path.glob("*.json")] == ["center.intake.0.json"]
    with announced(tmp_path, "lag", HERE), announced(tmp_path, "watch", HERE):
        assert sorted(path.name for path in tmp_path.glob("*.json")) == ["lag.json", "watch.json"]


def test_two_of_a_name_are_told_apart(tmp_path: Path) -> None:
    """Two crews on one machine are two targets; none overwrites the other's file."""
    with announced(tmp_path, "center", HERE), announced(tmp_path, "center", Address("127.0.0.1", 2)) as second:
        assert sorted(path.name for path in tmp_path.glob("*.json")) == ["center-2.json", "center.json"]
        assert json.loads(second.read_text())[0]["labels"]["instance"] == "center-2"


def test_an_installation_that_was_taken_away_is_no_fault(tmp_path: Path) -> None:
    """There is nothing to take back then."""
    with announced(tmp_path / "metrics", "lag", HERE):
        shutil.rmtree(tmp_path / "metrics")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A ConfigError, with the folder."""
    (tmp_path / "metrics").write_text("in the way")
    with pytest.raises(ConfigError, match="metrics cannot be written"), announced(tmp_path / "metrics", "lag", HERE):
        pass


def test_the_variable_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing starts without it; a value that is no address is refused, by the variable's name."""
    monkeypatch.delenv("HEDX_METRICS", raising=False)
    assert address_wanted() is None
    monkeypatch.setenv("HEDX_METRICS", "127.0.0.1:9400")
    assert address_wanted() == Address("127.0.0.1", 9400)
    monkeypatch.setenv("HEDX_METRICS", "yes")
    with pytest.raises(ConfigError, match=r"HEDX_METRICS=yes: must be HOST:PORT"):
        address_wanted()
