"""One exchange for all chaos tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.demo.application import random_application
from pipeline.kafka.clock import wall_clock
from pipeline.stages.clock import local_date
from tests.exchange import Exchange, own_broker


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Center and six providers on a broker of their own."""
    folder = tmp_path_factory.mktemp("chaos")
    sample = random_application(folder / "sample", seed=4, persons=500, today=local_date(wall_clock()))
    with Exchange(folder, sample, own_broker(folder)) as exchange:
        yield exchange


@pytest.fixture
def exchange(running: Exchange) -> Exchange:
    """The exchange with one worker of each stage, and every adapter, at work."""
    running.run_all()
    return running
