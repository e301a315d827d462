"""A city's or county's application (Art. 3): what its province's civil affairs department must have consented to."""

from __future__ import annotations

from datetime import date
from typing import Final

from pipeline.domain.faults import fault
from pipeline.domain.parties import PROVINCES
from pipeline.domain.periods import iso_date
from pipeline.domain.records import Application, Fault, UnitConsent
from pipeline.domain.review_text import date_fault, text_fault, too_long_args

_LIMITS: Final = {"unit": 100, "authority": 100, "document": 100, "reason": 500}


def check_unit_consent(app: Application, today: date) -> list[Fault]:
    """Every fault of the consent; none when the province asks for itself.

    市、县有特殊需要的,须经省级民政部门同意后实施: the need, who consented, the document, and that it holds on the form's date.
    """
    consent = app["unit_consent"]
    if consent is None:
        return []
    found: list[Fault] = []
    if not str(consent["level"]):
        found.append(fault("missing", field="unit_consent.level"))
    elif str(consent["level"]) not in ("city", "county"):  # a form may say anything
        found.append(fault("choice", field="unit_consent.level", allowed="市级 (city) / 县级 (county)"))
    for key, limit in _LIMITS.items():
        if code := text_fault(str(consent[key]), limit):  # type: ignore[literal-required]
            found.append(fault(code, field=f"unit_consent.{key}", **too_long_args(code, limit)))
    return found + _check_authority(app["requester"], consent) + _check_dates(consent, app["form_date"], today)


def _check_authority(requester: str, consent: UnitConsent) -> list[Fault]:
    if requester not in PROVINCES or not consent["authority"].strip():
        return []
    expected = PROVINCES[requester].civil_affairs
    return [] if consent["authority"] == expected else [fault("unit_consent_authority", expected=expected)]


def _check_dates(consent: UnitConsent, form_date: str, today: date) -> list[Fault]:
    found: list[Fault] = []
    if code := date_fault(consent["date"], today):
        found.append(fault(code, field="unit_consent.date"))
    until = iso_date(consent["valid_until"])
    if until is None:
        found.append(fault("date_format" if consent["valid_until"] else "missing", field="unit_consent.valid_until"))
    given, filed = iso_date(consent["date"]), iso_date(form_date)
    if given and filed and filed < given <= today:
        found.append(fault("unit_consent_late"))
    if until and ((filed and until < filed) or (given and until < given)):
        found.append(fault("unit_consent_expired"))
    return found
