"""How long the legs of an application's way take: sketches by minute, each event at its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.domain.records import LifecycleEvent
from pipeline.ops.quantile_sketch import Sketch, merged
from pipeline.ops.watch_minutes import KEPT, MINUTE

ANSWERED: Final = "accepted→answered"
"""From the acceptance, from which deadlines count, to the answer's arrival in the center's inbox."""
LEGS: Final[dict[str, str]] = {
    "section_received": "sent→received",
    "accepted": "received→accepted",
    "approved": "received→approved",
    "dispatched": "accepted→dispatched",
    "answer_accepted": "answered→joined",
    "certified": "received→certified",
    "delivered": "certified→delivered",
}
"""Kind → the leg that ends with it, and began at the event's `since`. `ANSWERED` is told by the application."""
ALL: Final = (
    "sent→received",
    "received→accepted",
    "received→approved",
    "accepted→dispatched",
    ANSWERED,
    "answered→joined",
    "received→certified",
    "certified→delivered",
)
"""In the order of the way."""


class Latency:
    """The table: (minute, leg) → sketch."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[str, Sketch]] = {}

    def add(self, event: LifecycleEvent) -> None:
        """Count the leg that an event ends (each event is given once)."""
        leg = LEGS.get(event["kind"])
        is_half = event["kind"] == "approved" and event["state"] != "accepted"  # by the first of two officers
        if leg is not None and event["since"] is not None and not is_half:
            self.took(leg, event["at"], event["at"] - event["since"])

    def took(self, leg: str, at: int, duration: int) -> None:
        """Count a leg that ended `at` (ms) and took `duration` (ms)."""
        self._minutes.setdefault(at // MINUTE, {}).setdefault(leg, Sketch()).add(duration)

    def forget(self, now: int) -> None:
        """Let go of minutes that are too old."""
        for minute in [minute for minute in self._minutes if minute < now // MINUTE - KEPT]:
            del self._minutes[minute]

    def legs(self, now: int, minutes: int) -> Iterator[tuple[str, Sketch]]:
        """Each leg that anything went in the last `minutes` minutes, in the order of the way."""
        first = now // MINUTE - minutes + 1
        recent = [legs for minute, legs in self._minutes.items() if minute >= first]
        for leg in ALL:
            sketch = merged(legs[leg] for legs in recent if leg in legs)
            if sketch.count:
                yield leg, sketch
