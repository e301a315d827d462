"""A document of the archive as it is listed, and the application it belongs to as the access log names it (Art. 9)."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.domain.records import Application, EvidenceKind, Mandate
from pipeline.province.evidence_blobs import Blob
from pipeline.stages.local import Access


@dataclass(frozen=True, slots=True)
class Matter:
    """The application that a document belongs to, as the access log names it."""

    application_id: str
    requester: str
    unit: str
    purpose: str
    business_category: str

    @classmethod
    def of_form(cls, form: Application) -> Matter:
        """Of an application that is not filed yet."""
        unit = form["approving_authority"]
        return cls(form["application_id"], form["requester"], unit, form["purpose"], form["business_category"])

    @classmethod
    def of_mandate(cls, mandate: Mandate) -> Matter:
        """Of one that is."""
        unit = mandate["entrusting_unit"]
        return cls(
            mandate["application_id"], mandate["requester"], unit, mandate["purpose"], mandate["business_category"]
        )

    def access(self, act: str, detail: dict[str, object]) -> Access:
        """A row for the access log."""
        return Access(act, self.application_id, self.requester, self.unit, self.purpose, detail)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is listed. `numbers`: of the roster, () for all; `protocol`: of its destruction, by number."""

    id: str
    application_id: str
    digest: bytes
    kind: EvidenceKind
    media_type: str
    size: int
    years: int
    added_at: int
    added_by: str
    protocol: int | None
    numbers: tuple[int, ...]

    @property
    def blob(self) -> Blob:
        """Its file."""
        return Blob(self.id, self.application_id, self.digest)

    def is_about(self, number: int) -> bool:
        """Whether it concerns this number of the roster."""
        return not self.numbers or number in self.numbers
