"""The demo as a user runs it, and ends it before it is done: whatever it started ends with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.cli.exits import Exit
from pipeline.kafka.readiness import answers
from pipeline.kafka.security import client_security

HEDX = [sys.executable, "-m", "pipeline.cli.main"]
PATIENCE = 30.0


class Demo:
    """`hedx demo` in a session of its own, as a terminal starts it, with its data under `home`."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.environment = {**os.environ, "HEDX_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self.environment.pop("HEDX_BOOTSTRAP", None)  # these tests are about what the demo itself starts
        self.process = subprocess.Popen(
            [*HEDX, "demo", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def said(self, word: str, stream: str = "stderr") -> str:
        """Wait for a line with `word` in it and return it."""
        source = getattr(self.process, stream)
        line: str = next((line for line in source if word in line), "")
        assert line, f"the demo ended without saying {word!r}"
        return line

    def running(self) -> dict[int, str]:
        """Every process that has this demo's data folder in its environment, wherever it hangs in the tree."""
        found = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("HEDX_HOME", "").startswith(str(self.home)):
                    found[process.pid] = " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def ended(self) -> int:
        """The exit code, once the demo has ended; a few moments later nothing of it may be left."""
        self.process.communicate(timeout=PATIENCE)
        deadline = time.monotonic() + 2
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self.running() == {}
        return self.process.returncode

    def close(self) -> None:
        """End everything, when the test failed before it could."""
        for pid in self.running():
            os.kill(pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts `hedx demo <arguments>`."""
    demos: list[Demo] = []

    def start_one(*arguments: str) -> Demo:
        demos.append(Demo(tmp_path, *arguments))
        return demos[-1]

    yield start_one
    for demo in demos:
        demo.close()


def secrets_told(demo: Demo, home: Path) -> list[str]:
    """Where a passphrase of the demo's keys shows that is not its own file: arguments, environments, logs, settings."""
    secrets = [path.read_bytes() for path in home.rglob("passphrase")]
    assert len(secrets) > 10
    places = [file for folder in ("logs", "broker") for file in (home / folder).rglob("*") if file.is_file()]
    places += [Path(f"/proc/{pid}/{what}") for pid in demo.running() for what in ("cmdline", "environ")]
    return [str(place) for place in places if any(secret in place.read_bytes() for secret in secrets)]


def test_sigterm_in_the_middle_leaves_nothing_running(start: Callable[..., Demo]) -> None:
    """Ended from outside right after filing: broker, stages and adapters end too, and the exit code tells."""
    demo = start()
    demo.said("filed")
    assert len(demo.running()) > 8
    demo.process.terminate()
    assert demo.ended() == Exit.ENDED


def test_ctrl_c_at_the_start_leaves_nothing_running(start: Callable[..., Demo]) -> None:
    """Ctrl-C reaches the whole group of processes, here while Kafka comes up."""
    demo = start()
    demo.said("keys")
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.ended() == Exit.INTERRUPTED


def test_a_served_demo_takes_applications_until_ctrl_c(start: Callable[..., Demo], tmp_path: Path) -> None:
    """`--serve` says where it is; another command files with it; a second demo keeps off; Ctrl-C is its normal end.

    Its Kafka lets nobody in without a certificate, and no key's passphrase shows anywhere.
    """
    demo = start("--serve", "--json")
    told = json.loads(demo.said("bootstrap", "stdout"))
    environment = {**demo.environment, "HEDX_HOME": told["home"], "HEDX_PARTY": told["party"]}
    command = [*HEDX, "apply", "submit", told["form"], "--roster", told["roster"], "--wait", "60", "--json"]
    filed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(filed.stdout)["complete"] is True
    home = Path(told["home"])
    assert not answers(told["bootstrap"], 2), "a client without a certificate was let in"
    assert answers(told["bootstrap"], PATIENCE, client_security(home / "principals" / "P37"))
    assert secrets_told(demo, home) == []
    second = subprocess.run([*HEDX, "demo"], env=demo.environment, capture_output=True, text=True, check=False)
    assert second.returncode == Exit.FAILED
    assert "runs in" in second.stderr
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.ended() == Exit.FINE
