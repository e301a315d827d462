"""Is a consumer group all right? Numbered rules, the first that fires decides; pure, from a short history of samples.

In the manner of Burrow's, but in seconds instead of offsets, aware of transactions, of compaction, of groups that ought to be there
and are not, and of how near unread records are to their deletion. docs/lag.md holds the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pipeline.ops.lag_samples import GroupSample, Place, Sample

Status = Literal["ok", "warn", "stalled", "stopped"]
STATUSES: tuple[Status, ...] = ("ok", "warn", "stalled", "stopped")
"""From best to worst."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the rules draw the line; all in seconds, but `ratio`, and `pace`: seconds of lag a second."""

    stalled: float = 60.0
    late: float = 300.0
    ratio: float = 0.5
    growing: float = 120.0
    growing_from: float = 30.0
    pace: float = 0.1

    @property
    def history(self) -> float:
        """How far back (s) samples are needed."""
        return max(self.stalled, self.growing)


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule looks at: a group, and one of its partitions with its samples, oldest first; none for the group itself."""

    group: GroupSample
    samples: Sequence[Sample]
    limits: Limits

    @property
    def now(self) -> Sample:
        """The newest sample."""
        return self.samples[-1]

    def within(self, seconds: float) -> Sequence[Sample]:
        """The samples of the last `seconds` with the one before; none when the history is not so long."""
        since = self.now.at - seconds * 1000
        older = [number for number, each in enumerate(self.samples) if each.at <= since]
        return self.samples[older[-1] :] if older else ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its number is its place in the order. `about`: a whole group, or each of its partitions."""

    number: int
    status: Status
    about: Literal["group", "partition"]
    title: str
    fires: Callable[[Case], bool]
    says: Callable[[Case], str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a group or partition is, the number of the rule that says so, and the rule's sentence with its figures."""

    status: Status
    rule: int
    reason: str


def _is_absent(case: Case) -> bool:
    return case.group.absent


def _is_stopped(case: Case) -> bool:
    return case.group.members == 0 and case.now.waits


def _is_stalled(case: Case) -> bool:
    held = case.within(case.limits.stalled)
    return bool(held) and all(each.waits and each.committed == case.now.committed for each in held)


def _has_lost(case: Case) -> bool:
    return case.now.committed is not None and case.now.committed < case.now.begin


def _is_past_the_end(case: Case) -> bool:
    return case.now.committed is not None and case.now.committed > case.now.end


def _is_near_loss(case: Case) -> bool:
    return case.now.waits and (case.now.ratio or 0) >= case.limits.ratio


def _is_late(case: Case) -> bool:
    return case.now.waits and (case.now.seconds or 0) >= case.limits.late


def _is_growing(case: Case) -> bool:
    ages = [each.seconds for each in case.within(case.limits.growing)]
    known = [age for age in ages if age is not None]
    if len(known) < 3 or len(known) < len(ages) or known[-1] < case.limits.growing_from:
        return False
    elapsed = (case.now.at - case.within(case.limits.growing)[0].at) / 1000
    rising = all(before <= after for before, after in pairwise(known))
    return rising and known[-1] - known[0] >= case.limits.pace * elapsed


def _has_no_reader(case: Case) -> bool:
    return case.group.expected and case.group.members == 0


def _always(case: Case) -> bool:
    return True


RULES: tuple[Rule, ...] = (
    Rule(
        1,
        "stopped",
        "group",
        "The exchange expects the group, and it has neither members nor committed offsets.",
        _is_absent,
        lambda case: f"expected, but it has neither members nor committed offsets{_waiting(case.group)}",
    ),
    Rule(
        2,
        "stopped",
        "partition",
        "Records wait, and the group has no members.",
        _is_stopped,
        lambda case: f"nobody reads: {_what(case.now)}",
    ),
    Rule(
        3,
        "stalled",
        "partition",
        "The group has members and records wait, but the committed offset has not moved for `stalled` seconds.",
        _is_stalled,
        lambda case: f"no progress for {case.limits.stalled:.0f} s: {_what(case.now)}",
    ),
    Rule(
        4,
        "warn",
        "partition",
        "The committed offset lies before the first one kept: records were deleted unread.",
        _has_lost,
        lambda case: f"{case.now.begin - (case.now.committed or 0):,} offsets were deleted before they were read",
    ),
    Rule(
        5,
        "warn",
        "partition",
        "The committed offset lies past the end: the topic was made anew, or has lost its end.",
        _is_past_the_end,
        lambda case: f"committed {case.now.committed:,} is past the end, {case.now.end:,}: was the topic made anew?",
    ),
    Rule(
        6,
        "warn",
        "partition",
        "The first unread record has reached `ratio` of the topic's retention: it will be deleted unread.",
        _is_near_loss,
        lambda case: f"{(case.now.ratio or 0):.0%} of the retention has passed: {_what(case.now)}",
    ),
    Rule(
        7,
        "warn",
        "partition",
        "The first unread record is older than `late` seconds.",
        _is_late,
        lambda case: f"late: {_what(case.now)}",
    ),
    Rule(
        8,
        "warn",
        "partition",
        "Lag is `growing_from` seconds or more, and over `growing` seconds it never shrank and grew by `pace` of the time.",
        _is_growing,
        lambda case: f"falls behind: {_what(case.now)}",
    ),
    Rule(
        9,
        "warn",
        "group",
        "The exchange expects the group; it has no members, and nothing waits yet.",
        _has_no_reader,
        lambda case: "nobody reads; nothing waits yet",
    ),
    Rule(10, "ok", "group", "None of these.", _always, lambda case: "fine"),
)
"""In the order in which they are asked: the worst first, and among equals what explains the others."""

OF_GROUPS = tuple(rule for rule in RULES if rule.about == "group")
OF_PARTITIONS = tuple(rule for rule in RULES if rule.about == "partition") + RULES[-1:]


def judge_partition(group: GroupSample, samples: Sequence[Sample], limits: Limits) -> Verdict:
    """What the first rule says that fires on one partition; `samples`: oldest first, the group's newest last."""
    return _first(OF_PARTITIONS, Case(group, samples, limits))


def judge_itself(group: GroupSample, limits: Limits) -> Verdict:
    """What the first rule about groups says that fires, whatever its partitions are."""
    return _first(OF_GROUPS, Case(group, (), limits))


def worst(own: Verdict, partitions: Mapping[Place, Verdict]) -> Verdict:
    """A group's verdict: its own, or that of the partition whose rule comes first, which is then named."""
    place, verdict = min(partitions.items(), key=lambda item: (item[1].rule, item[0]), default=(None, own))
    if place is None or own.rule <= verdict.rule:
        return own
    return Verdict(verdict.status, verdict.rule, f"{place[0]}/{place[1]}: {verdict.reason}")


def _first(rules: Sequence[Rule], case: Case) -> Verdict:
    rule = next(rule for rule in rules if rule.fires(case))
    return Verdict(rule.status, rule.number, rule.says(case))


def _what(now: Sample) -> str:
    since = "" if now.seconds is None else f", the first for {duration(now.seconds)}"
    return f"{now.lag:,} wait{since}"


def _waiting(group: GroupSample) -> str:
    lag = sum(each.lag for each in group.partitions.values())
    return f"; {lag:,} wait" if lag else ""


def duration(seconds: float) -> str:
    """A duration for a reader, in the largest unit that fits and the next: `3 d 4 h`, `2 min 5 s`, `0.4 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // part)} {smaller}"
    raise AssertionError(seconds)
