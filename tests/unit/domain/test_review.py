"""The formal review: every fault, and nothing but faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.domain.faults import FAULTS, fault, shown
from pipeline.domain.identity import make_resident_id
from pipeline.domain.periods import iso_date
from pipeline.domain.records import Fault
from pipeline.domain.review import check_application, check_roster, check_schedule, check_section
from tests.unit.domain.samples import (
    ADULT_ID,
    OTHER_ID,
    TODAY,
    a_child,
    a_person,
    a_release,
    a_row,
    an_application,
)
from tests.unit.domain.spoilt import CASES, CERTIFICATE, INFANT, PERMIT, unoffered_release


@pytest.mark.parametrize(("code", "field", "check"), CASES, ids=[f"{code}-{field}" for code, field, _ in CASES])
def test_each_mistake_is_found_and_nothing_else_is_alleged(
    code: str, field: str, check: Callable[[], list[Fault]]
) -> None:
    """One spoilt field gives one fault, with its code and its field."""
    assert [(found["code"], found["field"]) for found in check()] == [(code, field)]


def test_a_sound_application_has_no_faults() -> None:
    """The samples that the other tests spoil are themselves sound."""
    app = an_application(person_count=2)
    persons = [a_person(), a_child()]
    assert check_application(app, TODAY) == []
    assert check_schedule(app, a_release()) == []
    assert check_roster(app, persons, TODAY) == []
    assert check_section(app, persons, TODAY, app["roster_date"], app["roster_dataset"]) == []


@pytest.mark.parametrize(
    "person",
    [
        a_child(**INFANT),
        a_child(**CERTIFICATE),
        a_person(**PERMIT),
        a_person(document_number=make_resident_id("510202", iso_date("1970-01-01") or TODAY, 11)),
        a_person(name="阿卜杜热西提·买买提"),
        a_person(name="𬱖䶮〇"),
        a_person(name="\ue863\U0003134a"),
        a_person(name="Mary-Ann O'Neil Jr."),
        a_person(birth_date="1980-05-06"),
        a_person(consent_by="guardian", guardian_name="王大明", guardian_document_number=OTHER_ID),
        a_child(guardian_name="John Smith", guardian_document_number="USA110123456789"),
        a_person(relation="配偶"),
    ],
    ids=["infant", "certificate", "permit", "retired", "dotted", "rare", "private-use", "latin", "birth", "ward",
         "foreign-guardian", "no-head"],
)  # fmt: skip
def test_unusual_but_sound_persons_are_accepted(person: Any) -> None:
    """Other documents by their own rules, rare and foreign names, adults with a guardian, households without a head."""
    assert check_section(an_application(), [person], TODAY) == []


def test_age_is_judged_on_the_day_of_the_consent() -> None:
    """Whoever looks, and whenever: a consent that the guardian could give stays sound after a birthday, and back."""
    born = make_resident_id("370102", iso_date("2008-11-10") or TODAY, 1)
    by_guardian = {"consent_by": "guardian", "guardian_name": "王大明", "guardian_document_number": OTHER_ID}
    before, after = {"consent_date": "2026-11-09"}, {"consent_date": "2026-11-10"}
    sound = [a_person(document_number=born, **before, **by_guardian), a_person(document_number=born, **after)]
    for person in sound:
        assert check_section(an_application(), [person], TODAY) == []
    early = a_person(document_number=born, **before)
    codes = {found["code"] for found in check_section(an_application(), [early], TODAY)}
    assert codes == {"consent_by_guardian", "guardian_missing"}


def test_duplicates_are_found_whatever_the_case_and_point_to_the_first() -> None:
    """The x of a number, and households, make no difference."""
    with_x = next(
        n for o in range(99) if (n := make_resident_id("370102", iso_date("1980-01-01") or TODAY, o))[-1] == "X"
    )
    persons = [
        a_person(document_number=with_x),
        a_person(number=7, household="H9", document_number=with_x.lower(), relation="子"),
        a_person(number=8, household="H8", document_number=with_x, relation="子"),
    ]
    found = check_section(an_application(), persons, TODAY)
    assert [(f["code"], f["number"], f["args"]["first"]) for f in found] == [
        ("person_duplicate", 7, "1"),
        ("person_duplicate", 8, "1"),
    ]


def test_faults_name_number_and_row() -> None:
    """A reader finds the line that a fault is about."""
    app = an_application(schedule=[a_row(), a_row(row=2, provider="53")])
    assert [f["row"] for f in check_schedule(app, a_release())] == [2]
    assert [f["number"] for f in check_section(app, [a_person(), a_child(consent_date="")], TODAY)] == [2]


def test_who_offers_is_named() -> None:
    """Asking the wrong province is answered with the right ones."""
    app = an_application(schedule=[a_row(provider="37")])
    (found,) = check_schedule(app, unoffered_release())
    assert found["args"] == {"provider": "37", "category": "household_registration", "offered_by": "32"}


def test_an_unknown_provider_is_told_together_with_a_sound_category() -> None:
    """A row may be wrong twice, and then says both."""
    app = an_application(schedule=[a_row(provider="火星", category="飞机")])
    assert [f["code"] for f in check_schedule(app, a_release())] == ["provider_unknown", "category_unknown"]


def test_a_fault_outside_the_table_or_with_other_args_is_a_defect() -> None:
    """Codes and placeholders cannot drift from the wording."""
    with pytest.raises(KeyError):
        fault("nonsense")
    with pytest.raises(ValueError, match="takes"):
        fault("roster_count", form=1)
    with pytest.raises(ValueError, match="takes"):
        fault("missing", name="x")
    assert "roster_count" in FAULTS


def test_what_a_fault_repeats_is_short_printable_and_without_long_numbers() -> None:
    """A key or category typed wrongly is shown; a number typed in its place is not."""
    assert shown("a\u202eb\nc") == "a?b?c"
    assert ADULT_ID not in shown(f"王{ADULT_ID}")
    assert not any(c.isdigit() for c in shown("".join(chr(ord(c) + 0xFEE0) for c in ADULT_ID[:17])))
    assert len(shown("长" * 100)) == 40
