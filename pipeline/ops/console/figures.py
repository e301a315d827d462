"""The console's own figures for Prometheus: who is signed in, by role, and what was done or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from pipeline.ops.console.journal import ACTED, OUTCOME, REFUSED, SIGNED_IN, SIGNED_OUT
from pipeline.ops.metrics_building import Asked, family

ACTS: Final = {
    SIGNED_IN: "sign_in",
    SIGNED_OUT: "sign_out",
    "dead_letter replay": "replay",
    "dead_letter replay again": "replay",
    "dead_letter discard": "discard",
    "desk approve": "approve",
    "desk reject": "reject",
    "desk hold": "hold",
}


class Tally:
    """How often each act was done, failed or was refused; filled from what goes into the access log."""

    def __init__(self) -> None:
        self.acts: Counter[tuple[str, str]] = Counter()

    def noted(self, act: str, what: str, detail: Mapping[str, object]) -> None:
        """A row of the log was written."""
        if act == REFUSED:
            self.acts["any", "refused"] += 1
        elif act == OUTCOME:
            self.acts[ACTS.get(what, "any"), "failed" if "error" in detail else "done"] += 1
        elif act != ACTED:
            self.acts[ACTS.get(act, "any"), "done"] += 1


def console_metrics(registry: CollectorRegistry, tally: Tally, roles: Callable[[], Mapping[str, int]]) -> None:
    """Show both at each scrape; `roles`: role → sessions that are open."""

    def ask() -> Iterator[Family]:
        yield family("hedx_console_sessions", (({"role": role}, float(n)) for role, n in roles().items()))
        counted = list(tally.acts.items())
        yield family(
            "hedx_console_acts_total",
            (({"act": act, "outcome": outcome}, float(n)) for (act, outcome), n in counted),
        )

    Asked(registry, ask)
