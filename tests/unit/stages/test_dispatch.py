"""dispatch: which providers a transaction takes on, so that none outgrows its limit."""

from __future__ import annotations

from typing import cast

from pipeline.domain.records import Acceptance, SectionReceived
from pipeline.stages.dispatch import batches, expectation
from tests.unit.domain.sections import a_query

PROVIDERS = [f"{number:02}" for number in range(11, 43)]


def a_section(size: int) -> SectionReceived:
    """A section whose sealed bundle has `size` bytes."""
    return cast(
        "SectionReceived",
        {
            "application_id": "a",
            "requester": "53",
            "section": 2,
            "sections": 3,
            "person_count": 500,
            "bundle": b"x" * size,
        },
    )


def an_acceptance(*suspended: str) -> Acceptance:
    """Every provider asked for two rows."""
    return Acceptance(
        application_id="a",
        requester="53",
        mandate_digest=bytes(32),
        catalog_release=1,
        sub_queries=[a_query(provider, row) for row in (1, 2) for provider in PROVIDERS],
        suspended=list(suspended),
        accepted_at=0,
        calendar="",
    )


def test_providers_are_taken_in_groups_that_fit_the_room() -> None:
    """All of them once, in order; the groups are as large as the room allows."""
    groups = batches(a_section(150_000), an_acceptance(), 1_000_000)
    assert [provider for group in groups for provider in group] == PROVIDERS
    assert len({len(group) for group in groups[:-1]}) == 1
    assert len(groups[0]) * 150_000 <= 1_000_000
    assert len(groups) > 1


def test_a_section_too_large_for_the_room_still_goes_to_one_provider_at_a_time() -> None:
    """Never nobody: that would be for ever."""
    assert [len(group) for group in batches(a_section(900_000), an_acceptance(), 500_000)] == [1] * len(PROVIDERS)


def test_suspended_providers_are_in_no_group() -> None:
    """They are in the certificate, and are sent nothing."""
    [group] = batches(a_section(10), an_acceptance("11", "12"), 10_000_000)
    assert group == PROVIDERS[2:]


def test_join_is_told_who_is_asked_and_until_when() -> None:
    """The same sub-queries that the requester was promised, without the coverage, which nobody reads there."""
    acceptance = an_acceptance("11")
    warn_at = list(range(len(acceptance["sub_queries"])))
    expected = expectation(a_section(10), acceptance, 99, warn_at)
    assert expected["sub_queries"] == [{**query, "coverage": None} for query in acceptance["sub_queries"]]
    assert (expected["suspended"], expected["supplement_until"], expected["warn_at"]) == (["11"], 99, warn_at)
    assert (expected["section"], expected["sections"], expected["person_count"]) == (2, 3, 500)
