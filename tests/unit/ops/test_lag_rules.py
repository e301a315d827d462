"""The judgement of lag: each rule has a case that fires it and one just short of it, and the order of rules is what it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.ops.lag_history import History
from pipeline.ops.lag_rules import (
    OF_PARTITIONS,
    RULES,
    STATUSES,
    Case,
    Limits,
    Verdict,
    duration,
    judge_itself,
    judge_partition,
    worst,
)
from pipeline.ops.lag_samples import GroupSample, Place, Poll, Sample

PAGE = Path(__file__).resolve().parents[3] / "docs" / "lag.md"
LIMITS = Limits(stalled=60, late=300, ratio=0.5, growing=120, growing_from=30, pace=0.1)
NOW = 1_000_000
PLACE = ("in", 0)

IDLE = Sample(NOW, committed=50, begin=0, end=50, lag=0, seconds=0.0, ratio=0.0)
WAITING = replace(IDLE, end=53, lag=3, seconds=5.0, ratio=0.001)


def group(samples: Sequence[Sample], members: int = 1, *, expected: bool = True, absent: bool = False) -> GroupSample:
    """A group on one partition."""
    return GroupSample("g", "stable", members, expected, absent, {PLACE: samples[-1]} if samples else {})


def past(now: Sample, *ages: tuple[float, dict[str, object]]) -> list[Sample]:
    """Samples before `now` and it: each so many seconds older, and different in this."""
    return [*(replace(now, at=NOW - int(age * 1000), **differs) for age, differs in ages), now]  # type: ignore[arg-type]


def growing(*seconds: float, every: float = 40) -> list[Sample]:
    """Samples with these ages of the first unread record, `every` seconds apart, each with some progress."""
    last = len(seconds) - 1
    return [
        replace(WAITING, at=NOW - int((last - number) * every * 1000), committed=50 - last + number, seconds=age)
        for number, age in enumerate(seconds)
    ]


STOOD = past(WAITING, (60, {}), (30, {}))
LOST = past(replace(IDLE, begin=100, end=100, lag=50, seconds=86_400.0, ratio=1.0, gone=True), (61, {}), (30, {}))
COMPACTED = replace(WAITING, compacted=True, ratio=None)

PARTITIONS = {
    "2 fires: records wait and nobody is there": (2, [WAITING], 0),
    "2 does not: somebody is there": (10, [WAITING], 1),
    "2 does not: nothing waits": (10, [IDLE], 0),
    "2 does not: only what compaction took is between": (10, [replace(COMPACTED, seconds=0.0)], 0),
    "2 fires: since when is not known": (2, [replace(COMPACTED, seconds=None)], 0),
    "3 fires: no commit for a minute, a frozen static member": (3, STOOD, 1),
    "3 does not: a second less": (10, past(WAITING, (59, {}), (30, {})), 1),
    "3 does not: it moved": (10, past(WAITING, (60, {"committed": 49}), (30, {})), 1),
    "3 does not: it moved back, which is somebody's doing": (10, past(WAITING, (60, {"committed": 51}), (30, {})), 1),
    "3 does not: a minute ago nothing waited": (10, past(WAITING, (60, {"end": 50, "lag": 0}), (30, {})), 1),
    "3 does not: nothing waited in between": (10, past(WAITING, (60, {}), (30, {"end": 50, "lag": 0})), 1),
    "3 does not: one look has no past": (10, [WAITING], 1),
    "3 fires: never committed, and records there": (3, past(replace(WAITING, committed=None), (61, {})), 1),
    "3 does not: compacted, and nothing is left to read": (10, past(replace(COMPACTED, seconds=0.0), (60, {})), 1),
    "3 fires: compacted, and time says something is": (3, past(COMPACTED, (60, {})), 1),
    "4 fires: the first kept is past the committed": (4, [replace(IDLE, begin=51, end=51)], 1),
    "4 fires: all that waited is deleted, members do not matter": (4, LOST, 1),
    "4 fires: all that waited is deleted, and nobody is there": (4, LOST, 0),
    "4 does not: it is the committed": (10, [replace(IDLE, begin=50)], 1),
    "4 does not: never committed": (10, [replace(IDLE, committed=None, begin=50)], 1),
    "5 fires: committed past the end": (5, [replace(IDLE, committed=51)], 1),
    "5 does not: at the end": (10, [IDLE], 1),
    "6 fires: half of the retention": (6, [replace(WAITING, ratio=0.5)], 1),
    "6 does not: a little less": (10, [replace(WAITING, ratio=0.499)], 1),
    "6 does not: no retention": (10, [replace(WAITING, ratio=None)], 1),
    "6 does not: nothing waits": (10, [replace(IDLE, ratio=0.5)], 1),
    "7 fires: five minutes": (7, [replace(WAITING, seconds=300)], 1),
    "7 does not: a little less": (10, [replace(WAITING, seconds=299.9)], 1),
    "7 does not: not known": (10, [replace(WAITING, seconds=None)], 1),
    "7 fires: compacted, by time": (7, [replace(COMPACTED, seconds=300, lag=1)], 1),
    "7 does not: compacted, a million offsets and no time": (10, [replace(COMPACTED, lag=1_000_000)], 1),
    "8 fires: never shrank, a tenth of the time": (8, growing(20, 25, 30, 32), 1),
    "8 does not: less than a tenth": (10, growing(21, 25, 30, 32), 1),
    "8 does not: it shrank once": (10, growing(10, 26, 25, 32), 1),
    "8 does not: still under half a minute": (10, growing(10, 15, 20, 29.9), 1),
    "8 does not: the history is too short": (10, growing(20, 25, 32), 1),
    "8 does not: two polls make no trend": (10, growing(10, 40, every=130), 1),
    "8 does not: once it was not known": (10, [replace(each, seconds=None) if n == 1 else each
                                              for n, each in enumerate(growing(20, 25, 30, 32))], 1),
    "10 fires: all is read": (10, [IDLE], 1),
    "2 before 3: it stood, and nobody is there": (2, STOOD, 0),
    "2 before 4": (2, [replace(WAITING, begin=51)], 0),
    "3 before 4": (3, past(replace(WAITING, begin=51), (60, {}), (30, {})), 1),
    "4 and not 6: nothing is left that could be lost": (4, [replace(LOST[-1], ratio=1.0)], 1),
    "4 before 6": (4, [replace(WAITING, begin=51, ratio=1.0)], 1),
    "6 before 7": (6, [replace(WAITING, ratio=0.6, seconds=400)], 1),
    "7 before 8": (7, growing(200, 250, 299, 310), 1),
}  # fmt: skip
"""Case → number of the rule, samples, members."""


@pytest.mark.parametrize("name", PARTITIONS)
def test_rule_on_a_partition(name: str) -> None:
    """The rule that fires is the one named, its status is the table's, and it says something."""
    number, samples, members = PARTITIONS[name]
    verdict = judge_partition(group(samples, members), samples, LIMITS)
    assert verdict.rule == number
    assert verdict.status == RULES[number - 1].status
    assert verdict.reason


