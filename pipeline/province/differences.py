"""What a re-check (复核) found other than its original: compared once, signed by the requester, kept with the re-check.

The comparison needs the keys of both applications, and stands in the access log of both. What is signed holds values of
persons, so it never leaves for Kafka; it is stored under the re-check's key, and destroyed with either application.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.codec import framing
from pipeline.domain.differences import compare
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.records import Difference, Differences, Recheck
from pipeline.domain.subqueries import sub_query_id
from pipeline.province.casefile import CaseFile
from pipeline.province.database import snapshot, transaction
from pipeline.province.sealed_rows import DIFFERENCE, SealedRows

PART_SIZE: Final = 600 * 1024
"""Bytes of differences in one signed object at most, which may have 900 KiB."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The differences of a re-check, their signatures verified. `before`, `after`: digests of the certificates."""

    application_id: str
    original: str
    attempt: int
    before: bytes
    after: bytes
    compared: int
    at: int
    differences: list[Difference]
    signed: list[bytes]


def recheck_of(case: CaseFile) -> Recheck:
    """What an application is a re-check of. Raises ConfigError for a first application."""
    recheck = case.mandate()["recheck"]
    if recheck is None:
        raise ConfigError(f"{case.application_id} is no re-check: it has nothing to differ from")
    return recheck


def differences_of(case: CaseFile) -> Compared:
    """The differences of a re-check that is complete, between the newest certificates of both.

    Compared and signed the first time they are asked for; verified each time. Raises ConfigError for a first application,
    one that is not complete, or when an entrusting unit holds a reply key or one of the two is shredded; InvalidMessage
    when what is kept is not what was signed.
    """
    recheck = recheck_of(case)
    original = case.beside(recheck["original"])
    digests = tuple(_certificate(known) for known in (original, case))
    rows = case.rows()
    kept = _kept(case, rows, digests)
    if not kept:
        _compare(case, original, recheck, digests, rows)
        kept = _kept(case, rows, digests)
    parts = [_verified(case, raw, at) for raw, at in kept]
    _check_parts(case, recheck, digests, parts)
    with transaction(case.connection):
        _note(case, original)
    return Compared(
        application_id=case.application_id,
        original=recheck["original"],
        attempt=recheck["attempt"],
        before=digests[0],
        after=digests[1],
        compared=parts[0]["compared"],
        at=parts[0]["at"],
        differences=[difference for part in parts for difference in part["differences"]],
        signed=[raw for raw, _ in kept],
    )


def as_data(found: Compared) -> dict[str, Any]:
    """For a program, and for an export: digests and signed objects in hex, each difference with its sub-query's id."""
    return {
        "application_id": found.application_id,
        "original": found.original,
        "attempt": found.attempt,
        "certificate_before": found.before.hex(),
        "certificate_after": found.after.hex(),
        "compared": found.compared,
        "at": found.at,
        "differences": [{"sub_query": _sub_query(found, difference), **difference} for difference in found.differences],
        "signed": [raw.hex() for raw in found.signed],
    }


def _sub_query(found: Compared, difference: Difference) -> str:
    return sub_query_id(found.original, difference["number"], difference["row"], difference["provider"])


def _certificate(case: CaseFile) -> bytes:
    case.whole()  # every bundle that it names is here
    certificate = case.certificate()
    assert certificate is not None, "whole"
    return certificate.digest


def _kept(case: CaseFile, rows: SealedRows, digests: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """The signed parts and when they were signed, in order."""
    found = case.connection.execute(
        "SELECT signed, at FROM difference WHERE application_id = ? AND before = ? AND after = ? ORDER BY part",
        (case.application_id, *digests),
    )
    return [(rows.open(DIFFERENCE, sealed), at) for sealed, at in found.fetchall()]


def _compare(case: CaseFile, original: CaseFile, recheck: Recheck, digests: Sequence[bytes], rows: SealedRows) -> None:
    with snapshot(case.connection):
        before = original.assembled(original.rows(), original.whole())
        after = case.assembled(rows, case.whole())
    found, compared = compare(before, after)
    parts = list(_parts(found))
    now = case.now()
    signed_parts = [
        case.sign(
            "differences", "Differences", _record(case, recheck, digests, part, number, len(parts), compared, now)
        )
        for number, part in enumerate(parts, start=1)
    ]
    with transaction(case.connection) as db:
        db.executemany(
            "INSERT OR IGNORE INTO difference VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (case.application_id, recheck["original"], *digests, number, rows.seal(DIFFERENCE, raw), now)
                for number, raw in enumerate(signed_parts, start=1)
            ],
        )


def _record(
    case: CaseFile,
    recheck: Recheck,
    digests: Sequence[bytes],
    part: list[Difference],
    number: int,
    parts: int,
    compared: int,
    now: int,
) -> Differences:
    return Differences(
        application_id=case.application_id,
        original=recheck["original"],
        requester=case.mandate()["requester"],
        attempt=recheck["attempt"],
        before=digests[0],
        after=digests[1],
        differences=part,
        compared=compared,
        part=number,
        parts=parts,
        at=now,
    )


def _parts(found: Sequence[Difference]) -> Iterator[list[Difference]]:
    """In order, cut where a signed object would outgrow its limit; one, empty, when nothing differs."""
    part: list[Difference] = []
    size = 0
    for difference in found:
        more = len(framing.write("Difference", difference))
        if part and size + more > PART_SIZE:
            yield part
            part, size = [], 0
        part.append(difference)
        size += more
    yield part


def _verified(case: CaseFile, raw: bytes, signed_at: int) -> Differences:
    return case.own(raw, "differences", "Differences", signed_at)  # type: ignore[return-value]


def _check_parts(case: CaseFile, recheck: Recheck, digests: Sequence[bytes], parts: Sequence[Differences]) -> None:
    """All parts of this very comparison are there. Raises InvalidMessage `differences_mismatch`."""
    about = (case.application_id, recheck["original"], recheck["attempt"], *digests)
    for number, part in enumerate(parts, start=1):
        stated = (part["application_id"], part["original"], part["attempt"], part["before"], part["after"])
        if stated != about or (part["part"], part["parts"]) != (number, len(parts)):
            raise InvalidMessage("differences_mismatch", case.application_id)


def _note(case: CaseFile, original: CaseFile) -> None:
    """In the access log of both: values of both are read."""
    case.note("read", {"what": "differences", "persons": case.persons, "original": original.application_id})
    original.note("read", {"what": "differences", "persons": case.persons, "recheck": case.application_id})


def about_differences(case: CaseFile) -> Mapping[str, Any] | None:
    """What stands in the export of a re-check about its differences; None when its original is shredded.

    Raises as `differences_of`.
    """
    if case.beside(recheck_of(case)["original"]).shredded_at is not None:
        return None
    return as_data(differences_of(case))
