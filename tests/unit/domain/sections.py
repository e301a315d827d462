"""Expectations, bundles and certificates of made-up sections, for the tests of the join's pure parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from pipeline.domain import members
from pipeline.domain.records import BundleRef, Coverage, SectionExpected, SubQuery

DEADLINE = 1_000
LATEST = {"kind": "latest", "start": None, "end": None}


def a_query(provider: str, row: int = 1, *, deadline: int = DEADLINE, category: str | None = None) -> SubQuery:
    """One provider asked for one schedule row."""
    return SubQuery(
        provider=provider,
        row=row,
        category=category or f"category_{row}",
        period=LATEST,  # type: ignore[typeddict-item]
        deadline=deadline,
        coverage=Coverage(
            region="山东省", region_codes=["37"], levels=["province"], period_covered="2000 年以来", as_of="2026-10-31"
        ),
    )


def an_expectation(queries: Sequence[SubQuery], persons: int = 4, suspended: Sequence[str] = ()) -> SectionExpected:
    """A section of `persons` that asks `queries`."""
    return SectionExpected(
        application_id="0b5ad0a4-4c5d-4f0e-9a55-3ac1a8d9a001",
        requester="53",
        mandate_digest=bytes(32),
        section=1,
        sections=1,
        person_count=persons,
        sub_queries=list(queries),
        suspended=list(suspended),
        supplement_until=9_000,
        warn_at=[0] * len(queries),
    )


def a_bundle(
    provider: str,
    rows: Iterable[int] = (1,),
    indexes: Iterable[int] = range(4),
    *,
    at: int = 500,
    outcome: str = "done",
    code: str | None = None,
    until: int | None = None,
    name: str = "",
) -> BundleRef:
    """A bundle of `provider` about `indexes`, appended `at`; `name` tells bundles alike apart."""
    asked, who = list(rows), list(indexes)
    content = repr((provider, asked, who, outcome, code, until, name))
    return BundleRef(
        provider=provider,
        digest=sha256(content.encode()).digest(),
        count=len(who),
        rows=asked,
        members=members.to_bytes(members.of(who)),
        version=1,
        outcome=outcome,  # type: ignore[typeddict-item]
        code=code,
        until=until,
        appended_at=at,
    )
