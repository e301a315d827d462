"""One person is one name, however it is spelt."""

from __future__ import annotations

import pytest

from pipeline.domain.officers import is_same_person


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Li Wei", "li  wei"),
        ("王芳", "王\u200b芳"),
        ("王芳", " 王\u3000芳 "),
        ("ｗａｎｇ", "Wang"),
        ("user:wang", "WANG"),
        ("officer:li", "user:li"),
        ("us\u00ader:wang", "wang\u2060"),
    ],
)
def test_spellings_of_one_name_are_one_person(one: str, other: str) -> None:
    """Blanks, case, width, invisible characters and what kind of name it is tell no persons apart."""
    assert is_same_person(one, other)


@pytest.mark.parametrize(("one", "other"), [("wang", "wáng"), ("王芳", "王方"), ("user:li", "user:lin")])
def test_other_names_are_other_persons(one: str, other: str) -> None:
    """Only what nobody can see is left out."""
    assert not is_same_person(one, other)