GROUPS = {
    "1 fires: expected, never there": (1, group([], 0, absent=True)),
    "1 does not: it has a member": (10, group([], 1)),
    "9 fires: expected, nobody there": (9, group([IDLE], 0)),
    "9 does not: somebody is there": (10, group([IDLE], 1)),
    "9 does not: not expected": (10, group([IDLE], 0, expected=False)),
    "1 before 9": (1, group([IDLE], 0, absent=True)),
}


@pytest.mark.parametrize("name", GROUPS)
def test_rule_on_a_group(name: str) -> None:
    """The same for rules that look at the group as a whole."""
    number, sample = GROUPS[name]
    verdict = judge_itself(sample, LIMITS)
    assert (verdict.rule, verdict.status) == (number, RULES[number - 1].status)


def test_every_rule_is_fired_and_just_missed_by_a_case() -> None:
    """The tables above hold both for each rule but the last, which fires when no other does."""
    names = [*PARTITIONS, *GROUPS]
    for rule in RULES[:-1]:
        assert any(name.startswith(f"{rule.number} fires") for name in names), rule.number
        assert any(name.startswith(f"{rule.number} does not") for name in names), rule.number


def test_rules_are_numbered_in_their_order_the_worst_first() -> None:
    """A number is a place in the table; a status never comes before a worse one, and OK is last."""
    assert [rule.number for rule in RULES] == list(range(1, len(RULES) + 1))
    ranks = [STATUSES.index(rule.status) for rule in RULES]
    assert ranks == sorted(ranks, reverse=True)
    assert OF_PARTITIONS[-1].fires(Case(group([IDLE]), [IDLE], LIMITS))


def test_a_group_is_as_its_worst_partition_and_names_it() -> None:
    """Of two partitions with the same rule, the first; the group's own rule wins when its number is lower."""
    fine, late = Verdict("ok", 10, "fine"), Verdict("warn", 7, "late: 3 wait")
    partitions: dict[Place, Verdict] = {("b", 0): late, ("a", 1): late, ("a", 0): fine}
    assert worst(fine, partitions) == Verdict("warn", 7, "a/1: late: 3 wait")
    absent = Verdict("stopped", 1, "expected")
    assert worst(absent, partitions) == absent
    assert worst(fine, {}) == fine


def test_reasons_have_figures() -> None:
    """A sentence says how much waits, and since when in units that fit."""
    stopped = judge_partition(group([WAITING], 0), [replace(WAITING, lag=1234, seconds=3725)], LIMITS)
    assert stopped.reason == "nobody reads: 1,234 wait, the first for 1 h 2 min"
    assert judge_itself(group([WAITING], 0, absent=True), LIMITS).reason.endswith("offsets; 3 wait")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.44, "0.4 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")],
)
def test_durations(seconds: float, said: str) -> None:
    """Two units at most, the larger first."""
    assert duration(seconds) == said


def poll(at: float, sample: Sample, members: int = 1) -> Poll:
    """A poll at `at` seconds that saw one group."""
    now = replace(sample, at=int(at * 1000))
    return Poll(now.at, 0.0, (group([now], members),), {PLACE: (now.begin, now.end)}, frozenset())


def test_history_reaches_back_as_far_as_the_rules_and_no_further() -> None:
    """A group that stands still turns from ok to stalled when the time has passed; what moves again is ok at once."""
    history = History(LIMITS)
    statuses = [history.judge(poll(at, WAITING)).groups[0].verdict.rule for at in range(0, 1000, 10)]
    assert statuses == [10] * 6 + [3] * 94
    assert len(history._samples["g", PLACE]) == 13
    assert history.judge(poll(1000, replace(WAITING, committed=51, lag=2))).healthy


def test_history_forgets_groups_that_are_gone() -> None:
    """A group that comes again after a poll without it starts without a past."""
    history = History(LIMITS)
    history.judge(poll(0, WAITING))
    history.judge(Poll(50_000, 0.0, (), {}, frozenset()))
    assert history.judge(poll(100, WAITING)).healthy


def test_the_page_has_the_same_table() -> None:
    """docs/lag.md lists each rule with its number, status and title."""
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\w+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(str(rule.number), rule.status.upper(), rule.about, rule.title) for rule in RULES]
