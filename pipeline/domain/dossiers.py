"""Assembling the dossiers: one per household, every person x row x provider in exactly one status.

Here, and only here, `done` becomes `found` or `no_record` (design 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from pipeline.domain import members
from pipeline.domain.records import Person, ResourceAnswer, SectionCertificate, Value

AnswerKey = tuple[int, str, int, int]
"""(section, provider, row, roster index in the section)."""


class Result(TypedDict):
    """One sub-query's result as the requester sees it."""

    row: int
    category: str
    provider: str
    status: str  # found, no_record, refused, unavailable, expired, withdrawn
    code: str | None
    until: int | None
    as_of: str | None
    coverage: str | None
    entries: list[dict[str, Value]]


class PersonResults(TypedDict):
    """A person of the roster and all of their results, by row and provider."""

    number: int
    name: str
    document_type: str
    document_number: str
    relation: str
    results: list[Result]


class Dossier(TypedDict):
    """What is known of one household."""

    household: str
    persons: list[PersonResults]


class MissingAnswer(Exception):
    """A certificate says `done` for a sub-query whose bundle the requester does not hold."""


def assemble(
    sections: Sequence[Sequence[Person]],
    certificates: Mapping[int, SectionCertificate],
    answers: Mapping[AnswerKey, ResourceAnswer],
) -> list[Dossier]:
    """Dossiers in order of the households' first roster number.

    `sections` hold the roster as it was split, section 1 first; `certificates` are the newest of each section.
    Raises MissingAnswer when an answer the certificate names is not there, or a certificate, or a person.
    """
    households: dict[str, list[PersonResults]] = {}
    for number, section in enumerate(sections, start=1):
        for person, results in zip(section, _section_results(number, section, certificates, answers), strict=True):
            households.setdefault(person["household"], []).append(_with_results(person, results))
    dossiers = [
        Dossier(household=household, persons=sorted(persons, key=lambda p: p["number"]))
        for household, persons in households.items()
    ]
    return sorted(dossiers, key=lambda dossier: dossier["persons"][0]["number"])


def count_by_status(dossiers: Iterable[Dossier]) -> dict[str, int]:
    """How many sub-queries ended in each status the requester can see; all six keys are present."""
    counts = dict.fromkeys(("found", "no_record", "refused", "unavailable", "expired", "withdrawn"), 0)
    for dossier in dossiers:
        for person in dossier["persons"]:
            for result in person["results"]:
                counts[result["status"]] += 1
    return counts


def _with_results(person: Person, results: list[Result]) -> PersonResults:
    return PersonResults(
        number=person["number"],
        name=person["name"],
        document_type=person["document_type"],
        document_number=person["document_number"],
        relation=person["relation"],
        results=results,
    )


def _section_results(
    section: int,
    persons: Sequence[Person],
    certificates: Mapping[int, SectionCertificate],
    answers: Mapping[AnswerKey, ResourceAnswer],
) -> list[list[Result]]:
    results: list[list[Result]] = [[] for _ in persons]
    if section not in certificates:
        raise MissingAnswer(f"section {section} has no certificate")
    for line in certificates[section]["lines"]:
        for part in line["parts"]:
            covered = range(len(persons)) if part["members"] is None else members.indexes(_mask(part["members"]))
            for index in covered:
                if index >= len(persons):
                    raise MissingAnswer(f"section {section} has no person {index}")
                answer = None
                if part["status"] == "done":
                    answer = answers.get((section, line["provider"], line["row"], index))
                    if answer is None:
                        raise MissingAnswer(f"section {section}, provider {line['provider']}, row {line['row']}")
                results[index].append(
                    Result(
                        row=line["row"],
                        category=line["category"],
                        provider=line["provider"],
                        status=part["status"] if answer is None else answer["status"],
                        code=part["code"],
                        until=part["until"],
                        as_of=None if answer is None else answer["as_of"],
                        coverage=None if answer is None else answer["coverage"],
                        entries=[] if answer is None else [_entry(entry["items"]) for entry in answer["entries"]],
                    )
                )
    for per_person in results:
        per_person.sort(key=lambda result: (result["row"], result["provider"]))
    return results


def _mask(data: bytes) -> int:
    return members.from_bytes(data)


def _entry(items: Iterable[Mapping[str, object]]) -> dict[str, Value]:
    return {str(item["item"]): item["value"] for item in items}  # type: ignore[misc]
