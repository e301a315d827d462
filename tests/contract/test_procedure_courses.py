"""The whole procedure under random courses of events, judged by an oracle of its own (tests/course_oracle.py).

`make courses` runs many more: COURSES says how many, COURSE_SEED from which number on (a random one by default). A course
that fails is made as short as it gets and shown, as a list that `assert_holds` takes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from secrets import randbelow
from tempfile import TemporaryDirectory

import pytest

from tests.course_oracle import Watch, described, judge_at_rest, judge_dead_letters, judge_in_the_end
from tests.courses import Course, Event, drawn

FIXED, GROUPS = 24, 6
"""Seeds that are the same in every run, and in how many tests they are, for as many cores."""
FIRST = 300
ONCE_FAILED = (1196,)  # a front door shut for two weeks: what a lapsed withdrawal shared an envelope with was lost
FRESH = 3


@pytest.fixture(scope="module")
def registers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the providers' registers are: made once, read only."""
    return tmp_path_factory.mktemp("registers")


def assert_holds(events: Sequence[Event], registers: Path) -> None:
    """A course, its rest, and its end months later hold what the oracle asks."""
    with TemporaryDirectory() as folder:
        course = Course(Path(folder), registers)
        watch = Watch(course)
        try:
            for event in events:
                course.play([event])
                watch.look()
            course.rest()
            course.days(14)
            watch.look()
            judge_at_rest(course)
            course.close()
            watch.look()
            judge_in_the_end(course)
            judge_dead_letters(course)
        except Exception as error:
            error.add_note("\n".join(described(course)))
            raise


def shortened(events: list[Event], registers: Path) -> list[Event]:
    """A failing course without the events that it fails without as well."""
    for position in range(len(events) - 1, 0, -1):
        shorter = events[:position] + events[position + 1 :]
        try:
            assert_holds(shorter, registers)
        except Exception:  # noqa: BLE001 - whatever it fails with
            events = shorter
    return events


def check(seed: int, registers: Path) -> None:
    """The course of a seed holds; if not, the shortest course that does not is shown."""
    try:
        assert_holds(drawn(seed), registers)
    except Exception as error:
        error.add_note(f"course of seed {seed}, shortened: {shortened(drawn(seed), registers)}")
        raise


@pytest.mark.parametrize("group", range(GROUPS))
def test_what_the_oracle_asks_holds_of_every_course(group: int, registers: Path) -> None:
    """Whoever stands still, is away, withdrawn, asked twice: every sub-query has one explained status, and all ends."""
    for seed in range(group, FIXED, GROUPS):
        check(seed, registers)


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_it_holds_of_courses_that_once_failed(seed: int, registers: Path) -> None:
    """What was found and mended stays so."""
    check(seed, registers)


def test_it_holds_of_courses_never_seen_before(registers: Path) -> None:
    """COURSES of them in `make courses`, a few fixed ones in `make test`; the seed of a failing one is shown."""
    count = os.environ.get("COURSES")
    first = int(os.environ.get("COURSE_SEED") or (randbelow(2**32) if count else FIRST))
    for seed in range(first, first + int(count or FRESH)):
        check(seed, registers)
