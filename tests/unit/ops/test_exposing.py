"""Turning figures on: by one variable, with everything around it in order, or not at all."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

import pytest

from pipeline.center.installation import Installation, set_up
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import ssl_context
from pipeline.ops.exposing import exposed
from pipeline.ops.listening import parse_address
from tests.scraping import contradictions, own, promised


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Everything of one machine."""
    made = Installation(tmp_path_factory.mktemp("home") / "hedx")
    set_up(made, ["37"], wall_clock())
    return made


def get(target: str, context: ssl.SSLContext | None) -> bytes:
    address = parse_address(target)
    connection = http.client.HTTPSConnection(address.host, address.port, timeout=10, context=context)
    connection.request("GET", "/metrics")
    return connection.getresponse().read()


def test_without_the_variable_there_is_nothing(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry, no server, no folder."""
    monkeypatch.delenv("HEDX_METRICS", raising=False)
    with exposed("party.37", installation) as registry:
        assert registry is None
        assert not (installation.folder / "metrics").exists()


def test_with_it_a_process_is_served_and_found(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every process has is there at once; at the end it is found no more, and the port is closed."""
    monkeypatch.setenv("HEDX_METRICS", "127.0.0.1:0")
    context = ssl_context(installation.transport("monitor"))
    with exposed("party.37", installation, party="37", principals=["P37"]) as registry:
        assert registry is not None
        [found] = json.loads((installation.folder / "metrics" / "party.37.json").read_text())
        text = get(found["targets"][0], context)
        assert list(contradictions(text)) == []
        assert own(text) == promised("process") - {"hedx_refusals_total"}
    assert list((installation.folder / "metrics").glob("*.json")) == []
    with pytest.raises(ConnectionRefusedError):
        get(found["targets"][0], context)


def test_a_folder_that_cannot_be_written_closes_the_port_again(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that nobody would find does not start."""
    monkeypatch.setenv("HEDX_METRICS", "127.0.0.1:0")
    other = Installation(tmp_path)
    (tmp_path / "principals").symlink_to(installation.transport(""))
    (tmp_path / "metrics").write_text("in the way")
    with (
        pytest.raises(ConfigError, match="metrics cannot be written"),
        exposed("lag", other, newest_list=lambda: None),
    ):
        pass
