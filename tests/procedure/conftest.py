"""Fixtures of the tests that are named after articles of the regulation (tests/procedure/regulation.txt)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.demo.application import Sample
from tests.network import Network
from tests.scenario import network_for, small_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small application and its providers' databases, read and never written, so one for all tests."""
    return small_sample(tmp_path_factory.mktemp("small"))


@pytest.fixture
def network(tmp_path: Path, sample: Sample) -> Network:
    """A center and the sample's four parties, nothing filed yet."""
    return network_for(sample, tmp_path)
