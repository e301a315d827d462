"""A re-check (复核, Art. 10) from the requester's side: a new application over some persons and rows of an old one.

Roster numbers, row numbers and the persons' records are the original's, word for word; consents are those it was filed
with, and the formal review looks at them again. What the proof beside it rests on is told in `stages.origins`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.codec import framing
from pipeline.domain.catalog import Release
from pipeline.domain.errors import HedxError
from pipeline.domain.lifecycle import CERTIFIED
from pipeline.domain.parties import EVERYONE
from pipeline.domain.records import Acceptance, Application, Person, PersonOrigin, Recheck, ScheduleRow
from pipeline.domain.review import check_application, check_roster, check_schedule
from pipeline.domain.rules import Rules, facts_of
from pipeline.domain.subqueries import FIRST, rows_not_asked
from pipeline.province.casefile import CaseFile
from pipeline.province.database import snapshot, transaction
from pipeline.province.filing import Origin
from pipeline.province.forms import LoadedForm
from pipeline.stages.origins import prove

_ON_ITS_WAY = frozenset({"filed", "under_review"})
_REJECTED = "rejected"


class RecheckRefused(HedxError):
    """A re-check that cannot be filed.

    `code`: `not_certified`, `recheck_of_recheck`, `recheck_on_its_way`, `person_unknown`, `row_unknown`,
    `provider_not_asked` or `unit_key_needed`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Dispute:
    """What is disputed: roster numbers, schedule rows, the provider to whom 全国 rows are narrowed (None: all), why."""

    numbers: frozenset[int]
    rows: frozenset[int]
    provider: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A re-check ready to be reviewed and filed."""

    application: Application
    persons: list[Person]
    origin: Origin
    evidence: list[bytes]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A re-check that was filed of an application."""

    application_id: str
    attempt: int
    state: str


def prepare(case: CaseFile, dispute: Dispute, *, application_id: str, today: date) -> Prepared:
    """The re-check of an application that has its certificate. The reading is in the original's access log.

    Raises RecheckRefused, and ConfigError when the original is shredded or not readable here.
    """
    recheck = _recheck(case, dispute.reason)
    acceptance, raw = case.acceptance(), case.acceptance_raw()
    if acceptance is None or raw is None:
        raise RecheckRefused("not_certified", "the acceptance has not come yet")
    rows = case.rows()
    with snapshot(case.connection):
        form, sections, salts = case.sealed_form(rows), case.sealed_roster(rows), case.salts(rows)
    schedule = _schedule(form["schedule"], dispute, acceptance)
    persons, proofs = _disputed(sections, salts, dispute.numbers)
    with transaction(case.connection):
        case.note("read", {"what": "recheck", "persons": len(persons), "attempt": recheck["attempt"]})
    application: Application = {
        **form,
        "application_id": application_id,
        "lead_person": _lead(form, persons),
        "person_count": len(persons),
        "form_date": today.isoformat(),
        "schedule": schedule,
        "recheck": recheck,
    }
    return Prepared(application, persons, Origin(case.mandate_raw, raw, proofs), case.mandate()["evidence"])


def reviewed(prepared: Prepared, release: Release, rules: Rules, today: date) -> LoadedForm:
    """A prepared re-check after the formal review (Art. 9), as `load_form` gives an application from files.

    The consents it rests on are the original's: whether they still hold on this day is looked at here, too.
    """
    application, persons = prepared.application, prepared.persons
    faults = check_application(application, today) + check_schedule(application, release)
    faults += check_roster(application, persons, today)
    verdict = rules.verdict(facts_of(application, persons))
    if verdict.kind == "reject":
        faults += verdict.faults
    if faults:
        return LoadedForm(None, [], faults, len(persons))
    return LoadedForm(application, persons, [], len(persons), verdict.faults)


def attempts_of(connection: sqlite3.Connection, original: str) -> list[Attempt]:
    """The re-checks of an application, in order of their attempts; a number of a rejected one is given again."""
    found = connection.execute(
        "SELECT application_id, attempt, state FROM recheck JOIN application USING (application_id)"
        " WHERE original = ? ORDER BY attempt, filed_at",
        (original,),
    )
    return [Attempt(*row) for row in found]


