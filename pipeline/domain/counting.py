"""What events say of sub-queries (person × row × provider), by category: asked, answered, and how they ended.

Pure, over the records of the center's stages. Who reads hedx.events adds these figures up and needs nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from pipeline.domain import members
from pipeline.domain.records import BundleRef, EventPart, JoinState, SectionCertificate, SubQuery

MISSING: Final = "missing"
"""Status of what is not answered yet."""
EXPIRED: Final = "expired"
NOT_ASKED: Final = "suspended"
"""Status of whatever a party that was suspended at acceptance was to be asked: nobody waits for it, and it is not reproached."""


def asked(queries: Iterable[SubQuery], provider: str, persons: int) -> list[EventPart]:
    """What `provider` is asked of `persons` persons, by category and deadline."""
    counts = Counter((query["category"], query["deadline"]) for query in queries if query["provider"] == provider)
    return [part(category, rows * persons, deadline=deadline) for (category, deadline), rows in counts.items()]


def answered(state: JoinState, bundle: BundleRef) -> list[EventPart]:
    """What a `bundle` that was taken in answers, by its outcome, and what its provider still owes in that section."""
    provider, everyone = bundle["provider"], state["expected"]["person_count"]
    persons = members.from_bytes(bundle["members"]).bit_count()
    lines = [line for line in state["lines"] if line["provider"] == provider]
    given: Counter[str] = Counter()
    owed: Counter[str] = Counter()
    for line in lines:
        given[line["category"]] += persons if line["row"] in bundle["rows"] else 0
        if line["closed_until"] is None:
            owed[line["category"]] += everyone - members.from_bytes(line["answered"]).bit_count()
    return [
        *(part(category, count, bundle["outcome"]) for category, count in given.items() if count),
        *(part(category, count, MISSING) for category, count in owed.items() if count),
    ]


def changed(
    before: SectionCertificate | None, after: SectionCertificate, suspended: Collection[str]
) -> list[EventPart]:
    """What a certificate says otherwise than the one `before` it: all of it where it is the first."""
    counts = Counter(_statuses(after, suspended))
    counts.subtract(_statuses(before, suspended) if before else {})
    return _parts(counts)


def supplemented(state: JoinState, bundles: Sequence[BundleRef]) -> list[EventPart]:
    """What `bundles` that came after the section's first certificate change: they had expired, and are answered."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for bundle in bundles:
        provider, persons = bundle["provider"], members.from_bytes(bundle["members"]).bit_count()
        if provider in state["expected"]["suspended"]:
            continue
        for line in state["lines"]:
            if line["provider"] == provider and line["row"] in bundle["rows"]:
                counts[provider, line["category"], bundle["outcome"]] += persons
                counts[provider, line["category"], EXPIRED] -= persons
    return _parts(counts)


def part(
    category: str, count: int, status: str | None = None, *, provider: str | None = None, deadline: int | None = None
) -> EventPart:
    """An `EventPart`."""
    return EventPart(category=category, status=status, provider=provider, deadline=deadline, count=count)


def _statuses(certificate: SectionCertificate, suspended: Collection[str]) -> Counter[tuple[str, str, str]]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for line in certificate["lines"]:
        for told in line["parts"]:
            status = NOT_ASKED if line["provider"] in suspended else told["status"]
            counts[line["provider"], line["category"], status] += told["count"]
    return counts


def _parts(counts: Counter[tuple[str, str, str]]) -> list[EventPart]:
    return [
        part(category, count, status, provider=provider)
        for (provider, category, status), count in counts.items()
        if count
    ]
