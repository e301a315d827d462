"""Reasons for a rejection: each once, and as many as a message can carry."""

from __future__ import annotations

from pipeline.codec import framing
from pipeline.domain.faults import fault
from pipeline.domain.records import Fault
from pipeline.stages.reasons import MOST, listed


def some(count: int) -> list[Fault]:
    """Different reasons, as many as asked for."""
    return [fault("too_long", number, field="household", limit=64) for number in range(1, count + 1)]


def test_a_reason_is_listed_once_and_in_its_place() -> None:
    """The same reason from every section's copy of the form is one reason."""
    form, person = fault("phone_format"), fault("too_long", 3, field="household", limit=64)
    assert listed([form, person, form, person]) == [form, person]


def test_reasons_that_differ_in_anything_are_all_there() -> None:
    """Another field, number, row or argument makes another reason."""
    reasons = [
        fault("missing", 1, field="name"),
        fault("missing", 2, field="name"),
        fault("missing", 1, field="relation"),
        fault("missing", row=1, field="name"),
        fault("too_long", 1, field="name", limit=100),
        fault("too_long", 1, field="name", limit=64),
    ]
    assert listed(reasons) == reasons


def test_what_a_message_cannot_carry_is_counted() -> None:
    """The first thousand, and how many more."""
    found = listed(some(MOST + 7))
    assert found[:-1] == some(MOST)
    assert found[-1] == fault("faults_more", count=7)


def test_lists_of_sections_are_listed_together() -> None:
    """A section's own rest is added to the application's."""
    section = listed(some(MOST + 7))
    other = [fault("missing", number, field="name") for number in range(1, 6)]
    found = listed(section + other + section)
    assert found[-1] == fault("faults_more", count=7 + 7 + 5)


def test_the_longest_list_fits_one_message() -> None:
    """A rejection with as many reasons as there can be stays well under 900 KiB."""
    longest = [fault("category_not_offered", 500, row=99, field="x" * 30, category="查" * 40) for _ in range(1)]
    size = len(framing.encode("Rejection", {
        "application_id": "a" * 36, "mandate_digest": bytes(32), "envelope_id": bytes(16), "at": 0,
        "faults": longest * MOST,
    }))  # fmt: skip
    assert size < 500 * 1024
