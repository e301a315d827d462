"""Whose groups lag expects: parties that have joined and are not suspended, as hedx.trust tells operations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import client_security
from pipeline.ops.lag_parties import JoinedParties
from tests.processes import PATIENCE, wait_until
from tests.secured import PARTIES, Secured, secured

STAGES = {f"hedx.center.{stage}" for stage in ("intake", "applications", "collect", "join")}


def desks(*parties: str) -> set[str]:
    """Groups of these parties' adapters."""
    return {f"hedx.{party}.{role}" for party in parties for role in ("answer", "deliver")}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A cluster with the topics of two parties."""
    with secured(tmp_path_factory.mktemp("joined")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def environment(kafka: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find cluster and installation."""
    monkeypatch.setenv("HEDX_HOME", str(kafka.installation.folder))
    monkeypatch.setenv("HEDX_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.delenv("HEDX_SECURITY", raising=False)
    monkeypatch.delenv("HEDX_PARTIES", raising=False)


def absent(capsys: pytest.CaptureFixture[str]) -> tuple[set[str], str]:
    """Groups that lag misses, and what it remarks."""
    assert run(["lag", "--json"]) == Exit.UNHEALTHY  # nothing runs here
    said = capsys.readouterr()
    return set(json.loads(said.out)["absent"]), said.err


def test_only_who_has_joined_is_expected(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """Topics of two parties are there: nobody is expected, then both, then the one that is not suspended, then both again."""
    extra = client_security(kafka.installation.transport("ops"))
    with closing(JoinedParties(kafka.bootstrap, kafka.installation.anchor(), extra)) as joined:
        assert joined.look() == frozenset()
        assert absent(capsys) == (STAGES, "")
        kafka.publish_trust()
        wait_until("both joined", lambda: joined.look() == set(PARTIES), PATIENCE)
        assert absent(capsys) == (STAGES | desks(*PARTIES), "")
        with kafka.installation.registry() as registry:
            assert registry.suspend("37", "inspection", wall_clock())
        kafka.publish_trust()
        wait_until("37 is suspended", lambda: joined.look() == {"32"}, PATIENCE)
        assert absent(capsys) == (STAGES | desks("32"), "")
        with kafka.installation.registry() as registry:
            assert registry.resume("37", wall_clock())
        kafka.publish_trust()
        wait_until("37 is back", lambda: joined.look() == set(PARTIES), PATIENCE)
        assert absent(capsys) == (STAGES | desks(*PARTIES), "")


def test_without_an_anchor_it_says_whom_it_expects(
    kafka: Secured, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of HEDX_PARTIES, else all of topics.yaml whose topics are there."""
    shutil.copytree(kafka.installation.transport("ops"), tmp_path / "principals" / "ops")
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    groups, said = absent(capsys)
    assert groups == STAGES | desks(*PARTIES)
    assert said == "no anchor is here to read hedx.trust with: groups are expected of all parties of topics.yaml\n"
    monkeypatch.setenv("HEDX_PARTIES", "37, 53")
    groups, said = absent(capsys)
    assert groups == STAGES | desks("37")
    assert said == "no anchor is here to read hedx.trust with: groups are expected of HEDX_PARTIES\n"
