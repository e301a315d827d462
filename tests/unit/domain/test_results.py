"""Folding section certificates into the result of an application."""

from __future__ import annotations

from pipeline.domain import joining
from pipeline.domain.records import SectionCertificate
from pipeline.domain.results import count_statuses, fold
from tests.unit.domain.sections import a_bundle, a_query, an_expectation


def a_certificate(section: int, persons: int, *answered: int) -> SectionCertificate:
    """Section `section`: 37 answered about `answered`, 32 refused everybody, both asked for row 1."""
    expected = an_expectation([a_query("37"), a_query("32")], persons)
    state = joining.open_section({**expected, "section": section, "sections": 2})
    if answered:
        joining.receive(state, a_bundle("37", indexes=answered, name=str(section)))
    joining.receive(state, a_bundle("32", indexes=range(persons), outcome="refused", code="closed", name=str(section)))
    return joining.certify(state, 1, 2_000)


def test_a_result_names_every_section_with_its_bundles_in_order() -> None:
    """Certificates are kept as signed, and each section's bundle digests beside them."""
    first, second = a_certificate(1, 3, 0, 1, 2), a_certificate(2, 2, 0)
    result = fold([(first, b"signed 1"), (second, b"signed 2")], version=1, closed_at=7)
    assert [(s["section"], s["certificate"]) for s in result["sections"]] == [(1, b"signed 1"), (2, b"signed 2")]
    assert [s["bundles"] for s in result["sections"]] == [
        [bundle["digest"] for bundle in certificate["bundles"]] for certificate in (first, second)
    ]
    assert (result["person_count"], result["version"], result["closed_at"]) == (5, 1, 7)
    assert (result["application_id"], result["requester"]) == (first["application_id"], "53")


def test_statuses_are_counted_over_all_sections_by_row_and_provider() -> None:
    """Persons of all sections in one line for each provider, row, status and code, in a fixed order."""
    counts = count_statuses([a_certificate(1, 3, 0, 1, 2), a_certificate(2, 2, 0)])
    assert [(c["row"], c["provider"], c["status"], c["code"], c["count"]) for c in counts] == [
        (1, "32", "refused", "closed", 5),
        (1, "37", "done", None, 4),
        (1, "37", "expired", None, 1),
    ]


def test_an_application_is_complete_when_nothing_but_done_is_left() -> None:
    """One refusal anywhere and it is not."""
    expected = an_expectation([a_query("37")], 2)
    state = joining.open_section(expected)
    joining.receive(state, a_bundle("37", indexes=range(2)))
    whole = joining.certify(state, 1, 0)
    assert fold([(whole, b"")], version=1, closed_at=0)["complete"]
    assert not fold([(a_certificate(1, 2, 0, 1), b"")], version=1, closed_at=0)["complete"]
