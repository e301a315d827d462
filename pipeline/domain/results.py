"""Folding section certificates into the one result of an application (`ApplicationResult`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.domain.records import ApplicationResult, SectionCertificate, SectionResult, StatusCount


def fold(
    certificates: Sequence[tuple[SectionCertificate, bytes]], *, version: int, closed_at: int
) -> ApplicationResult:
    """The application's result from its sections' (certificate, signed bytes), given in section order, all of them."""
    first = certificates[0][0]
    statuses = count_statuses(certificate for certificate, _ in certificates)
    return ApplicationResult(
        application_id=first["application_id"],
        requester=first["requester"],
        mandate_digest=first["mandate_digest"],
        version=version,
        person_count=sum(certificate["person_count"] for certificate, _ in certificates),
        sections=[
            SectionResult(
                section=certificate["section"],
                certificate=signed,
                bundles=[bundle["digest"] for bundle in certificate["bundles"]],
            )
            for certificate, signed in certificates
        ],
        statuses=statuses,
        complete=all(status["status"] == "done" for status in statuses),
        closed_at=closed_at,
    )


def count_statuses(certificates: Iterable[SectionCertificate]) -> list[StatusCount]:
    """How many persons stand in each status, by provider and row; ordered by row, then provider."""
    counts: dict[tuple[int, str, str, str, str], int] = {}
    for certificate in certificates:
        for line in certificate["lines"]:
            for part in line["parts"]:
                key = (line["row"], line["provider"], line["category"], part["status"], part["code"] or "")
                counts[key] = counts.get(key, 0) + part["count"]
    return [
        StatusCount(
            provider=provider,
            row=row,
            category=category,
            status=status,  # type: ignore[typeddict-item]  # came from a CertificatePart
            code=code or None,
            count=count,
        )
        for (row, provider, category, status, code), count in sorted(counts.items())
    ]
