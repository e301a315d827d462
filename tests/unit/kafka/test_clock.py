"""The clock: real unless told otherwise, and a simulated one that keeps the order of events."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import LOOK_EVERY, VARIABLE, Simulation, follow, mapped, read_steps, simulated, wall_clock


@pytest.fixture(autouse=True)
def real_time_afterwards() -> Iterator[None]:
    """No test leaves another one on a simulated clock."""
    yield
    follow(None)


def written(path: Path, *steps: tuple[int, int]) -> Path:
    path.write_text("".join(f"{real} {then}\n" for real, then in steps))
    return path


def test_time_is_real_unless_a_file_is_named() -> None:
    """Nobody runs on a simulated clock by default."""
    assert VARIABLE not in os.environ
    before = int(time() * 1000)
    assert before <= wall_clock() <= int(time() * 1000)
    assert simulated(1234) == 1234


def test_instants_are_mapped_by_the_step_they_follow(tmp_path: Path) -> None:
    """Real before the first step, then each step's time at the pace of real time."""
    simulation = Simulation(written(tmp_path / "clock", (1_000, 1_000), (2_000, 900_000), (3_000, 901_500)))
    asked = (0, 999, 1_000, 1_999, 2_000, 2_999, 3_000, 4_000)
    assert [simulation.at(real) for real in asked] == [0, 999, 1_000, 1_999, 900_000, 900_999, 901_500, 902_500]


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9)), max_size=8), st.data())
def test_no_two_instants_change_their_order(jumps: list[tuple[int, int]], data: st.DataObject) -> None:
    """Strictly monotone, and never behind real time; else a later answer could count as the earlier one."""
    steps: list[tuple[int, int]] = []
    real = 0
    for wait, ahead in jumps:
        real += wait
        steps.append((real, mapped(steps, real) + ahead))
    first = data.draw(st.integers(0, real + 1_000))
    second = data.draw(st.integers(first + 1, real + 2_000))
    assert first <= mapped(steps, first) < mapped(steps, second)


def test_a_changed_file_counts_within_a_twentieth_of_a_second(tmp_path: Path) -> None:
    """A running process follows; it looks at the file no more often than that."""
    now = [0.0]
    file = written(tmp_path / "clock", (1_000, 1_000))
    simulation = Simulation(file, lambda: now[0])
    written(file, (1_000, 1_000), (2_000, 50_000))
    assert simulation.at(2_500) == 2_500
    now[0] += LOOK_EVERY
    assert simulation.at(2_500) == 50_500


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1000 1000\n900 5000\n", ":2: time goes back"),
        ("1000 1000\n1000 5000\n", ":2: time goes back"),
        ("1000 9000\n2000 9999\n", ":2: time goes back"),
        ("1000 999\n", ":1: time goes back"),
        ("1000\n", ":1: a step is two instants"),
        ("1000 soon\n", ":1: a step is two instants"),
        ("1000 -5\n", ":1: a step is two instants"),
    ],
)
def test_a_file_in_which_time_goes_back_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """With its line; also what is no step at all."""
    (tmp_path / "clock").write_text(text)
    with pytest.raises(ConfigError, match=reason):
        Simulation(tmp_path / "clock")


def test_steps_that_were_taken_cannot_be_taken_back(tmp_path: Path) -> None:
    """Instants that a process has already mapped would change; it ends instead."""
    now = [0.0]
    file = written(tmp_path / "clock", (1_000, 1_000), (2_000, 50_000))
    simulation = Simulation(file, lambda: now[0])
    written(file, (1_000, 1_000))
    now[0] += 1
    with pytest.raises(ConfigError, match="not there any more"):
        simulation.at(3_000)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A process that was to run on a simulated clock does not fall back to the real one."""
    follow(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=VARIABLE):
        wall_clock()


def test_a_process_that_follows_a_file_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In its log, whatever it does: nothing it decides may be taken for real."""
    follow(written(tmp_path / "clock", (1_000, 9_000_000_000_000)))
    assert wall_clock() > 9_000_000_000_000
    assert simulated(2_000) == 9_000_000_001_000
    assert [record.message for record in caplog.records] == [
        f"{VARIABLE} is set: time is simulated by {tmp_path}/clock"
    ]


def test_the_environment_alone_makes_a_process_follow(tmp_path: Path) -> None:
    """A started process reads the variable by itself, and commands tell simulated times."""
    at = 2_000_000_000_000  # 2033-05-18
    file = written(tmp_path / "clock", (1_000, at - int(time() * 1000) + 1_000))
    code = "from pipeline.kafka.clock import wall_clock; print(wall_clock())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, VARIABLE: str(file)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 <= int(said.stdout) - at < 60_000
    assert "time is simulated" in said.stderr


def test_read_steps_gives_what_the_file_says(tmp_path: Path) -> None:
    """The same steps that were written."""
    assert read_steps(written(tmp_path / "clock", (1, 2), (3, 40))) == [(1, 2), (3, 40)]
