"""An application from its files, form (YAML or XLSX) and roster (CSV or XLSX), with one report of all their faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipeline.domain.catalog import Release
from pipeline.domain.faults import fault
from pipeline.domain.periods import parse_period
from pipeline.domain.records import Application, Fault, Person
from pipeline.domain.review import check_application, check_persons, check_roster, check_roster_identity, check_schedule
from pipeline.domain.rules import Rules, Verdict, facts_of
from pipeline.province.form_files import FormDraft, drafted_form, read_form
from pipeline.province.form_writing import write_form_yaml
from pipeline.province.form_xlsx import read_form_book, read_roster_book
from pipeline.province.roster_files import RosterDraft, read_roster, write_roster_csv
from pipeline.province.workbook_files import is_workbook

__all__ = ["LoadedForm", "load_form", "write_form_yaml", "write_roster_csv"]


@dataclass(frozen=True)
class LoadedForm:
    """A sound application with its roster and no faults, or the faults and nothing else: never half of it."""

    application: Application | None
    roster: list[Person]
    faults: list[Fault]
    persons_read: int = 0
    """Lines of the roster that could be read, for the report; also when there are faults."""
    held: list[Fault] = field(default_factory=list)
    """Why an officer of the center will look at it before it starts: no faults, it can be filed."""


def load_form(
    form: Path,
    roster: Path | None,
    *,
    release: Release,
    today: date,
    requester: str,
    application_id: str,
    rules: Rules | None = None,
) -> LoadedForm:
    """Read and review an application: YAML and CSV, or workbooks. `release` resolves categories and says who offers what.

    `roster` may be left out where the form is a workbook with the roster on a sheet.
    `rules`: those of the requester, whose refusals are faults and whose reasons to hold are `held`. Never raises for what people wrote: faults come back all at once, the form's first, then the schedule's by row, then
    the roster's by number.
    """
    drafted, listed = _read(form, roster, release, requester, application_id)
    faults = drafted.faults + listed.faults
    if drafted.application is None:
        faults += _told_once(check_persons(listed.persons, today), drafted, listed)
    else:
        faults += _read_periods(drafted, today)
        faults += _reviewed(drafted.application, drafted, listed, release, today)
    verdict = Verdict("accept", [])
    if rules is not None and drafted.application is not None:
        verdict = rules.verdict(facts_of(drafted.application, listed.persons))
    if verdict.kind == "reject":
        faults += _told_once(verdict.faults, drafted, listed)
    faults.sort(key=lambda f: (f["number"] is not None, f["row"] is not None, f["number"] or 0, f["row"] or 0))
    if faults or drafted.application is None:
        return LoadedForm(None, [], faults, len(listed.persons))
    return LoadedForm(drafted.application, listed.persons, [], len(listed.persons), verdict.faults)


def _read(
    form: Path, roster: Path | None, release: Release, requester: str, application_id: str
) -> tuple[FormDraft, RosterDraft]:
    if not is_workbook(form):
        return read_form(form, release, requester, application_id), _read_roster(roster)
    book = read_form_book(form)
    drafted = FormDraft(faults=book.faults)
    if book.readable:
        drafted_form(book.content, drafted, release, requester, application_id)
    if book.roster is None:
        return drafted, _read_roster(roster)
    if roster is not None:
        book.roster.faults.append(fault("roster_twice"))
    return drafted, book.roster


def _read_roster(path: Path | None) -> RosterDraft:
    if path is None:
        return RosterDraft(faults=[fault("file_missing", field="roster")])
    return read_roster_book(path) if is_workbook(path) else read_roster(path)


def _read_periods(drafted: FormDraft, today: date) -> list[Fault]:
    faults: list[Fault] = []
    for row in drafted.application["schedule"] if drafted.application else ():
        try:
            row["period"] = parse_period(drafted.periods[row["row"]], today)
        except ValueError as error:
            faults.append(fault(str(error), row=row["row"]))
            drafted.spoilt.add(("period", row["row"]))
    return faults


def _reviewed(
    application: Application, drafted: FormDraft, listed: RosterDraft, release: Release, today: date
) -> list[Fault]:
    found = check_application(application, today) + check_schedule(application, release)
    if listed.readable:
        found += check_roster_identity(application, listed.roster_date, listed.roster_dataset)
        found += check_roster(application, listed.persons, today)
    return _told_once(found, drafted, listed)


def _told_once(found: list[Fault], drafted: FormDraft, listed: RosterDraft) -> list[Fault]:
    """Without what the reader has told already, or what follows from nothing but a value that could not be read."""
    return [f for f in found if not _already_told(f, drafted, listed)]


def _already_told(found: Fault, drafted: FormDraft, listed: RosterDraft) -> bool:
    if found["number"] is not None:
        return found["field"] in listed.spoilt
    field, row = found["field"], found["row"]
    if found["code"] == "lead_person_absent" and "name" in listed.spoilt:
        return True
    if found["code"] == "schedule_duplicate":
        return any(("period", n) in drafted.spoilt for n in (row, int(found["args"]["first"])))
    if found["code"].startswith("roster_d") and ("roster", None) in drafted.spoilt:
        return True
    return (field, row) in drafted.spoilt or ("schedule" if row else field.split(".")[0], row) in drafted.spoilt
