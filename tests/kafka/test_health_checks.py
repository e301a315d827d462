"""The health checks of deploy/compose.yaml against the processes they are for, on a real cluster, shut in as the units have them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.app import publish
from pipeline.domain.parties import CENTER
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.readiness import accepts, free_ports
from pipeline.kafka.security import client_security
from pipeline.signer.client import open_identity
from tests.processes import ROOT, Processes, wait_until
from tests.secured import Secured, secured

PARTY = "37"
NAMES = ("intake", "party", "lag", "watch", "console")


class Running:
    """One process of each kind, and where each gives its figures."""

    def __init__(self, cluster: Secured, folder: Path) -> None:
        self.cluster = cluster
        self.ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        self.folder = folder
        self.processes: dict[str, Processes] = {}

    def start(self, name: str, *words: str, metrics: bool = False) -> None:
        """`hedx <words>` as in its unit or container, with HEDX_METRICS where it has no port of its own."""
        environment = {
            "HEDX_HOME": str(self.cluster.installation.folder),
            "HEDX_BOOTSTRAP": self.cluster.bootstrap,
            "HEDX_METRICS": f"127.0.0.1:{self.ports[name]}" if metrics else "",
        }
        self.processes[name] = Processes(self.folder / name, environment)
        self.processes[name].start(name, "tests.deploy.shut_in", *words)

    def check(self, name: str) -> subprocess.CompletedProcess[str]:
        """The container's health check."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline.ops.probe", f"localhost:{self.ports[name]}"],
            cwd=ROOT,
            env={**os.environ, "HEDX_HOME": str(self.cluster.installation.folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def is_well(self, name: str) -> bool:
        """Whether that passes; the process must be there."""
        self.processes[name].pid(name)
        return accepts(f"127.0.0.1:{self.ports[name]}") and self.check(name).returncode == 0

    def close(self) -> None:
        """End all of them."""
        for each in self.processes.values():
            each.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stage, an adapter, lag, watch and console on a cluster with TLS and rights."""
    with secured(tmp_path_factory.mktemp("well")) as cluster:
        installation = cluster.installation
        with open_identity(installation.identity_folder(CENTER)) as center:
            outputs = installation.publication(center.signer, wall_clock())
        publish(cluster.bootstrap, outputs, "hedx.center.setup", extra=client_security(installation.transport(CENTER)))
        made = Running(cluster, tmp_path_factory.mktemp("logs"))
        at = {name: f"127.0.0.1:{port}" for name, port in made.ports.items()}
        try:
            made.start("intake", "center", "run", "intake", metrics=True)
            made.start("party", "province", "run", "--party", PARTY, metrics=True)
            made.start("lag", "lag", "--serve", at["lag"])
            made.start("watch", "watch", "--serve", at["watch"])
            urls = ("--lag-url", f"https://{at['lag']}", "--watch-url", f"https://{at['watch']}")
            made.start("console", "console", "--listen", "127.0.0.1:0", *urls, metrics=True)
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_process_at_work_is_well(running: Running, name: str) -> None:
    """Its health check passes once it is up, with nothing on stderr; it is shut in as its unit says, signer included."""
    wait_until(f"{name} well", partial(running.is_well, name), 60, pause=0.3)
    assert running.check(name).stderr == ""


def test_a_process_that_hangs_is_not(running: Running) -> None:
    """Stopped in its tracks it takes connections still, and answers nothing."""
    wait_until("intake well", partial(running.is_well, "intake"), 60, pause=0.3)
    pid = running.processes["intake"].pid("intake")
    os.kill(pid, signal.SIGSTOP)
    try:
        found = running.check("intake")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert found.returncode == 10
    assert "does not answer" in found.stderr
    wait_until("intake well again", partial(running.is_well, "intake"), 60, pause=0.3)
