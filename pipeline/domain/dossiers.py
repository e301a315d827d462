"""Assembling the dossiers: one per household, every person x row x provider in exactly one status.

Here, and only here, `done` becomes `found` or `no_record` (design 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from pipeline.domain import members
from pipeline.domain.coverage import Accepted, coverage_words, difference_words, no_record_words, shortfalls
from pipeline.domain.records import Coverage, Person, ResourceAnswer, SectionCertificate, Value

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
    as_of: str | None  # of the answer
    coverage: str | None  # as the provider states it with the answer
    accepted_coverage: str | None  # of the catalog entry at acceptance, in Chinese words, as-of date included
    coverage_differs: list[str]  # in what the answer falls short of that: codes of `coverage.SHORTFALLS`
    note: str | None  # 查无记录 in Chinese words, never without coverage and date; what falls short
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
    accepted: Accepted,
) -> list[Dossier]:
    """Dossiers in order of the households' first roster number.

    `sections` hold the roster as it was split, section 1 first; `certificates` are the newest of each section; `accepted`
    is the coverage that was frozen at acceptance, against which each answer's own is held.
    Raises MissingAnswer when an answer the certificate names is not there, or a certificate, or a person.
    """
    households: dict[str, list[PersonResults]] = {}
    for number, section in enumerate(sections, start=1):
        found = _section_results(number, section, certificates, answers, accepted)
        for person, results in zip(section, found, strict=True):
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
    accepted: Accepted,
) -> list[list[Result]]:
    results: list[list[Result]] = [[] for _ in persons]
    if section not in certificates:
        raise MissingAnswer(f"section {section} has no certificate")
    for line in certificates[section]["lines"]:
        frozen = accepted.get((line["provider"], line["row"]))
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
                result = Result(
                    row=line["row"],
                    category=line["category"],
                    provider=line["provider"],
                    status=part["status"],
                    code=part["code"],
                    until=part["until"],
                    as_of=None,
                    coverage=None,
                    accepted_coverage=None if frozen is None else coverage_words(frozen),
                    coverage_differs=[],
                    note=None,
                    entries=[],
                )
                if answer is not None:
                    _answered(result, answer, frozen)
                results[index].append(result)
    for per_person in results:
        per_person.sort(key=lambda result: (result["row"], result["provider"]))
    return results


def _answered(result: Result, answer: ResourceAnswer, frozen: Coverage | None) -> None:
    """What the provider says, and in what it says less than was promised at acceptance."""
    result["status"] = answer["status"]
    result["as_of"], result["coverage"] = answer["as_of"], answer["coverage"]
    result["coverage_differs"] = differs = [] if frozen is None else shortfalls(frozen, answer)
    result["note"] = _note(answer["status"], answer["coverage"], answer["as_of"], frozen, differs)
    result["entries"] = [_entry(entry["items"]) for entry in answer["entries"]]


def _note(status: str, coverage: str, as_of: str, frozen: Coverage | None, differs: Sequence[str]) -> str | None:
    if status == "no_record":
        return no_record_words(coverage, as_of, frozen, differs)
    return difference_words(differs) or None


def _mask(data: bytes) -> int:
    return members.from_bytes(data)


def _entry(items: Iterable[Mapping[str, object]]) -> dict[str, Value]:
    return {str(item["item"]): item["value"] for item in items}  # type: ignore[misc]
