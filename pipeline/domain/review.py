"""The formal review of an application (形式审查, Art. 8, 9): pure, complete, and the same at requester and center.

Every check returns all the faults it finds; none stops at the first. The center never trusts the adapter's review and
repeats it: `check_section` as sections arrive, the others once the whole is there.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import date
from typing import Final

from pipeline.domain.catalog import Release
from pipeline.domain.dispatching import section_result_size
from pipeline.domain.faults import fault, shown
from pipeline.domain.parties import EVERYONE, PROVINCES, is_provider
from pipeline.domain.periods import format_period, period_fault
from pipeline.domain.records import Application, Fault, Person, Recheck, ScheduleRow
from pipeline.domain.review_persons import check_between, check_person
from pipeline.domain.review_text import date_fault, text_fault, too_long_args
from pipeline.domain.review_unit import check_unit_consent
from pipeline.domain.sections import SECTION_SIZE
from pipeline.domain.subqueries import FIRST, MOST_ATTEMPTS, REASON_LIMIT

ADDRESSEE: Final = "民政部低收入家庭认定指导中心"
LEGAL_BASIS: Final = "《社会救助暂行办法》(国务院令第649号)"
LARGEST_RESULT: Final = 800 * 1024
"""Bytes the result of an application may take: it travels in one message of at most 900 KiB."""
CONSENT_SCOPE: Final = "全国各核对机构"

_TEXTS: Final = {
    "legal_basis": ("legal_basis", 200),
    "approving_authority": ("approving_authority", 100),
    "business_category": ("business_category", 100),
    "purpose": ("purpose", 500),
    "lead_person": ("lead_person", 100),
    "roster_dataset": ("roster.dataset", 200),
    "contact_name": ("contact_name", 100),
}
_PHONE = re.compile(r"(\+86[- ]?)?(1[3-9][0-9]{9}|0[0-9]{2,3}-?[0-9]{7,8}(-[0-9]{1,6})?|400-?[0-9]{3}-?[0-9]{4})")


def check_application(app: Application, today: date) -> list[Fault]:
    """The form by itself, the schedule's periods and repetitions included; not its roster, not the catalog."""
    found: list[Fault] = []
    if not _is_uuid(app["application_id"]):
        found.append(fault("application_id"))
    if app["requester"] not in PROVINCES:
        found.append(fault("requester_unknown"))
    if not app["addressee"]:
        found.append(fault("missing", field="addressee"))
    elif app["addressee"] != ADDRESSEE:
        found.append(fault("addressee_wrong", expected=ADDRESSEE))
    for key, (field, limit) in _TEXTS.items():
        if code := text_fault(str(app[key]), limit):  # type: ignore[literal-required]
            found.append(fault(code, field=field, **too_long_args(code, limit)))
    if app["person_count"] < 1:
        found.append(fault("person_count"))
    if not app["consent_held"]:
        found.append(fault("consent_not_held"))
    scope = str(app["consent_scope"])
    if not scope:
        found.append(fault("missing", field="consent.scope"))
    elif scope != "nationwide":
        found.append(fault("consent_narrower"))
    if not app["contact_phone"]:
        found.append(fault("missing", field="contact_phone"))
    elif not _PHONE.fullmatch(app["contact_phone"]):
        found.append(fault("phone_format"))
    for text, field in ((app["roster_date"], "roster.date"), (app["form_date"], "form_date")):
        if code := date_fault(text, today):
            found.append(fault(code, field=field))
    recheck = app["recheck"]
    if recheck is not None:
        found += _check_recheck(recheck)
    return found + check_unit_consent(app, today) + _check_rows(app["schedule"], today, part=recheck is not None)


def check_roster(app: Application, persons: Sequence[Person], today: date) -> list[Fault]:
    """The whole roster: each person, persons twice, the head count and the lead person."""
    found: list[Fault] = []
    if not persons:
        found.append(fault("roster_empty"))
    elif app["person_count"] != len(persons) and app["person_count"] > 0:
        found.append(fault("roster_count", form=app["person_count"], roster=len(persons)))
    if app["lead_person"] and persons and all(person["name"] != app["lead_person"] for person in persons):
        found.append(fault("lead_person_absent"))
    return found + check_persons(persons, today)


