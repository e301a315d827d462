"""What the benchmarks make of their measurements."""

from __future__ import annotations

import pytest

from pipeline.bench import figures
from pipeline.bench.bare_loop import CENTER_STEPS, END_STEPS, BareLoop
from pipeline.bench.figures import Run, percentile
from pipeline.bench.usage import MIB, Usage

RUN = Run(
    sections=2,
    sub_queries=24_000,
    seconds=3.0,
    before={"intake": Usage(1.0, 50 * MIB), "join": Usage(2.0, 60 * MIB), "broker": Usage(5.0, 200 * MIB)},
    after={"intake": Usage(1.1, 70 * MIB), "join": Usage(2.3, 90 * MIB), "broker": Usage(6.2, 300 * MIB)},
)
BARE = BareLoop(
    sections=2,
    sub_queries=24_000,
    seconds={**dict.fromkeys(CENTER_STEPS, 0.05), **dict.fromkeys(END_STEPS, 0.1)},
)


def test_processes_are_charged_for_what_they_used_in_the_run_only() -> None:
    """The start and the warm-up do not count as CPU; the peak of memory is that of the whole life."""
    rows = {row["process"]: row for row in figures.processes(RUN)}
    assert rows["join"] == {
        "process": "join",
        "cpu_seconds": 0.3,
        "cpu_seconds_per_million": 12.5,
        "peak_mib": 90,
    }
    assert rows["broker"]["cpu_seconds"] == 1.2


def test_ratios_compare_with_the_bare_loop() -> None:
    """8,000 a second against 40,000; 0.2 s of the center's bare work against the 0.4 s of its processes."""
    assert figures.ratios(RUN, BARE, ["intake", "join"]) == {"e2e_to_bare_loop": 0.2, "center_cpu": 0.5}


def test_the_center_is_compared_for_as_many_sub_queries() -> None:
    """A bare loop over half the sections stands for half the work."""
    half = BareLoop(1, 12_000, {step: seconds / 2 for step, seconds in BARE.seconds.items()})
    assert figures.ratios(RUN, half, ["intake", "join"]) == figures.ratios(RUN, BARE, ["intake", "join"])


def test_every_step_of_the_bare_loop_is_in_the_table_once() -> None:
    """By side, in the order of the data's way, in ms for one section."""
    rows = figures.steps(BARE)
    assert [row["step"] for row in rows] == [*CENTER_STEPS, *END_STEPS]
    assert {row["ms_per_section"] for row in rows if row["side"] == "center"} == {25.0}


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5], 0.5, 5), ([1, 2, 3, 4], 0.5, 2), ([4, 3, 2, 1], 0.99, 4), (list(range(1, 101)), 0.99, 99), ([7, 1], 0, 1)],
)
def test_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    """Nearest rank: no value between two is made up."""
    assert percentile(values, share) == expected
