"""What a look-up asks a provider's database for: a document number, or a ward of a guardian."""

from __future__ import annotations

from pipeline.domain.records import Person

WARD = "/"
"""Stands between a guardian's document number and the name of a person without a document of their own."""


def subject_of(person: Person) -> str:
    """The person's document number, or `guardian's number/name` for a person without a document."""
    if person["document_type"] != "none":
        return person["document_number"]
    return f"{person['guardian_document_number'] or ''}{WARD}{person['name']}"
