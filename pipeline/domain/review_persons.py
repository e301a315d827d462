"""What is looked at in each person of a roster, and between the persons of a roster or a section (Art. 9).

How old a person is, is judged on the day the consent was given: that day decides who could give it, and requester
and center then come to the same result whenever they look.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

from pipeline.domain.faults import fault
from pipeline.domain.identity import birth_date_of, check_document, normal_number, person_key
from pipeline.domain.periods import iso_date
from pipeline.domain.records import Fault, Person
from pipeline.domain.review_text import date_fault, has_control_characters, text_fault, too_long_args

__all__ = ["check_between", "check_person", "person_key"]

ADULT: Final = 18
INFANT: Final = 3
HEAD: Final = "户主"
DOCUMENT_TYPES: Final = ("resident_id", "residence_permit", "birth_certificate", "none")
_LIMITS: Final = {"household": 64, "relation": 32, "consent_reference": 100}
_NAME_LIMIT: Final = 100
_PLAIN_NAME = re.compile("[\u4e00-\u9fff]{1,20}")
_NAME_SIGNS: Final = frozenset("·•‧・.-'’ 〇")

Report = Callable[..., None]


def check_person(person: Person, today: date) -> list[Fault]:
    """Every fault of one line of the roster, looked at by itself."""
    found: list[Fault] = []

    def report(code: str, field: str = "", **args: Any) -> None:
        found.append(fault(code, person["number"], field=field, **args))

    if person["number"] < 1:
        report("number_repeated")
    for field, limit in _LIMITS.items():
        if code := text_fault(str(person[field]), limit):  # type: ignore[literal-required]
            report(code, field, **too_long_args(code, limit))
    _check_name(person["name"], "name", report)
    born = _check_document(person, today, report)
    consent_day = _check_consent(person, today, born, report)
    age = None if born is None else _years(born, consent_day)
    _check_age(person, age, report)
    _check_guardian(person, age, consent_day, today, report)
    return found


def check_between(persons: Sequence[Person]) -> list[Fault]:
    """Faults between persons: one person twice, one number twice, two heads of a household."""
    found: list[Fault] = []
    by_key: dict[bytes, int] = {}
    by_number: set[int] = set()
    heads: dict[str, int] = {}
    for person in persons:
        number = person["number"]
        if number in by_number:
            found.append(fault("number_repeated", number))
        by_number.add(number)
        if person["document_number"] or person["document_type"] == "none":
            first = by_key.setdefault(person_key(person), number)
            if first != number:
                found.append(fault("person_duplicate", number, first=first))
        if person["relation"] == HEAD and person["household"]:
            first = heads.setdefault(person["household"], number)
            if first != number:
                found.append(fault("two_heads", number, first=first))
    return found


def _check_name(name: str, field: str, report: Report) -> None:
    if _PLAIN_NAME.fullmatch(name):
        return
    if not name.strip():
        report("missing", field)
    elif len(name) > _NAME_LIMIT:
        report("too_long", field, limit=_NAME_LIMIT)
    elif has_control_characters(name):
        report("control_characters", field)
    elif name != name.strip() or not any(c.isalpha() for c in name) or not all(map(_in_a_name, name)):
        report("name_characters", field)


def _in_a_name(character: str) -> bool:
    # Rare characters (生僻字) may be private-use in an old register, or newer than this Python's Unicode tables.
    return character in _NAME_SIGNS or unicodedata.category(character)[0] in "LM" or _is_rare(character)


def _is_rare(character: str) -> bool:
    return unicodedata.category(character) == "Co" or 0x20000 <= ord(character) <= 0x3FFFD


def _check_document(person: Person, today: date, report: Report) -> date | None:
    """Report faults of type, number and birth date; the birth date, where it is known and possible."""
    kind, number = str(person["document_type"]), person["document_number"]
    if kind not in DOCUMENT_TYPES:
        report("document_type_unknown")
        return None
    written = birth_date_of(number) if kind in ("resident_id", "residence_permit") else None
    if code := check_document(kind, number):
        report(code)
        written = None
    elif written is not None and written > today:
        report("document_birth_date")
        return None
    stated = person["birth_date"]
    if not stated:
        if kind != "resident_id":
            report("missing", "birth_date")
        return written
    if code := date_fault(stated, today):
        report(code, "birth_date")
        return written
    if written is not None and iso_date(stated) != written:
        report("birth_date_differs")
        return None
    return iso_date(stated)


def _check_consent(person: Person, today: date, born: date | None, report: Report) -> date:
    """Report faults of the consent; the day it was given, or today when that cannot be read."""
    given_by = str(person["consent_by"])
    if given_by not in ("self", "guardian"):
        _choice_or_missing(given_by, "consent_by", "本人 (self) / 监护人 (guardian)", report)
    scope = str(person["consent_scope"])
    if not scope:
        report("missing", "consent_scope")
    elif scope != "nationwide":
        report("consent_narrower", "consent_scope")
    if code := date_fault(person["consent_date"], today):
        report(code, "consent_date")
        return today
    day = iso_date(person["consent_date"]) or today
    if born is not None and day < born:
        report("consent_before_birth")
        return today
    return day


def _check_age(person: Person, age: int | None, report: Report) -> None:
    if age is None:
        return
    if person["document_type"] == "birth_certificate" and age >= ADULT:
        report("document_for_minors")
    if person["document_type"] == "none" and age >= INFANT:
        report("document_for_infants")
    if age < ADULT and person["consent_by"] == "self":
        report("consent_by_guardian")


def _check_guardian(person: Person, age: int | None, day: date, today: date, report: Report) -> None:
    name, number = person["guardian_name"] or "", person["guardian_document_number"] or ""
    by_type = person["document_type"] in ("birth_certificate", "none")
    needed = by_type or person["consent_by"] == "guardian" or (age is not None and age < ADULT)
    if not name and not number:
        if needed:
            report("guardian_missing")
        return
    _check_name(name, "guardian_name", report)
    kind = "residence_permit" if number[:1] in ("8", "9") or number[:1].isalpha() else "resident_id"
    if code := check_document(kind, number):
        report(code, "guardian_document_number")
        return
    born = birth_date_of(number)
    if born is not None and born > today:
        report("document_birth_date", "guardian_document_number")
    elif normal_number(number) == normal_number(person["document_number"]):
        report("guardian_is_person")
    elif born is not None and _years(born, day) < ADULT:
        report("guardian_minor")


def _choice_or_missing(value: str, field: str, allowed: str, report: Report) -> None:
    if value:
        report("choice", field, allowed=allowed)
    else:
        report("missing", field)


def _years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
