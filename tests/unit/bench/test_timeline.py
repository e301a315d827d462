"""Where one application's time went, from events and append times."""

from __future__ import annotations

from pipeline.bench.timeline import STRETCHES, Sightings, Window, stretches
from pipeline.domain.records import LifecycleEvent

WINDOW = Window("a", 1000, 1200)
APPENDED = {
    "hedx.center.requests": [900, 1010, 1250],
    "hedx.37.requests": [1050],
    "hedx.53.requests": [700, 1060, 1190],  # the last one is a receipt of this application's delivery
    "hedx.center.responses": [1090, 1100, 1300],
    "hedx.37.responses": [],
    "hedx.53.responses": [950, 1030, 1180],
}


def event(stage: str, kind: str, at: int) -> LifecycleEvent:
    return {
        "event_id": f"{stage}{at}",
        "at": at,
        "stage": stage,
        "kind": kind,
        "application_id": "a",
        "section": None,
        "party": None,
        "provider": None,
        "count": 1,
        "code": None,
        "by": None,
        "since": None,
        "state": None,
        "change": None,
        "parts": [],
    }


EVENTS = [
    event("intake", "section_received", 1012),
    event("applications", "accepted", 1030),
    event("collect", "answers_collected", 1095),
    event("collect", "answers_collected", 1110),
    event("collect", "answers_collected", 1310),  # the next application's
    event("join", "section_closed", 1140),
    event("applications", "certified", 1160),
]


def test_stretches_are_those_of_this_application_and_add_up_to_its_time() -> None:
    """The last provider decides; what came before the filing or after the end belongs to another."""
    taken = stretches(WINDOW, Sightings(EVENTS, APPENDED), "53", ["37", "53"])
    assert taken == [10, 2, 18, 30, 40, 10, 30, 20, 20, 20]
    assert len(taken) == len(STRETCHES)
    assert sum(taken) == WINDOW.complete - WINDOW.filed


def test_clocks_that_disagree_by_a_little_make_no_negative_stretch() -> None:
    """A step seen a millisecond before its message was appended counts as at once."""
    early = [event("intake", "section_received", 1009), *EVENTS[1:]]
    taken = stretches(WINDOW, Sightings(early, APPENDED), "53", ["37", "53"])
    assert taken[:2] == [10, 0]
    assert sum(taken) == WINDOW.complete - WINDOW.filed
