"""`hedx signer status` and `hedx party keys`, as an officer types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.crypto.keystore import write_identity
from tests.unit.crypto.exchange import identity


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HEDX_HOME with 山东's and the center's keys."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    monkeypatch.delenv("HEDX_BOOTSTRAP", raising=False)
    for party in ("37", "center"):
        write_identity(tmp_path / "parties" / party / "identity", identity(party))
    return tmp_path


def hedx(capsys: pytest.CaptureFixture[str], *words: str, expect: Exit = Exit.FINE) -> Any:
    """What the command prints with --json."""
    code = run([*words, "--json"])
    told = capsys.readouterr()
    assert code == expect, told.err
    return json.loads(told.out) if told.out else told.err


def test_the_signer_says_how_it_is_protected(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No core, no debugger; whether memory is locked depends on the machine, and is said."""
    found = hedx(capsys, "signer", "status", "--party", "37")
    assert (found["party"], found["dumpable"], found["core_limit"]) == ("37", False, 0)
    assert isinstance(found["memory_locked"], bool)


def test_seal_keys_are_looked_after(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first time makes a key; its statement waits until somebody publishes it."""
    first = hedx(capsys, "party", "keys", "--party", "center")
    assert (first["party"], first["published"], len(first["waiting"])) == ("center", [], 1)
    assert hedx(capsys, "party", "keys", "--party", "center") == first
    assert len(list((home / "parties" / "center" / "identity" / "seal").glob("*.key"))) == 1


def test_publishing_needs_a_cluster(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one the command fails with one line, and the statement goes on waiting."""
    run(["party", "keys", "--party", "37", "--publish"])
    assert "hedx: " in capsys.readouterr().err
    assert len(hedx(capsys, "party", "keys", "--party", "37")["waiting"]) == 1


def test_a_party_that_is_not_here_is_the_operators_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no signer without keys."""
    told = hedx(capsys, "signer", "status", "--party", "53", expect=Exit.FAILED)
    assert "no identity" in told
