"""Lifecycle events: the same fact has the same id, whoever repeats the step."""

from __future__ import annotations

from typing import Any

from pipeline.codec import framing
from pipeline.domain.records import LifecycleEvent
from pipeline.stages import topics
from pipeline.stages.events import EventLog


def written(log: EventLog) -> list[LifecycleEvent]:
    """What the log would write."""
    return [framing.decode_as("LifecycleEvent", output.value or b"") for output in log.outputs()]  # type: ignore[misc]


def one(at: int = 1, stage: str = "join", kind: str = "section_closed", **fields: Any) -> LifecycleEvent:
    """The event a log makes of this."""
    log = EventLog(stage, at)
    log.add(kind, **fields)
    [event] = written(log)
    return event


def test_a_repeated_step_writes_the_same_id() -> None:
    """The time of the second run does not matter: readers can drop the copy."""
    first = one(1, application_id="a", section=1, subject=b"x")
    second = one(99, application_id="a", section=1, subject=b"x")
    assert first["event_id"] == second["event_id"]
    assert (first["at"], second["at"]) == (1, 99)


def test_facts_that_differ_have_different_ids() -> None:
    """Each part of a fact tells it from its like."""
    base: dict[str, Any] = {
        "application_id": "a", "section": 1, "party": "37", "provider": "53", "code": "c", "subject": b"x",
    }  # fmt: skip
    others = [{**base, key: value} for key, value in (
        ("application_id", "b"), ("section", 2), ("party", "32"), ("provider", "00"), ("code", "d"), ("subject", b"y"),
    )]  # fmt: skip
    events = [one(**base), *(one(**fields) for fields in others), one(stage="collect", **base), one(kind="k", **base)]
    assert len({event["event_id"] for event in events}) == len(events)


def test_events_of_an_application_are_keyed_by_it() -> None:
    """In order for whoever follows an application; events of none are spread by their ids."""
    log = EventLog("join", 1)
    log.add("section_closed", application_id="a")
    log.add("envelope_resent", subject=b"x")
    outputs = log.outputs()
    assert {output.topic for output in outputs} == {topics.EVENTS}
    assert [output.key for output in outputs] == [b"a", written(log)[1]["event_id"].encode()]


def test_a_fork_is_written_only_when_merged() -> None:
    """A message that failed leaves no event."""
    log = EventLog("join", 1)
    lost, kept = log.fork(), log.fork()
    lost.add("accepted", application_id="a")
    kept.add("rejected", application_id="b")
    log.merge(kept)
    assert [event["kind"] for event in written(log)] == ["rejected"]


def test_of_one_id_each_requester_has_its_own_thread() -> None:
    """What is sent on about one requester's application follows its events, and not another's under the same id."""
    log = EventLog("applications", 1)
    mine = log.add("started", application_id="a", party="37")
    other = log.add("rejected", application_id="a", party="11")
    assert (log.newest("a", "37"), log.newest("a", "11")) == (mine, other)
    assert log.newest("a", "32") not in (mine, other)
    merged = EventLog("applications", 1)
    merged.merge(log)
    assert merged.newest("a", "37") == mine
