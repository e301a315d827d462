"""Identity documents and their numbers: resident ID (GB 11643), residence permits, birth certificates.

Every check returns a fault code or None and never repeats the number. Region codes that were retired are sound: a
number keeps the code of the day it was given, so only the province prefix is looked at.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from pipeline.domain.parties import PROVINCES
from pipeline.domain.records import Person

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS: Final = "10X98765432"
_RESIDENT_REGIONS: Final = frozenset(code for code in PROVINCES if code != "66")
_PERMIT_PREFIXES: Final = ("810000", "820000", "830000")
_EARLIEST_YEAR: Final = 1850

_EIGHTEEN = re.compile(r"[0-9]{17}[0-9X]")
_OLD_PERMIT = re.compile(r"[A-Z]{3}[0-9]{12}")
_BIRTH_CERTIFICATE = re.compile(r"[A-Z][0-9]{9}")
_SCIENTIFIC = re.compile(r"[0-9](\.[0-9]+)?[Ee]\+?[0-9]{1,2}")
_LOOK_ALIKES: Final = frozenset("OoIlZzSsBbQqDdgG|ОоΟοІΙ×ХхΧχⅩⅹ〇○")


def check_resident_id(text: str) -> str | None:
    """The fault code of a resident ID number (居民身份证), or None when it is sound; a lower-case x is.

    `document_missing`, `document_full_width`, `document_scientific`, `document_look_alike`, `document_characters`,
    `document_fifteen_digits`, `document_length`, `document_other_type`, `document_region`, `document_birth_date`,
    `document_check_digit`.
    """
    number = text.upper()
    if _EIGHTEEN.fullmatch(number):
        if number[:2] not in _RESIDENT_REGIONS:
            return (
                "document_other_type" if number[0] == "9" or number.startswith(_PERMIT_PREFIXES) else "document_region"
            )
        return _eighteen_fault(number)
    return _writing_fault(text, letters=0) or ("document_fifteen_digits" if len(text) == 15 else "document_length")


def check_residence_permit(text: str) -> str | None:
    """The same for residence permits.

    18 digits of a permit for residents of Hong Kong, Macao and Taiwan (港澳台居民居住证, 810000, 820000, 830000) or of
    the foreigners' card of 2023 (外国人永久居留身份证: 9, province, nationality), with birth date and check digit; or the
    15 characters of the older card, three letters and twelve digits.
    """
    number = text.upper()
    if _OLD_PERMIT.fullmatch(number):
        return None
    if _EIGHTEEN.fullmatch(number):
        if number[0] == "9":
            return _eighteen_fault(number) if number[1:3] in _RESIDENT_REGIONS else "document_region"
        if number[:2] in _RESIDENT_REGIONS:
            return "document_other_type"
        return _eighteen_fault(number) if number.startswith(_PERMIT_PREFIXES) else "document_region"
    return _writing_fault(text, letters=3) or "document_length"


def check_birth_certificate(text: str) -> str | None:
    """The same for a birth certificate (出生医学证明): one letter and nine digits."""
    if _BIRTH_CERTIFICATE.fullmatch(text.upper()):
        return None
    if len(text) != 10:
        return _writing_fault(text, letters=1) or "document_length"
    return _writing_fault(text, letters=1) or "document_characters"


def check_document(document_type: str, number: str) -> str | None:
    """The number by the rules of its type; `document_unexpected` when `none` comes with a number."""
    if document_type == "none":
        return "document_unexpected" if number else None
    if not number:
        return "document_missing"
    if document_type == "resident_id":
        return check_resident_id(number)
    if document_type == "residence_permit":
        return check_residence_permit(number)
    return check_birth_certificate(number) if document_type == "birth_certificate" else "document_type_unknown"


def birth_date_of(number: str) -> date | None:
    """The birth date inside an 18-digit number, or None when the number holds none, or an impossible one."""
    if not _EIGHTEEN.fullmatch(number.upper()):
        return None
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    try:
        return date(year, month, day) if year >= _EARLIEST_YEAR else None
    except ValueError:
        return None


def region_of(resident_id: str) -> str:
    """The six-digit region code of a resident ID number, retired ones included."""
    return resident_id[:6]


def is_male(resident_id: str) -> bool:
    """Whether the order code is odd."""
    return int(resident_id[16]) % 2 == 1


def normal_number(text: str) -> str:
    """A document number as compared and as sent: without spaces around it, letters in capitals."""
    return text.strip().upper()


def person_key(person: Person) -> bytes:
    """What makes a person the same person twice in one application.

    Document type and number; for an infant without a document: name, birth date and the guardian's number. It is
    personal data: it goes into an HMAC, never into a log or a message.
    """
    if person["document_type"] == "none":
        guardian = normal_number(person["guardian_document_number"] or "")
        return "\x1f".join(("none", person["name"].strip(), person["birth_date"] or "", guardian)).encode()
    return f"{person['document_type']}\x1f{normal_number(person['document_number'])}".encode()


def check_digit(seventeen: str) -> str:
    """The eighteenth character by ISO 7064 MOD 11-2: a digit, or X for ten."""
    return _CHECK_DIGITS[sum(int(d) * w for d, w in zip(seventeen, _WEIGHTS, strict=True)) % 11]


def make_resident_id(region: str, birth_date: date, order: int) -> str:
    """A sound number from a six-digit region, a birth date and an order of 0-999 (odd: male), for demo and tests.

    The same rule makes a residence permit's number from 810000, 820000, 830000 or 9 + province + nationality.
    Raises ValueError when a part has the wrong size.
    """
    if not re.fullmatch(r"[0-9]{6}", region) or not 0 <= order <= 999:
        raise ValueError("a region has six digits, an order three")
    body = f"{region}{birth_date:%Y%m%d}{order:03}"
    return body + check_digit(body)


def _eighteen_fault(number: str) -> str | None:
    if birth_date_of(number) is None:
        return "document_birth_date"
    return None if check_digit(number[:17]) == number[17] else "document_check_digit"


def _writing_fault(text: str, letters: int) -> str | None:
    """Why the characters are wrong, when they are; the first `letters` places may be Latin letters, the last an X."""
    if not text:
        return "document_missing"
    if any("\uff01" <= c <= "\uff5e" for c in text):
        return "document_full_width"
    if _SCIENTIFIC.fullmatch(text):
        return "document_scientific"
    tail = text[letters:] if text[:letters].isascii() and text[:letters].isalpha() else text
    if tail[-1:] in ("x", "X"):
        tail = tail[:-1]
    wrong = {c for c in tail if c not in "0123456789"}
    if not wrong:
        return None
    return "document_look_alike" if wrong <= _LOOK_ALIKES else "document_characters"
