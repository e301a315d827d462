"""Inspections: each check alone, and how a provider's answers are counted from the events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.center.inspection import (
    CONFORMANCE,
    DAY,
    INSPECTION,
    Answers,
    InspectionFacts,
    answers_of,
    examine,
)
from pipeline.cli.party_membership import CHECK_WORDS
from pipeline.domain.records import LifecycleEvent

NOW = 1_795_500_000_000
SOUND = InspectionFacts(
    party="37",
    now=NOW,
    applied=True,
    filed=True,
    suspended=False,
    certificates=dict.fromkeys(("sign", "encrypt", "tls"), NOW + 90 * DAY),
    witnessed=True,
    seal_key_until=NOW + DAY,
    addresses=1,
    head=12,
    cosigned=12,
    release=3,
    categories=["vehicles"],
    answers=Answers(in_time=95, late=5),
)

FAILING: list[tuple[str, dict[str, Any]]] = [
    ("application_on_record", {"applied": False}),
    ("filing_on_record", {"filed": False}),
    ("not_suspended", {"suspended": True}),
    ("certificates_valid", {"certificates": {"sign": NOW + 90 * DAY, "encrypt": NOW + 90 * DAY}}),
    ("certificates_valid", {"certificates": dict.fromkeys(("sign", "encrypt", "tls"), NOW + 6 * DAY)}),
    ("certificates_witnessed", {"witnessed": False}),
    ("seal_key_fresh", {"seal_key_until": None}),
    ("seal_key_fresh", {"seal_key_until": NOW}),
    ("addresses_registered", {"addresses": 0}),
    ("log_cosigned", {"cosigned": 11}),
    ("catalog_reported", {"categories": []}),
    ("answers_punctual", {"answers": Answers(in_time=94, late=6)}),
    ("answers_sound", {"answers": Answers(in_time=94, late=0, refused=1)}),
]


def failed(facts: InspectionFacts) -> list[str]:
    """Names of the checks that failed in an inspection."""
    return [name for name, outcome in examine("inspection", facts)[0].items() if outcome == "failed"]


def test_a_sound_party_passes_every_check() -> None:
    """Five late answers of a hundred are still within the limit."""
    assert set(examine("inspection", SOUND)[0].values()) == {"passed"}


@pytest.mark.parametrize(("name", "changes"), FAILING)
def test_each_shortcoming_fails_its_own_check(name: str, changes: dict[str, Any]) -> None:
    """One thing wrong is told as that one thing."""
    assert failed(replace(SOUND, **changes)) == [name]


def test_every_check_can_fail_and_has_words() -> None:
    """No check waits for something that never happens; officials read each in both languages."""
    names = {check.__name__ for check in INSPECTION}
    assert {name for name, _ in FAILING} == names == CHECK_WORDS.keys()


def test_what_nobody_can_have_yet_is_not_asked_of_a_newcomer() -> None:
    """Before it is connected a party has no answers and no release to stand in."""
    newcomer = replace(SOUND, release=None, categories=[], answers=Answers())
    assert set(examine("conformance", newcomer)[0]) == {check.__name__ for check in CONFORMANCE}
    outcomes = examine("inspection", newcomer)[0]
    assert [name for name, outcome in outcomes.items() if outcome == "not_applicable"] == [
        "catalog_reported",
        "answers_punctual",
        "answers_sound",
    ]


def test_the_centers_own_resources_need_no_papers() -> None:
    """部中心 is inspected as a provider, not as an applicant."""
    own = replace(SOUND, party="00", applied=False, filed=False, addresses=0)
    assert failed(own) == []


def event(kind: str, at: int = NOW, provider: str | None = None, **changes: Any) -> LifecycleEvent:
    """An event of section 1 of one application; its id is made of all of it."""
    made: dict[str, Any] = {
        "at": at, "stage": "join", "kind": kind, "application_id": "a", "section": 1, "party": "53",
        "provider": provider, "count": 500, "code": None, "by": None,
        "since": None, "state": None, "change": None, "parts": [], **changes,
    }  # fmt: skip
    return {"event_id": str(sorted(made.items(), key=str)), **made}  # type: ignore[typeddict-item]


def test_an_answer_after_its_section_closed_is_late() -> None:
    """In order of the events of an application; other sections and other providers do not count."""
    events = [
        event("answer_accepted", NOW - 5, "37"),
        event("answer_accepted", NOW - 4, "32"),
        event("section_closed", NOW - 3),
        event("answer_accepted", NOW - 2, "37"),
        event("answer_accepted", NOW - 2, "37", section=2),
        event("answer_conflict", NOW - 1, "37"),
    ]
    assert answers_of("37", events, NOW - DAY) == Answers(in_time=2, late=1, refused=1)


def test_repeated_events_count_once_and_old_ones_not_at_all() -> None:
    """A repeated step writes the same event again; what lies before the window is history."""
    one = event("answer_accepted", NOW - 5, "37")
    assert answers_of("37", [one, one, event("answer_accepted", NOW - 2 * DAY, "37")], NOW - DAY) == Answers(in_time=1)


def test_a_section_closed_before_the_window_still_makes_an_answer_late() -> None:
    """What is late does not become punctual because the deadline was long ago."""
    events = [event("section_closed", NOW - 9 * DAY), event("answer_accepted", NOW, "37")]
    assert answers_of("37", events, NOW - DAY) == Answers(late=1)
