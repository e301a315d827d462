"""Sections: the slices of a roster that travel, are answered and are certified on their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.domain.records import Person

SECTION_SIZE: Final = 500
"""Persons in a section at most."""
MOST_SECTIONS: Final = 1024
"""Sections of an application at most. Its result names each of them, with some 900 bytes, in one message of 900 KiB."""


def split(persons: Sequence[Person], size: int = SECTION_SIZE) -> list[list[Person]]:
    """Slice a roster into sections of at most `size` persons.

    A household stays in one section when it fits there; one larger than `size` is cut. Households keep the order in
    which the roster first names them, so the same roster always gives the same sections. Raises ValueError for size < 1.
    """
    if size < 1:
        raise ValueError("a section holds at least one person")
    households: dict[str, list[Person]] = {}
    for person in persons:
        households.setdefault(person["household"], []).append(person)
    sections: list[list[Person]] = []
    for members in households.values():
        if not sections or len(sections[-1]) + len(members) > size:
            sections.append([])
        while members:
            room = size - len(sections[-1])
            sections[-1].extend(members[:room])
            if members := members[room:]:
                sections.append([])
    return sections


def section_key(application_id: str, section: int) -> bytes:
    """Kafka key and state key of a section (numbered from 1): `<application id>/<section>`."""
    return f"{application_id}/{section}".encode()
