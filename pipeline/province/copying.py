"""A new application's files from an old one's: no standing queries, each one is filed and confirmed anew (Art. 8, 9)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date

from pipeline.domain.records import Application, Person
from pipeline.domain.wording import Language
from pipeline.province.form_writing import form_yaml
from pipeline.province.roster_files import roster_lines, safe_cell


def copied(form: Application, sections: Sequence[Sequence[Person]], today: date, lang: Language) -> tuple[bytes, bytes]:
    """(form as YAML, roster as CSV), both dated `today`.

    That consent is held, and how far it reaches, is for somebody to write again; the day on which each person gave it is a
    fact of the old roster, stays in it, and is looked at again by the review. Neither is a re-check, whatever the old one was.
    """
    new: Application = {
        **form,
        "consent_held": False,
        "consent_scope": "",  # type: ignore[typeddict-item]  # blank, as in a form that nobody filled in
        "form_date": today.isoformat(),
        "roster_date": today.isoformat(),
        "recheck": None,
    }
    persons = sorted((person for section in sections for person in section), key=lambda person: person["number"])
    return form_yaml(new, lang=lang), _csv(persons, new, lang)


def _csv(persons: Sequence[Person], form: Application, lang: Language) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for line in roster_lines(persons, form["roster_date"], form["roster_dataset"], lang):
        writer.writerow([safe_cell(cell) for cell in line])
    return text.getvalue().encode("utf-8-sig")
