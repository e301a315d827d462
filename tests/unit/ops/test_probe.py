"""A container's health check: well when the process answers and its work goes round, and for no other reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from pipeline.center.installation import Installation, set_up
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.readiness import free_ports
from pipeline.ops import probe
from pipeline.ops.listening import Address
from pipeline.ops.metric_names import BY_NAME
from pipeline.ops.serving import Route, Serving, metrics_route

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A machine with a certificate of `monitor`."""
    made = Installation(tmp_path_factory.mktemp("home") / "hedx")
    set_up(made, [], wall_clock())
    return made


def turned(seconds: float, name: str = "hedx_worker_turn_seconds") -> Route:
    """/metrics of a process that last got round `seconds` before it is asked, however long before that a test was collected."""
    registry = CollectorRegistry()
    turn = Gauge(name, "Turn.", ["stage"], registry=registry).labels("intake")
    turn.set_function(lambda: wall_clock() / 1000 - seconds)
    return metrics_route(registry)


@pytest.fixture
def served(
    request: pytest.FixtureRequest, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Address]:
    """A process that serves the routes of the test's parameter; the environment is its container's."""
    monkeypatch.setenv("HEDX_HOME", str(installation.folder))
    with Serving(Address("127.0.0.1", 0), request.param, installation.transport("monitor")) as server:
        monkeypatch.setenv("HEDX_METRICS", f"0.0.0.0:{server.address.port}")
        yield server.address


@pytest.mark.parametrize("served", [{"/metrics": turned(3)}, {}], indirect=True, ids=["figures", "none"])
@pytest.mark.usefixtures("served")
def test_a_process_that_goes_round_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    """It answers over mutual TLS, and its last turn was just now, or it has no figures to tell so."""
    assert probe.main([]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("served", [{"/metrics": turned(500)}], indirect=True)
@pytest.mark.usefixtures("served")
def test_a_stuck_process_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """It answers, but has not got round for minutes: the reason names the stage."""
    assert probe.main([]) == probe.UNHEALTHY
    assert "hedx_worker_turn_seconds intake: 50" in capsys.readouterr().err


def broken() -> tuple[str, bytes]:
    raise ValueError


@pytest.mark.parametrize("served", [{"/metrics": broken}], indirect=True)
def test_a_process_whose_figures_fail_is_not(served: Address) -> None:
    """An error where figures should be is an error."""
    assert probe.main([f"localhost:{served.port}"]) == probe.UNHEALTHY


def test_a_process_that_does_not_answer_is_not(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody listens there."""
    monkeypatch.setenv("HEDX_HOME", str(installation.folder))
    assert probe.main([f"127.0.0.1:{free_ports(1)[0]}"]) == probe.UNHEALTHY
    assert "does not answer" in capsys.readouterr().err


def test_without_the_certificate_there_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that is missing is named."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    assert probe.main(["127.0.0.1:9400"]) == probe.UNHEALTHY
    assert "monitor" in capsys.readouterr().err


def test_a_command_without_figures_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker run hedx topics validate` has no endpoint, and needs none."""
    monkeypatch.delenv("HEDX_METRICS", raising=False)
    assert probe.main([]) == 0


@pytest.mark.parametrize("name", probe.TURNS)
def test_the_metrics_it_looks_at_exist(name: str) -> None:
    """They are gauges of Unix times among the project's metrics; a renamed one would make every process look well."""
    assert BY_NAME[name].kind == "gauge"
    assert "Unix time" in BY_NAME[name].help
    text = f"# TYPE {name} gauge\n{name} {NOW - 121}\n"
    assert len(list(probe.stuck(text, NOW))) == 1
    assert list(probe.stuck(text, NOW - 2)) == []
