"""Sound applications, persons and a catalog, to be spoilt one field at a time."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

from pipeline.domain.catalog import Release
from pipeline.domain.identity import make_resident_id
from pipeline.domain.records import Application, CatalogEntry, Person, ScheduleRow
from pipeline.domain.review import ADDRESSEE, LEGAL_BASIS

TODAY = date(2026, 11, 24)
ADULT_ID = make_resident_id("370102", date(1980, 5, 6), 123)
OTHER_ID = make_resident_id("530103", date(1979, 1, 2), 44)
CHILD_ID = make_resident_id("370102", date(2018, 3, 1), 56)


def a_person(**changes: Any) -> Person:
    """An adult with a resident ID; `changes` replace fields."""
    person: Person = {
        "number": 1,
        "household": "H1",
        "name": "王小明",
        "document_type": "resident_id",
        "document_number": ADULT_ID,
        "relation": "户主",
        "birth_date": None,
        "guardian_name": None,
        "guardian_document_number": None,
        "consent_reference": "SQ-2026-0001",
        "consent_by": "self",
        "consent_scope": "nationwide",
        "consent_date": "2026-11-02",
    }
    return cast("Person", {**person, **changes})


def a_child(**changes: Any) -> Person:
    """A minor asked about with the guardian's consent."""
    child = a_person(
        number=2, name="王小花", document_number=CHILD_ID, relation="女", consent_by="guardian",
        guardian_name="王小明", guardian_document_number=ADULT_ID,
    )  # fmt: skip
    return cast("Person", {**child, **changes})


def a_row(**changes: Any) -> ScheduleRow:
    """全国, 户籍, latest."""
    row: ScheduleRow = {
        "row": 1,
        "provider": "all",
        "category": "household_registration",
        "period": {"kind": "latest", "start": None, "end": None},
    }
    return cast("ScheduleRow", {**row, **changes})


def an_application(**changes: Any) -> Application:
    """山东 asks about one person."""
    application: Application = {
        "application_id": "0b5ad0a4-4c5d-4f0e-9a55-3ac1a8d9a001",
        "requester": "37",
        "addressee": ADDRESSEE,
        "legal_basis": LEGAL_BASIS,
        "approving_authority": "济南市历下区民政局",
        "business_category": "最低生活保障",
        "purpose": "审核最低生活保障申请",
        "lead_person": "王小明",
        "person_count": 1,
        "consent_held": True,
        "consent_scope": "nationwide",
        "roster_date": "2026-11-20",
        "roster_dataset": "历下区低保申请名单",
        "contact_name": "李四",
        "contact_phone": "0531-86012345",
        "form_date": "2026-11-23",
        "schedule": [a_row()],
        "seal_to_center": False,
        "unit_consent": None,
        "recheck": None,
    }
    return cast("Application", {**application, **changes})


def an_entry(provider: str = "37", category: str = "household_registration", name: str = "户籍") -> CatalogEntry:
    """What one provider offers, with an item of every type."""
    return {
        "provider": provider,
        "category": category,
        "name": name,
        "items": [
            {"item": "address", "name": "地址", "type": "text", "required": True},
            {"item": "moved", "name": "迁入日期", "type": "date", "required": False},
            {"item": "members", "name": "人数", "type": "integer", "required": False},
            {"item": "area", "name": "面积", "type": "decimal", "required": False},
            {"item": "rural", "name": "农业户口", "type": "boolean", "required": False},
        ],
        "region": "山东省",
        "region_codes": [provider],
        "levels": ["province", "city", "county"],
        "as_of": "2026-10-31",
        "update_cycle": "每月",
        "feedback_seconds": 600,
        "feedback_working_days": None,
        "sharing_conditions": "经被查询人授权",
        "period_covered": "2000-01-01 起",
        "version": 1,
        "release": 1,
    }


def a_release() -> Release:
    """户籍 by 山东 and 江苏, 社会保险 by 部中心; nobody offers the other eight."""
    return Release.of(1, [an_entry("37"), an_entry("32"), an_entry("00", "social_insurance", "社会保险")])
