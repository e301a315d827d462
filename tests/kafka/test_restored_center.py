"""docs/backup.md, "Restoring the center": a copy older than what was published learns the rest, and only then goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from tests.secured import secured


def test_the_center_goes_on_out_of_an_older_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Publishing is refused until `ca recover`; what was done after the copy is known again; rights are in step."""
    with secured(tmp_path / "home") as cluster:
        home, copy, broker = cluster.installation.folder, tmp_path / "copy", tmp_path / "home" / "broker"
        monkeypatch.setenv("HEDX_HOME", str(home))
        monkeypatch.setenv("HEDX_BOOTSTRAP", cluster.bootstrap)
        assert run(["ca", "publish"]) == Exit.FINE
        capsys.readouterr()
        assert run(["backup", "make", str(copy), "--json"]) == Exit.FINE
        apart = json.loads(capsys.readouterr().out)["apart"]
        secrets = {path: (home / path).read_bytes() for path in apart}
        assert run(["party", "ip", "add", "37", "10.37.9.5"]) == Exit.FINE
        assert run(["ca", "publish"]) == Exit.FINE

        lost = tmp_path / "lost"
        lost.mkdir()
        for path in home.iterdir():
            if path != broker:  # the cluster is another machine's
                path.rename(lost / path.name)
        monkeypatch.setenv("HEDX_HOME", str(tmp_path / "again"))
        assert run(["backup", "restore", str(copy)]) == Exit.FINE
        for path, secret in secrets.items():
            (tmp_path / "again" / path).write_bytes(secret)
            (tmp_path / "again" / path).chmod(0o600)

        assert run(["ca", "publish"]) == Exit.FAILED
        assert "hedx ca recover first" in capsys.readouterr().err
        assert run(["ca", "recover"]) == Exit.FINE
        assert run(["ca", "publish"]) == Exit.FINE
        capsys.readouterr()
        assert run(["party", "show", "37", "--json"]) == Exit.FINE
        assert "10.37.9.5" in capsys.readouterr().out
        assert run(["topics", "plan", "--parties", "32,37"]) == Exit.FINE
