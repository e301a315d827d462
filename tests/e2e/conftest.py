"""One exchange for all end-to-end tests on a real Kafka: each files applications of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.demo.application import random_application
from pipeline.kafka.clock import wall_clock
from pipeline.stages.clock import local_date
from tests.exchange import Exchange, own_broker

HASTY, HASTY_37 = 2, 3
"""Catalog releases: everyone must answer within ten seconds; 山东 within three, the others have their time."""


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Center and six providers on a broker of their own, over 2,000 persons and whom they are mistaken for."""
    folder = tmp_path_factory.mktemp("exchange")
    sample = random_application(folder / "sample", seed=2026, today=local_date(wall_clock()))
    releases = {HASTY: dict.fromkeys(sample.parties, 10), HASTY_37: {"37": 3}}
    with Exchange(folder, sample, own_broker(folder), releases) as exchange:
        yield exchange


@pytest.fixture
def exchange(running: Exchange) -> Exchange:
    """The exchange with every process at work."""
    running.run_all()
    return running
