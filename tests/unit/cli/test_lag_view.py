"""How `hedx lag` looks: rows, the live table within its terminal, spark lines, lines of changes."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from pipeline.cli.lag_view import Changes, Trends, drawn, rows, spark
from pipeline.ops.lag_history import History, Judged
from pipeline.ops.lag_rules import Limits
from pipeline.ops.lag_samples import GroupSample, Place, Poll, Sample

NOW = 1_800_000_000_000
IDLE = Sample(NOW, 9, 0, 9, 0, 0.0)
LATE = Sample(NOW, 5, 0, 9, 4, 400.0)


def group(name: str, *partitions: tuple[Place, Sample], members: int = 1) -> GroupSample:
    """A group with these partitions."""
    return GroupSample(name, "stable", members, expected=False, absent=False, partitions=dict(partitions))


def judged(*groups: GroupSample) -> Judged:
    """One poll, judged without a past."""
    return History(Limits()).judge(Poll(NOW, 0.1, groups, {}, frozenset()))


def test_a_row_for_each_group_and_topic_the_worst_first() -> None:
    """A topic's row has the topic's own verdict, so that a fine one is not blamed for another."""
    two = group("two", (("a", 0), IDLE), (("b", 0), replace(LATE, lag=3)), (("b", 1), replace(LATE, seconds=500.0)))
    found = list(rows(judged(group("fine", (("a", 0), IDLE)), two)))
    assert [(row.status, row.group, row.topic, row.lag, row.seconds) for row in found] == [
        ("ok", "two", "a", "0", "0 s"),
        ("warn", "two", "b", "7", "8 min 20 s"),
        ("ok", "fine", "a", "0", "0 s"),
    ]
    assert found[1].reason == "partition 0: late: 3 wait, the first for 6 min 40 s"


def test_what_is_not_known_is_no_zero() -> None:
    """Seconds nobody could tell show as a question mark."""
    [row] = rows(judged(group("g", (("a", 0), replace(LATE, seconds=None)))))
    assert row.seconds == "?"


@pytest.mark.parametrize("height", [10, 24])
def test_the_live_table_fits_its_terminal(height: int) -> None:
    """Fifty groups in few lines and narrow columns: the worst are shown, the others counted, nothing is folded."""
    late = [group(f"late.{number}", (("hedx.37.requests", 0), LATE), members=0) for number in range(3)]
    fine = [group(f"fine.{number}", (("hedx.37.requests", 0), IDLE)) for number in range(50)]
    found = judged(*fine, *late)
    trends = Trends()
    trends.take(found)
    screen = io.StringIO()
    Console(file=screen, width=80, height=height).print(drawn(found, trends, height, ""))
    lines = screen.getvalue().splitlines()
    assert len(lines) <= height
    assert all(len(line) <= 80 for line in lines)
    assert "late.0" in lines[3]
    assert f"50 ok, 3 stopped; {53 - (height - 7)} more" in screen.getvalue()


def test_spark_lines() -> None:
    """As high as the greatest; something is never drawn as nothing."""
    assert spark([]) == ""
    assert spark([0, 0]) == "  "
    assert spark([0, 1, 500, 1000]) == " ▁▄█"


def test_a_trend_has_the_last_polls_of_a_group() -> None:
    """Twenty of them; a group that is gone is forgotten."""
    trends = Trends()
    for lag in range(30):
        trends.take(judged(group("g", (("a", 0), replace(LATE, lag=lag)))))
    assert len(trends.line("g")) == 20
    assert trends.line("g")[-1] == "█"
    trends.take(judged())
    assert trends.line("g") == ""


def test_only_changes_are_told() -> None:
    """First everything, then who is judged by another rule, and who is gone; the same again is nothing."""
    changes = Changes()
    fine, late = judged(group("g", (("a", 0), IDLE))), judged(group("g", (("a", 0), LATE)))
    assert [(each["group"], each["status"]) for each in changes.take(fine)] == [("g", "ok")]
    assert changes.take(fine) == []
    [change] = changes.take(late)
    assert (change["status"], change["rule"], change["lag"], change["lag_seconds"]) == ("warn", 7, 4, 400.0)
    assert [(each["group"], each["status"]) for each in changes.take(judged())] == [("g", "gone")]
