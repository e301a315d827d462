"""Article 4: no province is connected before it has applied in writing and the Ministry's department was told."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.crypto.requests import USAGES

APPLICATION = ("--document", "关于申请部省联网的函", "--number", "鲁民函〔2026〕7号", "--date", "2026-03-02")
FILING = ("--document", "关于山东省联网的备案", "--number", "民低〔2026〕4号", "--date", "2026-03-20")


class Center:
    """The center's machine, worked by commands."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self._patch = home, patch

    def hedx(self, *words: str, expect: Exit = Exit.FINE, home: Path | None = None) -> str:
        """Run a command; what it said, on stdout and stderr."""
        self._patch.setenv("HEDX_HOME", str(home or self.home))
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run(words)
        assert code == expect, said.getvalue()
        return said.getvalue()

    def json(self, *words: str) -> Any:
        return json.loads(self.hedx(*words, "--json").splitlines()[0])


@pytest.fixture
def center(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Center:
    """An authority with the center as its first party, and 山东's requests beside it."""
    made = Center(tmp_path / "center", monkeypatch)
    made.hedx("ca", "init", "--root", str(tmp_path / "medium"))
    made.hedx("party", "request", "--party", "center")
    pending = [
        word for usage in USAGES for word in ("--csr", str(made.home / "parties/center/pending" / f"{usage}.csr"))
    ]
    made.hedx("party", "join", "center", *pending, "--out", str(tmp_path / "first"))
    made.hedx("party", "install", *map(str, (tmp_path / "first").glob("*.pem")), "--party", "center")
    made.hedx("party", "request", "--party", "37", home=tmp_path / "shandong")
    return made


def join(center: Center, *more: str, expect: Exit = Exit.FINE) -> str:
    """Let 山东 join."""
    folder = center.home.parent / "shandong/parties/37/pending"
    asked = [word for usage in USAGES for word in ("--csr", str(folder / f"{usage}.csr"))]
    out = str(center.home.parent / "handed")
    return center.hedx("party", "join", "37", "--address", "10.37.0.5", *asked, "--out", out, *more, expect=expect)


def test_nobody_joins_without_application_and_filing(center: Center) -> None:
    """应向部收入认定中心提出书面申请 … 并报民政部社会救助司备案: each that lacks is named, and nothing is issued."""
    told = join(center, expect=Exit.FAILED)
    assert "hedx party application 37" in told
    assert "hedx party filing 37" in told
    center.hedx("party", "application", "37", *APPLICATION)
    told = join(center, expect=Exit.FAILED)
    assert "hedx party application 37" not in told
    assert [row["party"] for row in center.json("party", "list")] == ["center"]
    assert center.json("ca", "status", "--all") == [
        row for row in center.json("ca", "status", "--all") if row["party"] == "center"
    ]


def test_with_both_papers_it_joins_and_the_record_says_so(center: Center) -> None:
    """What was applied for, filed and done stands in order in the party's trail."""
    center.hedx("party", "application", "37", *APPLICATION)
    center.hedx("party", "filing", "37", *FILING)
    join(center)
    shown = center.json("party", "show", "37")
    assert shown["application"] == "关于申请部省联网的函 鲁民函〔2026〕7号 2026-03-02"
    assert shown["filing"] == "关于山东省联网的备案 民低〔2026〕4号 2026-03-20"
    trail = shown["trail"]
    assert [action["kind"] for action in trail][:3] == ["application recorded", "filing recorded", "registered"]
    assert "鲁民函〔2026〕7号" in trail[0]["detail"]
    assert "民低〔2026〕4号, 2026-03-20" in trail[1]["detail"]


def test_the_filing_follows_the_application(center: Center) -> None:
    """统筹安排和组织实施 comes between: a filing without, or before, the application is refused."""
    assert "no written application" in center.hedx("party", "filing", "37", *FILING, expect=Exit.FAILED)
    center.hedx("party", "application", "37", *APPLICATION)
    early = ("--document", "备案", "--number", "1", "--date", "2026-03-01")
    assert "older than the application" in center.hedx("party", "filing", "37", *early, expect=Exit.FAILED)
    ahead = ("--document", "备案", "--number", "1", "--date", "2099-01-01")
    assert "in the future" in center.hedx("party", "filing", "37", *ahead, expect=Exit.FAILED)


def test_one_that_was_connected_before_is_noted_as_such(center: Center) -> None:
    """A founding member's papers are elsewhere; that they are not here stays on record."""
    join(center, "--founding")
    assert center.json("party", "show", "37")["trail"][0]["kind"] == "founding"
