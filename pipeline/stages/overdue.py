"""overdue: what the join says of answers that are missing: events for those who watch, and asks for those who owe (Art. 10)."""

from __future__ import annotations

from typing import Final

from pipeline.codec import framing
from pipeline.domain import pressing
from pipeline.domain.pressing import Pressed
from pipeline.domain.records import DeadlineNear, JoinState, SectionExpected, SectionOwed
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.events import EventLog
from pipeline.stages.keys import application_key

KINDS: Final = {pressing.NEAR: "deadline_near", pressing.PASSED: "deadline_passed"}
"""Stage of a deadline → the kind of the fact on hedx.events: one a section, provider and stage."""


def press(state: JoinState, low: int, events: EventLog) -> list[Output]:
    """What is due in a section by the lowest watermark `low` (ms): events, and what `applications` is asked to send."""
    expected = state["expected"]
    outputs: list[Output] = []
    for pressed in pressing.press(state, low):
        _note(pressed, expected, events)
        if pressed.stage == pressing.NEAR:
            outputs.append(_to_applications(expected, "DeadlineNear", _near(expected, pressed)))
    if providers := pressing.ask_again(state, low):
        outputs.append(_to_applications(expected, "SectionOwed", _owed(expected, providers)))
    return outputs


def _note(pressed: Pressed, expected: SectionExpected, events: EventLog) -> None:
    events.add(
        KINDS[pressed.stage],
        subject=pressed.due.to_bytes(8, "big"),
        application_id=expected["application_id"],
        section=expected["section"],
        party=expected["requester"],
        provider=pressed.provider,
        count=pressed.persons,
        code=pressed.category,
        by="clock",
        parts=pressed.missing,
    )


def _near(expected: SectionExpected, pressed: Pressed) -> DeadlineNear:
    return DeadlineNear(
        application_id=expected["application_id"],
        requester=expected["requester"],
        section=expected["section"],
        provider=pressed.provider,
        due=pressed.due,
    )


def _owed(expected: SectionExpected, providers: list[str]) -> SectionOwed:
    return SectionOwed(
        application_id=expected["application_id"],
        requester=expected["requester"],
        section=expected["section"],
        providers=providers,
    )


def _to_applications(expected: SectionExpected, name: str, record: DeadlineNear | SectionOwed) -> Output:
    key = application_key(expected["requester"], expected["application_id"])
    return Output(topics.APPLICATIONS, key, framing.encode(name, record))