def check_section(
    app: Application,
    persons: Sequence[Person],
    today: date,
    roster_date: str | None = None,
    roster_dataset: str | None = None,
) -> list[Fault]:
    """What can be judged in one section: each person, persons twice in it, and the roster it says it is cut from.

    Give `roster_date` and `roster_dataset` of the section's head; None skips them.
    """
    found = check_roster_identity(app, roster_date, roster_dataset)
    if not persons:
        found.append(fault("roster_empty"))
    return found + check_persons(persons, today)


def check_persons(persons: Sequence[Person], today: date) -> list[Fault]:
    """Each person, and the persons among each other, whatever application they belong to."""
    return [found for person in persons for found in check_person(person, today)] + check_between(persons)


def check_roster_identity(app: Application, roster_date: str | None, roster_dataset: str | None) -> list[Fault]:
    """Whether this is the roster that the form names: 「以…年…月…日提交的…电子数据为准」. None skips a part."""
    found: list[Fault] = []
    if roster_date is not None and roster_date != app["roster_date"]:
        found.append(fault("roster_date_differs", roster=shown(roster_date), form=shown(app["roster_date"])))
    if roster_dataset is not None and roster_dataset != app["roster_dataset"]:
        found.append(fault("roster_dataset_differs"))
    return found


def check_schedule(app: Application, release: Release) -> list[Fault]:
    """The schedule against a release of the catalog: unknown providers and categories, and what nobody offers."""
    found: list[Fault] = []
    for row in app["schedule"]:
        found += _check_provider(row)
        found += _check_category(row, release)
    return found or _check_result_size(app, release)


def _check_result_size(app: Application, release: Release) -> list[Fault]:
    """The result names every section's bundles in one message: past a size, the roster is filed in parts."""
    sections = -(-max(app["person_count"], 1) // SECTION_SIZE)
    most = LARGEST_RESULT // section_result_size(app["schedule"], release)
    return [] if sections <= most else [fault("application_too_large", limit=most * SECTION_SIZE)]


def _check_recheck(recheck: Recheck) -> list[Fault]:
    """What a re-check says of its original, by itself; whether that is so, proof and center tell (Art. 10)."""
    found: list[Fault] = []
    if not _is_uuid(recheck["original"]):
        found.append(fault("recheck_original"))
    if not FIRST < recheck["attempt"] <= MOST_ATTEMPTS:
        found.append(fault("recheck_attempt_number", limit=MOST_ATTEMPTS))
    if code := text_fault(recheck["reason"], REASON_LIMIT):
        found.append(fault(code, field="recheck.reason", **too_long_args(code, REASON_LIMIT)))
    return found


def _check_rows(schedule: Sequence[ScheduleRow], today: date, *, part: bool = False) -> list[Fault]:
    """`part`: the rows of a re-check, some of its original's under their own numbers."""
    if not schedule:
        return [fault("schedule_empty")]
    found: list[Fault] = []
    numbers = [row["row"] for row in schedule]
    in_order = numbers == sorted(set(numbers)) and numbers[0] >= 1
    if not (in_order if part else numbers == list(range(1, len(schedule) + 1))):
        found.append(fault("schedule_number"))
    seen: dict[tuple[str, str, str], int] = {}
    for row in schedule:
        if code := period_fault(row["period"], today):
            found.append(fault(code, row=row["row"]))
        key = (row["provider"], row["category"], format_period(row["period"]))
        first = seen.setdefault(key, row["row"])
        if first != row["row"]:
            found.append(fault("schedule_duplicate", row=row["row"], field="schedule", first=first))
    return found


def _check_provider(row: ScheduleRow) -> list[Fault]:
    if not row["provider"]:
        return [fault("missing", row=row["row"], field="provider")]
    if row["provider"] == EVERYONE or is_provider(row["provider"]):
        return []
    return [fault("provider_unknown", row=row["row"], given=shown(row["provider"]))]


def _check_category(row: ScheduleRow, release: Release) -> list[Fault]:
    category, provider = row["category"], row["provider"]
    if not category:
        return [fault("missing", row=row["row"], field="category")]
    if not release.knows(category):
        known = ",".join(release.categories())
        return [fault("category_unknown", row=row["row"], given=shown(category), known=known)]
    offering = release.offers(category)
    if not offering:
        return [fault("category_not_offered", row=row["row"], category=category)]
    if is_provider(provider) and provider not in offering:
        who = ",".join(offering)
        return [fault("provider_does_not_offer", row=row["row"], provider=provider, category=category, offered_by=who)]
    return []


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
