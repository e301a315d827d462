"""What the documents of an application have to be (Art. 9): for everybody, of every kind that is needed."""

from __future__ import annotations

import pytest

from pipeline.domain.evidence import KINDS, WORDS, kind_of, missing, numbers_in
from pipeline.domain.records import EvidenceKind, Person
from tests.unit.domain.samples import a_child, a_person

WHOLE: list[tuple[EvidenceKind, tuple[int, ...]]] = [
    ("identity", (1, 2)),
    ("consent", (1, 2)),
    ("guardianship", (2,)),
    ("mandate", ()),
]


def people() -> list[Person]:
    """A head of household, and a child whose guardian consented."""
    return [a_person(number=1), a_child(number=2)]


@pytest.mark.parametrize(
    ("written", "numbers"),
    [("3", (3,)), ("1+2", (1, 2)), ("1-3+7", (1, 2, 3, 7)), ("2、1", (1, 2)), ("all", ()), ("全部", ()), ("", ())],
)
def test_roster_numbers_are_read_as_people_write_them(written: str, numbers: tuple[int, ...]) -> None:
    """Single ones, ranges, lists; all of them."""
    assert numbers_in(written) == numbers


@pytest.mark.parametrize("written", ["0", "3-1", "a", "1+", "-2", "1.5", "1234567"])
def test_what_is_no_number_is_none(written: str) -> None:
    """Nothing is guessed."""
    assert numbers_in(written) is None


def test_kinds_are_named_in_both_languages() -> None:
    """By the words of Art. 9, and by their short forms."""
    assert [kind_of(WORDS[kind][0]) for kind in KINDS] == list(KINDS)
    assert [kind_of(kind.upper()) for kind in KINDS] == list(KINDS)
    assert kind_of("户口簿") is None


def test_a_whole_set_misses_nothing() -> None:
    """One mandate; identity and consent of each; the guardian's relation where the guardian consented."""
    assert missing(people(), WHOLE) == []
    assert missing(people(), [(kind, ()) for kind in ("identity", "consent", "guardianship", "mandate")]) == []


@pytest.mark.parametrize(
    ("left_out", "code", "number"),
    [
        (("identity", (1, 2)), "evidence_identity_missing", 1),
        (("consent", (1, 2)), "evidence_consent_missing", 1),
        (("guardianship", (2,)), "evidence_guardianship_missing", 2),
        (("mandate", ()), "evidence_mandate_missing", None),
    ],
)
def test_what_is_missing_is_told_by_roster_number(
    left_out: tuple[EvidenceKind, tuple[int, ...]], code: str, number: int | None
) -> None:
    """Each document that is taken away is missed, and nobody is named."""
    faults = missing(people(), [held for held in WHOLE if held != left_out])
    assert (faults[0]["code"], faults[0]["number"]) == (code, number)
    assert {fault["code"] for fault in faults} == {code}


def test_a_number_that_the_roster_does_not_have_is_told() -> None:
    """A document filed under another's number would be looked for in vain."""
    faults = missing(people(), [*WHOLE, ("other", (9,))])
    assert [(fault["code"], fault["number"]) for fault in faults] == [("evidence_number_unknown", 9)]
