"""Processes that one command starts: started again when they end, asked to stop, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.cli import crew as crew_module
from pipeline.cli.crew import Crew

PATIENCE = 20.0


def until(holds: Callable[[], bool]) -> None:
    """Wait for it. Fails when it does not come to hold."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """A crew with its logs in a folder of the test's own."""
    with Crew(tmp_path / "logs") as made:
        yield made


def test_a_process_that_ends_is_started_again_after_a_pause(
    crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end and the pause are told, its words are in its log, and the others run on."""
    monkeypatch.setattr(crew_module, "FIRST_PAUSE", 0.05)
    crew.start("wrong", "no-such-command")
    member = crew.members["wrong"]
    first = member.process.pid
    until(lambda: member.process.poll() is not None)
    crew.tend()
    assert member.process.pid == first, "not at once: what fails at once would spin"
    assert "wrong ended with 64; starts again in 0.1 s" in capsys.readouterr().err

    def restarted() -> bool:
        crew.tend()
        return member.restarts == 1

    until(restarted)
    assert member.process.pid != first
    assert "no-such-command" in (tmp_path / "logs" / "wrong.log").read_text()


def test_pauses_grow_while_a_process_keeps_failing(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is down for an hour is not asked ten times a second."""
    monkeypatch.setattr(crew_module, "FIRST_PAUSE", 0.01)
    crew.start("wrong", "no-such-command")
    member = crew.members["wrong"]
    pauses = []
    for _ in range(3):
        until(lambda: member.process.poll() is not None)
        crew.tend()
        pauses.append(member._pause)
        time.sleep(member._pause)
        crew.tend()
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]


def test_stopping_ends_every_process(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked first; whoever does not listen is killed."""
    monkeypatch.setattr(crew_module, "PATIENCE", 0.5)
    member = _sleeping(crew, "deaf", ignore=True)
    other = _sleeping(crew, "good")
    started = time.monotonic()
    crew.stop()
    assert time.monotonic() - started < PATIENCE
    assert other.process.returncode == -signal.SIGTERM
    assert member.process.returncode == -signal.SIGKILL


def test_no_process_outlives_the_command_even_when_it_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to clean up: the kernel tells the children."""
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pipeline.cli.crew import Crew\n"
        "crew = Crew(Path(sys.argv[1]))\n"
        "crew.start('child', '--help')\n"
        "member = crew.members['child']\n"
        "member.process.wait()\n"
        "member._arguments = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "member.process = member._start()\n"
        "print(member.process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "logs")], stdout=subprocess.PIPE, env=environment
    )
    assert command.stdout is not None
    child = int(command.stdout.readline())
    assert is_alive(child)
    command.kill()
    command.wait()
    command.stdout.close()
    until(lambda: not is_alive(child))


def _sleeping(crew: Crew, name: str, *, ignore: bool = False) -> crew_module.Member:
    """A member that is a plain Python process, ready when it has said so."""
    said = crew._log
    assert said is not None
    crew.start(name, "--help")
    member = crew.members[name]
    member.process.wait()
    handler = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if ignore else ""
    code = f"import signal, time; {handler}print('ready', flush=True); time.sleep(60)"
    member._arguments = [sys.executable, "-c", code]
    log = said / f"{name}.log"
    log.write_text("")
    member.process = member._start()
    until(lambda: "ready" in log.read_text())
    return member


def test_one_process_is_ended_and_started_again(crew: Crew) -> None:
    """The others run on; what was ended is not taken for one that failed."""
    _sleeping(crew, "one")
    other = _sleeping(crew, "other")
    crew.end("one")
    crew.tend()
    assert list(crew.members) == ["other"]
    assert other.process.poll() is None
    assert _sleeping(crew, "one").process.poll() is None


@pytest.mark.parametrize(
    ("wanted", "given"),
    [("127.0.0.1:0", ["127.0.0.1:0"] * 3), ("127.0.0.1:9400", ["127.0.0.1:9401", "127.0.0.1:9402", "127.0.0.1:9401"])],
)
def test_each_gives_its_figures_at_an_address_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, given: list[str]
) -> None:
    """The ports after the parent's, in order; one that is started again keeps its own. Any free port is any for all."""
    monkeypatch.setenv("HEDX_METRICS", wanted)
    with Crew(tmp_path / "logs") as crew:
        seen = []
        for name in ("one", "two", "one"):
            if name in crew.members:
                crew.end(name)
            crew.start(name, "no-such-command")
            seen.append(crew.members[name]._environment["HEDX_METRICS"])
    assert seen == given


def test_without_figures_nothing_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members have the environment of their parent."""
    monkeypatch.delenv("HEDX_METRICS", raising=False)
    with Crew(tmp_path / "logs") as crew:
        crew.start("one", "no-such-command")
        assert crew.members["one"]._environment == dict(os.environ)