def next_attempt(attempts: Iterable[Attempt]) -> int:
    """The number of the next re-check, as the center counts: one that it rejected has used none."""
    return 1 + max((known.attempt for known in attempts if known.state != _REJECTED), default=FIRST)


def _recheck(case: CaseFile, reason: str) -> Recheck:
    """Raises RecheckRefused where the application cannot be disputed (now)."""
    certificate, mandate = case.certificate(), case.mandate()
    if mandate["recheck"] is not None:
        raise RecheckRefused("recheck_of_recheck", f"dispute the first application, {mandate['recheck']['original']}")
    if certificate is None or case.state not in CERTIFIED:
        raise RecheckRefused("not_certified", f"{case.application_id} has no certificate to be disputed: {case.state}")
    attempts = attempts_of(case.connection, case.application_id)
    told = max((_told(case, known) for known in attempts if known.state == _REJECTED), default=FIRST)
    waiting = [known.application_id for known in attempts if known.state in _ON_ITS_WAY]
    if waiting:
        raise RecheckRefused("recheck_on_its_way", f"the center has not said yet what it makes of {waiting[0]}")
    return Recheck(
        original=case.application_id,
        mandate_digest=case.mandate_digest,
        certificate=certificate.digest,
        attempt=max(next_attempt(attempts), told),
        reason=reason,
    )


def _told(case: CaseFile, rejected: Attempt) -> int:
    """The number that the center asked for when it rejected one for its number: ours was of a store that lost some."""
    rejection = case.beside(rejected.application_id).rejection()
    faults = [] if rejection is None else rejection["faults"]
    expected = [fault["args"].get("expected", "") for fault in faults if fault["code"] == "recheck_attempt"]
    return max((int(text) for text in expected if text.isdecimal()), default=FIRST)


def _schedule(original: Sequence[ScheduleRow], dispute: Dispute, acceptance: Acceptance) -> list[ScheduleRow]:
    """The disputed rows under their own numbers; those that asked 全国 narrowed to the disputed provider."""
    known = {row["row"]: row for row in original}
    if missing := sorted(dispute.rows - known.keys()):
        raise RecheckRefused("row_unknown", f"the schedule has no row {missing[0]}")
    rows: list[ScheduleRow] = []
    for number in sorted(dispute.rows):
        row = known[number]
        if dispute.provider is not None and row["provider"] not in (EVERYONE, dispute.provider):
            raise RecheckRefused("provider_not_asked", f"row {number} asked {row['provider']}")
        rows.append(row if dispute.provider is None else {**row, "provider": dispute.provider})
    if unasked := rows_not_asked(rows, acceptance["sub_queries"]):
        raise RecheckRefused("provider_not_asked", f"row {unasked[0]} was not put to {dispute.provider}")
    return rows


def _disputed(
    sections: Sequence[Sequence[bytes]], salts: Sequence[bytes], numbers: frozenset[int]
) -> tuple[list[Person], Mapping[int, PersonOrigin]]:
    """The disputed persons in the roster's order, and the proof of each by roster number."""
    places: dict[int, tuple[int, int]] = {}
    persons: list[Person] = []
    for section, records in enumerate(sections, start=1):
        for index, record in enumerate(records):
            person: Person = framing.read("Person", record)  # type: ignore[assignment]
            if person["number"] in numbers:
                places[person["number"]] = section, index
                persons.append(person)
    if missing := sorted(numbers - places.keys()):
        raise RecheckRefused("person_unknown", f"the roster has no number {missing[0]}")
    wanted: dict[int, list[int]] = {}
    for section, index in places.values():
        wanted.setdefault(section, []).append(index)
    proofs = prove(wanted, salts, sections)
    return sorted(persons, key=lambda p: p["number"]), {number: proofs[place] for number, place in places.items()}


def _lead(form: Application, persons: Sequence[Person]) -> str:
    """「对…等」: the original's lead person when disputed, else the first who is."""
    names = [person["name"] for person in persons]
    return form["lead_person"] if form["lead_person"] in names else names[0]
