"""Where one application's time goes: the instants at which it was seen along its way, from the topics themselves.

Inboxes carry the broker's append times, lifecycle events the time at which their step began. Applications are filed
one after the other, so everything between one's filing and its completion is that one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.codec import framing
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import LifecycleEvent
from pipeline.kafka.clients import Extra
from pipeline.kafka.tailing import CommittedLog
from pipeline.stages import topics
from pipeline.stages.effects import Message

STRETCHES = (
    ("filed → center's inbox", "the requester seals and stores; its outbox sends"),
    ("→ intake", "fetch; the batch's step begins"),
    ("→ applications", "verify, open, validate; commit; fetch"),
    ("→ providers' inboxes", "admit, seal to each provider; send"),
    ("→ answers in the center's inbox", "commit; fetch; open, look up, seal, store; outbox; the last provider"),
    ("→ collect", "fetch; the batch's step begins"),
    ("→ join", "verify, forward; commit; fetch"),
    ("→ certify", "match, relay, sign the section's certificate; commit; fetch"),
    ("→ certificate in the requester's inbox", "fold, sign; send"),
    ("→ stored", "commit; fetch; verify, open, store"),
)
"""What lies between two instants of `Trace.instants`, and what happens there."""


@dataclass(frozen=True, slots=True)
class Window:
    """One application on its way, ms."""

    application_id: str
    filed: int
    complete: int


@dataclass(frozen=True, slots=True)
class Sightings:
    """All events and the append times of all inboxes, by topic and ascending."""

    events: Sequence[LifecycleEvent]
    appended: Mapping[str, Sequence[int]]


def read(bootstrap: str, parties: Iterable[str], extra: Extra) -> Sightings:
    """Read the events and the inboxes' append times to their ends. `extra`: as who may read all of them."""
    inboxes = [inbox(party, kind) for party in (CENTER, *parties) for kind in ("requests", "responses")]
    appended = {topic: sorted(message.timestamp for message in _all(bootstrap, topic, extra)) for topic in inboxes}
    events: list[LifecycleEvent] = [
        framing.decode_as("LifecycleEvent", message.value or b"")  # type: ignore[misc]
        for message in _all(bootstrap, topics.EVENTS, extra)
    ]
    return Sightings(events, appended)


def stretches(window: Window, seen: Sightings, requester: str, providers: Sequence[str]) -> list[int]:
    """The ms that each of `STRETCHES` took. Instants are forced into order: clocks differ by a millisecond or two."""
    within = _within(window)
    first = {topic: next(filter(within, times), window.filed) for topic, times in seen.appended.items()}
    last = {topic: max(filter(within, times), default=window.filed) for topic, times in seen.appended.items()}
    events = [event for event in seen.events if within(event["at"])]

    def at(stage: str, kind: str) -> int:
        return max((event["at"] for event in events if (event["stage"], event["kind"]) == (stage, kind)), default=0)

    instants = [
        window.filed,
        first[inbox(CENTER, "requests")],
        at("intake", "section_received"),
        at("applications", "accepted"),
        max(first[inbox(provider, "requests")] for provider in providers),
        last[inbox(CENTER, "responses")],
        at("collect", "answers_collected"),
        at("join", "section_closed"),
        at("applications", "certified"),
        last[inbox(requester, "responses")],
        window.complete,
    ]
    for position in range(1, len(instants)):
        instants[position] = min(max(instants[position], instants[position - 1]), window.complete)
    return [later - earlier for earlier, later in pairwise(instants)]


def _within(window: Window) -> Callable[[int], bool]:
    return lambda instant: window.filed <= instant <= window.complete


def _all(bootstrap: str, topic: str, extra: Extra) -> list[Message]:
    log = CommittedLog(bootstrap, topic, extra=extra)
    messages: list[Message] = []
    try:
        while not log.reached_end:
            messages += log.poll(0.2)
    finally:
        log.close()
    return messages
