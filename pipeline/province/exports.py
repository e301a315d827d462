"""Results in files: JSON as it is held, CSV one line an item, for a spreadsheet.

What the file is for (unit, purpose, the notice of Art. 11) stands in it: in JSON beside the dossiers, in CSV in lines that
start with `#` above the headers, for a file beside it would be lost on the first copy.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.domain.dossiers import Dossier, PersonResults, Result
from pipeline.domain.parties import provider_name
from pipeline.domain.printing import visible, visible_json
from pipeline.province.roster_files import safe_cell

COLUMNS: Final = (
    "household", "number", "name", "document_number", "relation", "row", "category", "provider", "provider_name",
    "status", "code", "until", "as_of", "coverage", "accepted_coverage", "coverage_differs", "note", "entry", "item",
    "value",
)  # fmt: skip
_WHITE: Final = "\t\r\n"


def write_json(path: Path, dossiers: Sequence[Dossier], about: Mapping[str, object]) -> None:
    """Write what `as_json` gives."""
    path.write_bytes(as_json(dossiers, about))


def write_csv(path: Path, dossiers: Iterable[Dossier], head: Mapping[str, str] | None = None) -> None:
    """Write what `as_csv` gives."""
    path.write_bytes(as_csv(dossiers, head or {}))


def as_json(dossiers: Sequence[Dossier], about: Mapping[str, object], mark: str | None = None) -> bytes:
    """`about` (unit, purpose, application, certificate) and the dossiers, UTF-8; digests in hex.

    `mark`: what stands in each dossier that is not the whole result.
    """
    marked = dossiers if mark is None else [{"partial": mark, **dossier} for dossier in dossiers]
    text = json.dumps({**about, "dossiers": marked}, ensure_ascii=False, indent=1, default=bytes.hex)
    return visible_json(text).encode()


def as_csv(dossiers: Iterable[Dossier], head: Mapping[str, str], mark: str | None = None) -> bytes:
    """`head` in lines `# name: value`; then one line for every item found, one for every sub-query without.

    `mark` stands in front of each line of what is not the whole result, in a column of its own. No cell starts a formula, none holds what nobody can see (tabs and ends of lines apart), and a value of the head stays on
    its line.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for name, value in head.items():
        writer.writerow([visible(f"# {name}: {' '.join(value.split())}")])
    marks = [] if mark is None else [mark]
    writer.writerow([*(["partial"] if marks else []), *COLUMNS])
    for dossier in dossiers:
        for person in dossier["persons"]:
            for result in person["results"]:
                writer.writerows([*marks, *line] for line in _lines(dossier["household"], person, result))
    return text.getvalue().encode("utf-8-sig")


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
        result["accepted_coverage"],
        " ".join(result["coverage_differs"]),
        result["note"],
    ]
    if not result["entries"]:
        yield [_cell(value) for value in (*start, "", "", "")]
    for number, entry in enumerate(result["entries"], start=1):
        for item, value in entry.items():
            yield [_cell(part) for part in (*start, number, item, value)]


def _cell(value: object) -> str:
    return "" if value is None else safe_cell(visible(str(value), keep=_WHITE))
