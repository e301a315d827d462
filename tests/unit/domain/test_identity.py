"""Document numbers, against python-stdnum as an independent oracle."""

from __future__ import annotations

from datetime import date

import pytest
import stdnum.cn.ric
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.identity import (
    birth_date_of,
    check_birth_certificate,
    check_document,
    check_residence_permit,
    check_resident_id,
    is_male,
    make_resident_id,
    person_key,
    region_of,
)
from tests.unit.domain.samples import ADULT_ID, CHILD_ID, a_person

births = st.dates(date(1850, 1, 1), date(2026, 11, 24))
orders = st.integers(0, 999)


@given(births, orders)
def test_numbers_made_here_are_sound_elsewhere(born: date, order: int) -> None:
    """stdnum accepts what we make, and reads the same birth date."""
    number = make_resident_id("110101", born, order)
    assert stdnum.cn.ric.is_valid(number)
    assert check_resident_id(number) is None
    assert birth_date_of(number) == born == stdnum.cn.ric.get_birth_date(number)
    assert is_male(number) == (order % 2 == 1)
    assert region_of(number) == "110101"


@given(births, orders, st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_wrong_character_is_found_exactly_when_the_oracle_finds_it(
    born: date, order: int, place: int, instead: str
) -> None:
    """MOD 11-2 finds every single error; ours and the oracle's verdict on the check digit agree."""
    number = make_resident_id("110101", born, order)
    spoilt = number[:place] + instead + number[place + 1 :]
    if spoilt == number:
        return
    assert check_resident_id(spoilt) is not None
    assert not stdnum.cn.ric.is_valid(spoilt)


@given(st.from_regex(r"11010119[0-9]{2}0[1-9][0-2][1-8][0-9]{3}[0-9X]", fullmatch=True))
def test_random_numbers_get_the_oracles_verdict(number: str) -> None:
    """Whatever the digits, both come to the same result."""
    assert (check_resident_id(number) is None) == stdnum.cn.ric.is_valid(number)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("", "document_missing"),
        ("370102198005061234", "document_check_digit"),
        ("37010219800230123X", "document_birth_date"),
        ("370102184912311234", "document_birth_date"),
        ("990102198005061234", "document_other_type"),
        ("000102198005061234", "document_region"),
        ("660102198005061234", "document_region"),
        ("810000198005061234", "document_other_type"),
        ("37010219800506123", "document_length"),
        ("3701021980050612345", "document_length"),
        ("370102800506123", "document_fifteen_digits"),
        ("37010219800506123\uff38", "document_full_width"),
        ("\uff13\uff1770102198005061234", "document_full_width"),
        ("37O102198005061234", "document_look_alike"),
        ("37010219800506l234", "document_look_alike"),
        ("37010219800506123Х", "document_look_alike"),
        ("3701021980050612 34", "document_characters"),
        ("37010219800506-1234", "document_characters"),
        ("37010219800506X234", "document_characters"),
        ("٣70102198005061234", "document_characters"),
        ("3.70102E+17", "document_scientific"),
    ],
)
def test_faulty_resident_ids_say_why(number: str, code: str) -> None:
    """Each kind of mistake has its own code."""
    assert check_resident_id(number) == code


def test_retired_regions_and_small_x_are_sound() -> None:
    """A number keeps its region's code for life; x and X are one check digit."""
    retired = make_resident_id("510202", date(1970, 1, 1), 11)  # Chongqing while it was Sichuan's
    assert check_resident_id(retired) is None
    with_x = next(n for o in range(100) if (n := make_resident_id("370102", date(1980, 1, 1), o))[-1] == "X")
    assert check_resident_id(with_x.lower()) is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (make_resident_id("810000", date(1990, 1, 1), 1), None),
        (make_resident_id("820000", date(1990, 1, 1), 2), None),
        (make_resident_id("830000", date(1990, 1, 1), 3), None),
        (make_resident_id("911840", date(1990, 1, 1), 4), None),
        ("USA110123456789", None),
        (ADULT_ID, "document_other_type"),
        (make_resident_id("810100", date(1990, 1, 1), 1), "document_region"),
        (make_resident_id("999840", date(1990, 1, 1), 1), "document_region"),
        ("810000199001010010", "document_check_digit"),
        ("810000199002300010", "document_birth_date"),
        ("US1110123456789", "document_characters"),
        ("USA11012345678", "document_length"),
        ("USA11O123456789", "document_look_alike"),
        ("", "document_missing"),
    ],
)
def test_residence_permits_have_rules_of_their_own(number: str, code: str | None) -> None:
    """Hong Kong, Macao and Taiwan residents, and foreigners with the new or the old card."""
    if number == "810000199001010010" and make_resident_id("810000", date(1990, 1, 1), 1) == number:
        pytest.fail("the sample must have a wrong check digit")
    assert check_residence_permit(number) == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("T370123456", None),
        ("t370123456", None),
        ("T37012345", "document_length"),
        ("3701234567", "document_characters"),
        ("T\uff1370123456", "document_full_width"),
        ("T37012345O", "document_look_alike"),
        ("", "document_missing"),
    ],
)
def test_birth_certificates_are_a_letter_and_nine_digits(number: str, code: str | None) -> None:
    """出生医学证明."""
    assert check_birth_certificate(number) == code


def test_document_types_bring_their_rules() -> None:
    """A number is judged by the type stated, never guessed."""
    assert check_document("none", "") is None
    assert check_document("none", ADULT_ID) == "document_unexpected"
    assert check_document("resident_id", "") == "document_missing"
    assert check_document("passport", "E12345678") == "document_type_unknown"


def test_a_person_is_the_same_whatever_the_case_of_x() -> None:
    """Duplicates are found across spellings, and infants without a document by name, birth and guardian."""
    with_x = next(n for o in range(100) if (n := make_resident_id("370102", date(1980, 1, 1), o))[-1] == "X")
    assert person_key(a_person(document_number=with_x)) == person_key(a_person(document_number=with_x.lower()))
    assert person_key(a_person()) != person_key(a_person(document_number=CHILD_ID))
    infant = {"document_type": "none", "document_number": "", "birth_date": "2026-08-01"}
    one = person_key(a_person(**infant, guardian_document_number=ADULT_ID))
    assert one != person_key(a_person(**infant, name="王小兰", guardian_document_number=ADULT_ID))
    assert one != person_key(a_person(**infant, guardian_document_number=CHILD_ID))


def test_parts_of_the_wrong_size_make_no_number() -> None:
    """A region has six digits and an order three."""
    with pytest.raises(ValueError, match="six digits"):
        make_resident_id("3701", date(1980, 1, 1), 1)
    with pytest.raises(ValueError, match="three"):
        make_resident_id("370102", date(1980, 1, 1), 1000)
