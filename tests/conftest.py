"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from pipeline.kafka.brokers import broker_from_environment

settings.register_profile("hedx", deadline=None)  # how long an example takes tells how busy the machine is
settings.load_profile("hedx")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of one broker for the whole session (embedded, or what HEDX_BOOTSTRAP/HEDX_BROKER name)."""
    with broker_from_environment(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


@pytest.fixture
def plaintext(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands may use `kafka`, a throw-away broker without TLS that lets everyone do anything."""
    monkeypatch.setenv("HEDX_SECURITY", "plaintext")


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for this test's topics, groups and transactional ids; never the same twice."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60]
    return f"{test}-{secrets.token_hex(4)}."


@pytest.fixture
def unique(topic_prefix: str) -> Callable[[str], str]:
    """`unique("requests")`: that name with this test's prefix."""
    return topic_prefix.__add__
