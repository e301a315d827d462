"""The applications of the story: small ones cut from the sample, each a form and a roster as an office writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from pipeline.demo.application import Sample
from pipeline.demo.population import Resident
from pipeline.demo.story_documents import write_documents
from pipeline.domain.catalog import Release
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import PROVINCES, provider_from
from pipeline.domain.periods import parse_period
from pipeline.domain.records import Application, Person, ScheduleRow, UnitConsent
from pipeline.province.form_writing import write_form_yaml
from pipeline.province.provider_files import load_provider
from pipeline.province.roster_files import write_roster_csv

OWNER_ELSEWHERE: Final = "property_elsewhere"
"""The sample's person of 云南 who has a home in 山东 (`population.plant`)."""
COUNTY: Final = "大理白族自治州漾濞彝族自治县民政局"
Rows = Sequence[tuple[str, str, str]]
"""Provider, category and period of a schedule, as a form has them."""


@dataclass(frozen=True, slots=True)
class Case:
    """An application ready to be filed: who is asked about, the files, and the folder of its documents."""

    persons: list[Person]
    form: Path
    roster: Path
    documents: Path


def owner(sample: Sample) -> Resident:
    """The person with a home in another province, which the re-check is about."""
    [found] = [who for who in sample.population.residents if OWNER_ELSEWHERE in who.notes]
    return found


def plain_households(sample: Sample, count: int, besides: Sequence[str] = ()) -> list[str]:
    """Households whose every member has a resident ID, the first `count` of those not in `besides`.

    Registers know persons by that number: so every sub-query about them can be answered.
    """
    plain: dict[str, bool] = {}
    for person in sample.persons:
        documented = person["document_type"] == "resident_id"
        plain[person["household"]] = plain.get(person["household"], True) and documented
    return [household for household, fits in plain.items() if fits and household not in besides][:count]


def write_case(
    folder: Path,
    name: str,
    sample: Sample,
    households: Sequence[str],
    rows: Rows,
    today: date,
    release: Release,
    *,
    county: bool = False,
) -> Case:
    """Write `<name>.yaml`, `<name>.csv` and the folder `<name>-documents` into `folder`: an application dated `today`.

    With `county` it is filed for a county, with the consent of the provincial civil affairs department (Art. 3).
    """
    chosen = [person for person in sample.persons if person["household"] in set(households)]
    persons: list[Person] = [{**person, "number": number} for number, person in enumerate(chosen, start=1)]
    dataset = f"云南低保核对名单-{today:%Y%m%d}-{name}"
    schedule = [
        ScheduleRow(row=n, provider=provider_from(provider), category=category, period=parse_period(period, today))
        for n, (provider, category, period) in enumerate(rows, start=1)
    ]
    application: Application = {
        **sample.application,
        "person_count": len(persons),
        "lead_person": persons[0]["name"],
        "roster_date": today.isoformat(),
        "roster_dataset": dataset,
        "form_date": today.isoformat(),
        "schedule": schedule,
        "unit_consent": _consent(sample.application["requester"], today) if county else None,
    }
    form, roster = folder / f"{name}.yaml", folder / f"{name}.csv"
    write_form_yaml(form, application, release)
    write_roster_csv(roster, persons, application["roster_date"], dataset)
    documents = folder / f"{name}-documents"
    write_documents(documents, persons, name)
    return Case(persons, form, roster, documents)


def _consent(requester: str, today: date) -> UnitConsent:
    """Who consented to the county's query, by which document, until when."""
    return UnitConsent(
        level="county",
        unit=COUNTY,
        authority=PROVINCES[requester].civil_affairs,
        document=f"云民函〔{today.year}〕128号",
        reason="地震灾后临时救助对象集中核对",
        date=(today - timedelta(days=3)).isoformat(),
        valid_until=(today + timedelta(days=90)).isoformat(),
    )


def mortgage_home(sample: Sample, provider: str) -> tuple[str, str, str]:
    """Change a property record in the provider's own database, as its register does: a home is mortgaged.

    Returns (column, value before, value after). Raises ConfigError when the owner has no home there.
    """
    resource = load_provider(sample.providers / f"{provider}.yaml").resources["real_estate"]
    column = resource.items["mortgaged"]
    codes = {value: stored for stored, value in (column.codes or {}).items()}
    table, key, field = resource.table, resource.keys[0], column.column
    with closing(sqlite3.connect(sample.databases / f"{provider}.db")) as connection, connection:
        found = connection.execute(
            f'SELECT id, "{field}" FROM "{table}" WHERE "{key}" = ? ORDER BY id',  # noqa: S608  # names of the demo's files
            (owner(sample).document_number,),
        ).fetchone()
        if found is None:
            raise ConfigError(f"{provider}: the owner has no home there")
        after = codes["false" if found[1] == codes["true"] else "true"]
        connection.execute(f'UPDATE "{table}" SET "{field}" = ? WHERE id = ?', (after, found[0]))  # noqa: S608
    return field, found[1], after
