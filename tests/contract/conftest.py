"""Fixtures of the contract tests."""

from __future__ import annotations

import pytest

from pipeline.demo.application import Sample
from tests.scenario import small_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small application and its providers' databases, read and never written, so one for all tests."""
    return small_sample(tmp_path_factory.mktemp("small"))
