"""The simulated calendar of demonstrations: days pass when it is told to, for everybody at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.demo.simulated_calendar import DAY, FARTHEST, LEAD, SimulatedCalendar
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import LOOK_EVERY, VARIABLE, Simulation, follow
from tests.network import START


class Real:
    """Real time, passing only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@pytest.fixture
def real() -> Iterator[Real]:
    yield Real()
    follow(None)


@pytest.fixture
def calendar(real: Real, tmp_path: Path) -> SimulatedCalendar:
    made = SimulatedCalendar(tmp_path / "clock", real=real, sleep=real.sleep)
    assert made.start() == START
    return made


def test_it_begins_with_today_and_jumps(calendar: SimulatedCalendar, real: Real) -> None:
    """Real until it is told to jump; when that returns it is the instant asked for, and time goes on."""
    real.sleep(10)
    assert calendar.now() == START + 10_000
    calendar.jump_to(START + 5 * DAY)
    assert START + 5 * DAY <= calendar.now() <= START + 5 * DAY + 5
    real.sleep(1)
    assert START + 5 * DAY + 1_000 <= calendar.now() <= START + 5 * DAY + 1_005


def test_every_process_knows_a_step_before_it_counts(calendar: SimulatedCalendar, real: Real) -> None:
    """Else two of them could map one append time in two ways."""
    assert LEAD >= 2 * LOOK_EVERY
    seen = Simulation(calendar.file, lambda: real.now / 1000)
    calendar.jump_to(START + DAY)
    assert seen.at(START) == START
    assert seen.at(real.now) == calendar.now()
    assert seen.at(START + round(LEAD * 1000) - 1) < START + DAY


def test_it_does_not_go_back(calendar: SimulatedCalendar) -> None:
    """Neither behind the last jump nor behind now."""
    calendar.jump_to(START + DAY)
    with pytest.raises(ConfigError, match="does not go back"):
        calendar.jump_to(START + DAY - 1)


def test_it_goes_no_further_than_seal_keys_last(calendar: SimulatedCalendar) -> None:
    """Signers keep real time: beyond that nobody could be sealed to any more."""
    calendar.jump_to(START + FARTHEST)
    with pytest.raises(ConfigError, match="26 days"):
        calendar.jump_to(START + FARTHEST + DAY)


def test_a_calendar_begins_once(calendar: SimulatedCalendar) -> None:
    """The steps of another story are not gone on with."""
    with pytest.raises(ConfigError, match="begins once"):
        calendar.start()
    assert calendar.environment() == {VARIABLE: str(calendar.file)}
