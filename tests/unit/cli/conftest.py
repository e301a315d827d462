"""A requester's installation, for commands that look into its store: an in-memory network around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.center.anchor_files import write_anchor
from pipeline.crypto.keystore import write_identity
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.stages.reference import make_anchor
from tests.network import Network
from tests.scenario import REQUESTER, network_for, small_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small application and its providers."""
    return small_sample(tmp_path_factory.mktemp("sample"), ("部中心", "marriage", ""), ("山东", "vehicles", ""))


@pytest.fixture
def home(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A HEDX_HOME with 云南's store and keys, nothing filed yet."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    monkeypatch.setenv("HEDX_PARTY", REQUESTER)
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.chdir(tmp_path)
    network = network_for(sample, tmp_path)
    write_identity(tmp_path / "parties" / REQUESTER / "identity", network.identities[REQUESTER])
    write_anchor(
        tmp_path / "anchor",
        make_anchor(
            network.authority.certificates,
            network.entries[CENTER],
            network.leaves,
            network.crl,
            network.identities[CENTER].signer,
            network.clock(),
        ),
    )
    return network
