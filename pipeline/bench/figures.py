"""What the measurements mean: pure arithmetic, ready to print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.bench.bare_loop import CENTER_STEPS, END_STEPS, BareLoop
from pipeline.bench.usage import MIB, Usage

PROMISE = 0.4
"""The least share of the center's CPU that must be the unavoidable work: the architecture's promise."""


@dataclass(frozen=True, slots=True)
class Run:
    """One end-to-end run: what was asked, how long it took (s), what each process used meanwhile."""

    sections: int
    sub_queries: int
    seconds: float
    before: Mapping[str, Usage]
    after: Mapping[str, Usage]

    @property
    def rate(self) -> float:
        """Sub-queries a second, from filing to the last bundle stored."""
        return self.sub_queries / self.seconds

    def cpu(self, names: Sequence[str]) -> float:
        """CPU seconds that these processes used in the run."""
        return sum(self.after[name].cpu - self.before[name].cpu for name in names)


def processes(run: Run) -> list[dict[str, object]]:
    """A row a process: CPU, CPU seconds per million sub-queries, peak memory in MiB."""
    rows: list[dict[str, object]] = []
    for name in run.before:
        cpu = run.cpu([name])
        rows.append(
            {
                "process": name,
                "cpu_seconds": round(cpu, 2),
                "cpu_seconds_per_million": round(1e6 * cpu / run.sub_queries, 1),
                "peak_mib": round(run.after[name].peak / MIB),
            }
        )
    return rows


def steps(bare: BareLoop) -> list[dict[str, object]]:
    """A row a step of the bare loop: whose it is, CPU ms for one section."""
    sides = [("center", CENTER_STEPS), ("ends", END_STEPS)]
    return [
        {"side": side, "step": step, "ms_per_section": round(bare.milliseconds(step), 1)}
        for side, names in sides
        for step in names
    ]


def ratios(run: Run, bare: BareLoop, center: Sequence[str]) -> dict[str, float]:
    """How much of the machine's and of the center's time is the work that cannot be spared.

    `e2e_to_bare_loop`: sub-queries a second end to end, on all cores, to those of the bare loop on one core.
    `center_cpu`: CPU of the bare loop's center part to that of the processes named in `center`, for as many sections.
    """
    whole = bare.center + bare.ends
    return {
        "e2e_to_bare_loop": round(run.rate / (bare.sub_queries / whole), 3),
        "center_cpu": round(bare.center / bare.sub_queries / (run.cpu(center) / run.sub_queries), 3),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the least value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
