"""certify: folds section certificates into the application's, and passes delivery receipts on to the providers."""

from __future__ import annotations

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain import results
from pipeline.domain.joining import SUSPENDED
from pipeline.domain.records import (
    ApplicationResult,
    ApplicationState,
    SectionCertificate,
    SectionCertified,
    SectionResult,
)


def section_certificate(signed: bytes) -> SectionCertificate:
    """The certificate inside a COSE_Sign1 that the center's own join signed (not verified again here)."""
    payload = cose.decode(signed).payload
    return framing.decode_as("SectionCertificate", payload)  # type: ignore[return-value]


def note(application: ApplicationState, record: SectionCertified) -> bool:
    """Keep the section's newest certificate in `application`; False when this or a newer one is already there."""
    position = record["section"] - 1
    if application["certified_versions"][position] >= record["version"]:
        return False
    certificate = section_certificate(record["certificate"])
    digests = [bundle["digest"] for bundle in certificate["bundles"]]
    application["certified_versions"][position] = record["version"]
    application["certified"][position] = SectionResult(
        section=record["section"], certificate=record["certificate"], bundles=digests
    )
    application["owed"] = [number for number in application["owed"] if number != record["section"]]
    if has_gaps(certificate):
        application["owed"].append(record["section"])
    delivered = set(application["delivered"]) | set(application["awaiting"])
    application["awaiting"] += [digest for digest in digests if digest not in delivered]
    return True


def has_gaps(certificate: SectionCertificate) -> bool:
    """Whether answers are missing that a provider may still give, so that the section may have to be sent out again."""
    return any(
        part["status"] == "expired" or (part["status"] == "unavailable" and part["code"] == SUSPENDED)
        for line in certificate["lines"]
        for part in line["parts"]
    )


def is_certified(application: ApplicationState) -> bool:
    """Whether every section has a certificate."""
    return all(version > 0 for version in application["certified_versions"])


def fold(application: ApplicationState, closed_at: int) -> ApplicationResult:
    """The application's next result, from its sections' newest certificates."""
    certificates = [
        (section_certificate(section["certificate"]), section["certificate"]) for section in application["certified"]
    ]
    return results.fold(certificates, version=application["version"] + 1, closed_at=closed_at)


def settle(application: ApplicationState, digests: list[bytes]) -> None:
    """Note that the requester holds the bundles with these digests."""
    held = set(digests)
    application["awaiting"] = [digest for digest in application["awaiting"] if digest not in held]
    known = set(application["delivered"])
    application["delivered"] += [digest for digest in digests if digest not in known]


def digest(signed: bytes) -> bytes:
    """What identifies a signed certificate: SHA-256 over its signed structure."""
    return cose.decode(signed).digest
