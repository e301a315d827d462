"""One sample for each fault of meaning: (code, field, the faults that a check found)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from pipeline.domain.catalog import Release
from pipeline.domain.identity import make_resident_id
from pipeline.domain.periods import iso_date
from pipeline.domain.records import Fault, Person
from pipeline.domain.review import check_application, check_roster, check_schedule, check_section
from tests.unit.domain.consents import a_consent
from tests.unit.domain.samples import (
    ADULT_ID,
    CHILD_ID,
    OTHER_ID,
    TODAY,
    a_child,
    a_person,
    a_release,
    a_row,
    an_application,
    an_entry,
)

Case = tuple[str, str, Callable[[], list[Fault]]]


def an_id(born: str, order: int = 1) -> str:
    """A sound number of 山东 with this birth date."""
    day = iso_date(born)
    assert day is not None
    return make_resident_id("370102", day, order)


def form(code: str, field: str, **changes: Any) -> Case:
    """The form with fields replaced, checked by itself."""
    return code, field, lambda: check_application(an_application(**changes), TODAY)


def unit(code: str, field: str, **changes: Any) -> Case:
    """A county's form with fields of the consent replaced."""
    app = an_application(unit_consent=a_consent(**changes))
    return code, f"unit_consent.{field}", lambda: check_application(app, TODAY)


def recheck(code: str, field: str, **changes: Any) -> Case:
    """The form of a re-check with fields of what it re-checks replaced."""
    fields = {"original": str(uuid.UUID(int=7)), "mandate_digest": bytes(32), "certificate": bytes(32)}
    part = {**fields, "attempt": 2, "reason": "房产登记有误", **changes}
    app = an_application(recheck=part, schedule=[a_row(row=3), a_row(row=7, category="cremation")])
    return code, field, lambda: check_application(app, TODAY)


def rows(code: str, field: str, *schedule: dict[str, Any]) -> Case:
    """The form with these schedule rows, checked by itself and against the catalog."""
    app = an_application(schedule=[a_row(**{"row": n, **row}) for n, row in enumerate(schedule, 1)])
    return code, field, lambda: check_application(app, TODAY) + check_schedule(app, a_release())


def roster(code: str, field: str, *persons: Person, **changes: Any) -> Case:
    """A roster of these persons, and a form that counts them, with fields replaced."""
    lead = persons[0]["name"] if persons else "无"
    app = an_application(**{"person_count": max(1, len(persons)), "lead_person": lead, **changes})
    return code, field, lambda: check_roster(app, persons, TODAY)


def person(code: str, field: str, **changes: Any) -> Case:
    """One adult with fields replaced."""
    return roster(code, field, a_person(**changes))


def child(code: str, field: str, **changes: Any) -> Case:
    """One minor with fields replaced."""
    return roster(code, field, a_child(**changes))


def section(code: str, field: str, **head: str) -> Case:
    """A sound section whose head says something else of its roster."""
    return code, field, lambda: check_section(an_application(), [a_person()], TODAY, **head)


def day(kind: str, start: str | None, end: str | None) -> dict[str, Any]:
    """A schedule row with this period."""
    return {"period": {"kind": kind, "start": start, "end": end}}


INFANT = {"document_type": "none", "document_number": "", "birth_date": "2026-06-01"}
CERTIFICATE = {"document_type": "birth_certificate", "document_number": "T370123456", "birth_date": "2026-06-01"}
PERMIT = {"document_type": "residence_permit", "document_number": "USA110123456789", "birth_date": "1980-05-06"}

