"""The samples of the last minutes, by group and partition, and the judgement they allow. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.ops.lag_rules import Limits, Verdict, judge_itself, judge_partition, worst
from pipeline.ops.lag_samples import GroupSample, Place, Poll, Sample


@dataclass(frozen=True, slots=True)
class JudgedGroup:
    """A group with its verdict, and those of its partitions; `own`: by the rules about groups alone."""

    sample: GroupSample
    own: Verdict
    verdict: Verdict
    partitions: Mapping[Place, Verdict]

    @property
    def lag(self) -> int:
        """Of all partitions, in offsets."""
        return sum(each.lag for each in self.sample.partitions.values())

    @property
    def seconds(self) -> float | None:
        """Of the partition that is furthest behind; None when that is not known of any that lags."""
        known = [each.seconds for each in self.sample.partitions.values() if each.seconds is not None]
        lagging = any(each.lag for each in self.sample.partitions.values())
        return max(known, default=None if lagging else 0.0)


@dataclass(frozen=True, slots=True)
class Judged:
    """A poll, judged: the worst groups first, then by name."""

    poll: Poll
    groups: tuple[JudgedGroup, ...]

    @property
    def healthy(self) -> bool:
        """Whether every group is ok."""
        return all(group.verdict.status == "ok" for group in self.groups)


class History:
    """Takes polls, oldest first, and keeps of each partition what the rules may ask for."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._samples: dict[tuple[str, Place], list[Sample]] = {}

    def judge(self, poll: Poll) -> Judged:
        """Take a poll in and say what each group is."""
        self._samples = {
            (group.name, place): self._continued((group.name, place), new)
            for group in poll.groups
            for place, new in group.partitions.items()
        }
        judged = sorted(map(self._judged, poll.groups), key=lambda each: (each.verdict.rule, each.sample.name))
        return Judged(poll, tuple(judged))

    def _judged(self, group: GroupSample) -> JudgedGroup:
        verdicts = {
            place: judge_partition(group, self._samples[group.name, place], self.limits) for place in group.partitions
        }
        own = judge_itself(group, self.limits)
        return JudgedGroup(group, own, worst(own, verdicts), verdicts)

    def _continued(self, key: tuple[str, Place], new: Sample) -> list[Sample]:
        """The samples with the new one; of those older than the rules look back, the newest."""
        before = self._samples.get(key, [])
        since = new.at - self.limits.history * 1000
        older = [number for number, each in enumerate(before) if each.at <= since]
        return [*before[older[-1] if older else 0 :], new]
