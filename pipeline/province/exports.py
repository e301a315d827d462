"""Results in files: JSON as it is held, CSV one line an item, for a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline.domain.dossiers import Dossier, PersonResults, Result
from pipeline.domain.parties import provider_name
from pipeline.province.roster_files import safe_cell

COLUMNS: Final = (
    "household", "number", "name", "document_number", "relation", "row", "category", "provider", "provider_name",
    "status", "code", "until", "as_of", "coverage", "entry", "item", "value",
)  # fmt: skip


def write_json(path: Path, dossiers: Sequence[Dossier], about: dict[str, object]) -> None:
    """`about` (application, certificate) and the dossiers, UTF-8."""
    path.write_text(json.dumps({**about, "dossiers": dossiers}, ensure_ascii=False, indent=1), encoding="utf-8")


def write_csv(path: Path, dossiers: Iterable[Dossier]) -> None:
    """One line for every item found, one for every sub-query without; no cell starts a formula."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for dossier in dossiers:
            for person in dossier["persons"]:
                for result in person["results"]:
                    writer.writerows(_lines(dossier["household"], person, result))


def _lines(household: str, person: PersonResults, result: Result) -> Iterator[list[str]]:
    start = [
        household,
        person["number"],
        person["name"],
        person["document_number"],
        person["relation"],
        result["row"],
        result["category"],
        result["provider"],
        provider_name(result["provider"]),
        result["status"],
        result["code"],
        result["until"],
        result["as_of"],
        result["coverage"],
    ]
    if not result["entries"]:
        yield [_cell(value) for value in (*start, "", "", "")]
    for number, entry in enumerate(result["entries"], start=1):
        for item, value in entry.items():
            yield [_cell(part) for part in (*start, number, item, value)]


def _cell(value: object) -> str:
    return "" if value is None else safe_cell(str(value))
