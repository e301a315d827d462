"""The figures of a process that starts others: which of them run, and how often each was started again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from pipeline.ops.metrics_building import Asked, family


class Started(Protocol):
    """A process that somebody looks after."""

    restarts: int

    @property
    def is_running(self) -> bool:
        """Whether it runs right now."""


def crew_metrics(registry: CollectorRegistry, members: Callable[[], Mapping[str, Started]]) -> None:
    """Show `members`, by name, at each scrape."""

    def ask() -> Iterator[Family]:
        now = [({"process": name}, member) for name, member in list(members().items())]
        yield family("hedx_process_restarts_total", ((labels, member.restarts) for labels, member in now))
        yield family("hedx_process_up", ((labels, float(member.is_running)) for labels, member in now))

    Asked(registry, ask)