CASES: list[Case] = [
    recheck("recheck_original", "recheck", original="7"),
    recheck("recheck_attempt_number", "recheck", attempt=1),
    recheck("recheck_attempt_number", "recheck", attempt=101),
    recheck("missing", "recheck.reason", reason=" "),
    recheck("too_long", "recheck.reason", reason="误" * 501),
    form("application_id", "application_id", application_id="17"),
    form("requester_unknown", "requester", requester="00"),
    form("addressee_wrong", "addressee", addressee="民政部"),
    form("missing", "addressee", addressee=""),
    form("missing", "legal_basis", legal_basis=""),
    form("missing", "approving_authority", approving_authority=" "),
    form("missing", "business_category", business_category=""),
    form("missing", "purpose", purpose=""),
    form("missing", "lead_person", lead_person=""),
    form("missing", "roster.date", roster_date=""),
    form("missing", "roster.dataset", roster_dataset=""),
    form("missing", "contact_name", contact_name=""),
    form("missing", "contact_phone", contact_phone=""),
    form("missing", "form_date", form_date=""),
    form("missing", "consent.scope", consent_scope=""),
    form("too_long", "purpose", purpose="查" * 501),
    form("control_characters", "approving_authority", approving_authority="民政局\u202egnip"),
    form("consent_not_held", "consent.held", consent_held=False),
    form("consent_narrower", "consent.scope", consent_scope="narrower"),
    form("person_count", "person_count", person_count=0),
    form("phone_format", "contact_phone", contact_phone="12345"),
    form("date_format", "form_date", form_date="2026-02-30"),
    form("date_future", "form_date", form_date="2026-11-25"),
    form("date_future", "roster.date", roster_date="2027-01-01"),
    unit("missing", "level", level=""),
    unit("choice", "level", level="village"),
    unit("missing", "unit", unit=""),
    unit("missing", "authority", authority=" "),
    unit("missing", "document", document=""),
    unit("missing", "reason", reason=""),
    unit("too_long", "reason", reason="需" * 501),
    unit("control_characters", "document", document="鲁\u202e15"),
    unit("unit_consent_authority", "authority", authority="济南市民政局"),
    unit("unit_consent_authority", "authority", authority="云南省民政厅"),
    unit("missing", "date", date=""),
    unit("date_future", "date", date="2026-11-25", valid_until="2026-12-31"),
    unit("unit_consent_late", "date", date="2026-11-24"),
    unit("missing", "valid_until", valid_until=""),
    unit("date_format", "valid_until", valid_until="2026-02-30"),
    unit("unit_consent_expired", "valid_until", valid_until="2026-11-22"),
    unit("unit_consent_expired", "valid_until", valid_until="2026-10-07"),
    form("schedule_empty", "schedule", schedule=[]),
    form("schedule_number", "schedule", schedule=[a_row(row=2)]),
    rows("schedule_duplicate", "schedule", {}, {}),
    rows("missing", "provider", {"provider": ""}),
    rows("missing", "category", {"category": ""}),
    rows("provider_unknown", "provider", {"provider": "center"}),
    rows("category_unknown", "category", {"category": "飞机"}),
    rows("category_not_offered", "category", {"category": "cremation"}),
    rows("provider_does_not_offer", "category", {"provider": "53"}),
    rows("period_format", "period", day("day", None, None)),
    rows("period_impossible", "period", day("day", "2025-02-30", "2025-02-30")),
    rows("period_reversed", "period", day("range", "2025-03-01", "2025-02-01")),
    rows("period_future", "period", day("range", "2026-11-01", "2026-12-01")),
    (
        "application_too_large",
        "person_count",
        lambda: check_schedule(an_application(person_count=10_000_000), a_release()),
    ),
    section("roster_date_differs", "roster.date", roster_date="2026-11-19"),
    section("roster_dataset_differs", "roster.dataset", roster_dataset="另一份名单"),
    roster("roster_empty", "roster"),
    ("roster_empty", "roster", lambda: check_section(an_application(), [], TODAY)),
    roster("roster_count", "person_count", a_person(), person_count=2),
    roster("lead_person_absent", "lead_person", a_person(), lead_person="王大明"),
    roster("person_duplicate", "document_number", a_person(), a_person(number=2, relation="子", household="H2")),
    roster("number_repeated", "number", a_person(), a_child(number=1)),
    person("number_repeated", "number", number=0),
    roster("two_heads", "relation", a_person(), a_person(number=2, document_number=OTHER_ID)),
    person("missing", "household", household=""),
    person("missing", "relation", relation=""),
    person("missing", "name", name=""),
    person("too_long", "name", name="王" * 101),
    person("control_characters", "name", name="王\u202e明"),
    person("control_characters", "name", name="王\u200b明"),
    person("control_characters", "name", name="王\ufffd明"),
    person("control_characters", "household", household="H\n1"),
    person("name_characters", "name", name="王小明2"),
    person("name_characters", "name", name="=王小明"),
    person("name_characters", "name", name="···"),
    person("name_characters", "name", name=" 王小明"),
    person("document_type_unknown", "document_type", document_type="passport"),
    person("document_missing", "document_number", document_number=""),
    person("document_full_width", "document_number", document_number="\uff13" + ADULT_ID[1:]),
    person("document_scientific", "document_number", document_number="3.70102E+17"),
    person("document_look_alike", "document_number", document_number="37O" + ADULT_ID[3:]),
    person("document_characters", "document_number", document_number="37 " + ADULT_ID[3:]),
    person("document_length", "document_number", document_number=ADULT_ID[:17]),
    person("document_fifteen_digits", "document_number", document_number="370102800506123"),
    person("document_other_type", "document_number", document_number="810000199001010018"),
    person("document_region", "document_number", document_number="00" + ADULT_ID[2:]),
    person("document_birth_date", "document_number", document_number="37010219800230123X"),
    person("document_birth_date", "document_number", document_number=an_id("2026-11-25")),
    person("document_check_digit", "document_number", document_number=ADULT_ID[:17] + "0X"[ADULT_ID[17] == "0"]),
    person("birth_date_differs", "birth_date", birth_date="1980-05-07"),
    person("date_format", "birth_date", birth_date="1980-02-30"),
    person("missing", "birth_date", **{**PERMIT, "birth_date": None}),
    person("date_future", "birth_date", **{**PERMIT, "birth_date": "2030-01-01"}),
    child("document_unexpected", "document_number", **{**INFANT, "document_number": OTHER_ID}),
    child("document_for_minors", "document_type", **{**CERTIFICATE, "birth_date": "2000-01-01"}),
    child("document_for_infants", "document_type", **{**INFANT, "birth_date": "2022-01-01"}),
    child("guardian_missing", "guardian_name", guardian_name=None, guardian_document_number=None),
    child("guardian_missing", "guardian_name", **INFANT, guardian_name=None, guardian_document_number=None),
    person("guardian_missing", "guardian_name", consent_by="guardian"),
    child("missing", "guardian_name", guardian_name=None),
    child("document_missing", "guardian_document_number", guardian_document_number=None),
    child("document_check_digit", "guardian_document_number", guardian_document_number="370102198005061234"),
    child("document_birth_date", "guardian_document_number", guardian_document_number=an_id("2026-11-25")),
    child("name_characters", "guardian_name", guardian_name="王小明#"),
    child("guardian_is_person", "guardian_document_number", guardian_document_number=CHILD_ID),
    child("guardian_minor", "guardian_document_number", guardian_document_number=an_id("2010-01-01")),
    child("consent_by_guardian", "consent_by", consent_by="self"),
    child("consent_before_birth", "consent_date", **INFANT, consent_date="2026-05-31"),
    person("missing", "consent_reference", consent_reference=""),
    person("missing", "consent_by", consent_by=""),
    person("choice", "consent_by", consent_by="neighbour"),
    person("missing", "consent_scope", consent_scope=""),
    person("consent_narrower", "consent_scope", consent_scope="narrower"),
    person("missing", "consent_date", consent_date=""),
    person("date_format", "consent_date", consent_date="2026/11/02"),
    person("date_future", "consent_date", consent_date="2026-11-25"),
]


def unoffered_release() -> Release:
    """A release in which only 江苏 offers 户籍."""
    return Release.of(3, [an_entry("32")])
