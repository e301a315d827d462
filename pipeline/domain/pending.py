"""Results before the certificate (部分结果): what is answered so far, and that the rest is open. Nothing of it is certified.

A section that has its certificate says it all. Of any other only what the party holds is known: an answer that came is
shown, everything else is `pending`, a provider's refusal too, for only the certificate says whom it is about.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final, cast

from pipeline.domain import members
from pipeline.domain.dossiers import AnswerKey
from pipeline.domain.joining import SUSPENDED
from pipeline.domain.records import (
    Acceptance,
    CertificateLine,
    CertificatePart,
    SectionCertificate,
    SectionRoot,
    Status,
    SubQuery,
)

PENDING: Final = "pending"
"""Status of a sub-query of which nothing is known yet. It is in no certificate."""


def so_far(
    sections: Sequence[SectionRoot],
    acceptance: Acceptance,
    certificates: Mapping[int, SectionCertificate],
    held: Container[AnswerKey],
) -> dict[int, SectionCertificate]:
    """Every section as `dossiers.assemble` takes it: certified, or made up from what was accepted and is held.

    `held`: (section, provider, row, index) of the answers that are here. A `done` without its answer is pending.
    """
    found: dict[int, SectionCertificate] = {}
    for number, section in enumerate(sections, start=1):
        known = certificates.get(number)
        if known is None:
            lines = [_open_line(section["count"], query, acceptance) for query in acceptance["sub_queries"]]
            known = _uncertified(number, len(sections), section["count"], lines, acceptance)
        lines = [_without_missing(number, section["count"], line, held) for line in known["lines"]]
        found[number] = {**known, "lines": lines}
    return found


def _open_line(count: int, query: SubQuery, acceptance: Acceptance) -> CertificateLine:
    """As if all were answered; what is not held turns pending afterwards."""
    suspended = query["provider"] in acceptance["suspended"]
    part = _part("unavailable" if suspended else "done", SUSPENDED if suspended else None, members.full(count))
    return CertificateLine(provider=query["provider"], row=query["row"], category=query["category"], parts=[part])


def _without_missing(number: int, count: int, line: CertificateLine, held: Container[AnswerKey]) -> CertificateLine:
    parts: list[CertificatePart] = []
    for part in line["parts"]:
        if part["status"] != "done":
            parts.append(part)
            continue
        mask = members.full(count) if part["members"] is None else members.from_bytes(part["members"])
        here = _held(mask, number, line, held)
        parts += [_part("done", None, here)] if here else []
        parts += [_part(PENDING, None, mask & ~here)] if mask & ~here else []
    return {**line, "parts": parts}


def _held(mask: int, number: int, line: CertificateLine, held: Container[AnswerKey]) -> int:
    indexes: Iterable[int] = members.indexes(mask)
    return members.of(index for index in indexes if (number, line["provider"], line["row"], index) in held)


def _part(status: str, code: str | None, mask: int) -> CertificatePart:
    data = members.to_bytes(mask)
    return CertificatePart(status=cast("Status", status), code=code, until=None, members=data, count=mask.bit_count())


def _uncertified(
    number: int, sections: int, count: int, lines: list[CertificateLine], acceptance: Acceptance
) -> SectionCertificate:
    return SectionCertificate(
        application_id=acceptance["application_id"],
        requester=acceptance["requester"],
        mandate_digest=acceptance["mandate_digest"],
        section=number,
        sections=sections,
        version=0,
        person_count=count,
        lines=lines,
        bundles=[],
        closed_at=0,
    )
