"""Assembling dossiers: a household each, every person x row x provider once, answers in their places."""

from __future__ import annotations

from typing import cast

import pytest

from pipeline.domain import joining
from pipeline.domain.coverage import difference_words
from pipeline.domain.dossiers import AnswerKey, MissingAnswer, assemble, count_by_status
from pipeline.domain.records import Coverage, Person, ResourceAnswer, SectionCertificate, SubQuery
from tests.unit.domain.samples import a_person
from tests.unit.domain.sections import a_bundle, a_query, an_expectation


def roster(*households: str) -> list[Person]:
    """One person a household named, numbered from 1."""
    return [a_person(number=n, household=household, name=f"人{n}") for n, household in enumerate(households, start=1)]


def certificate(queries: list[SubQuery], persons: int, *bundles: object, version: int = 1) -> SectionCertificate:
    """What the join says after `bundles`."""
    state = joining.open_section(an_expectation(queries, persons))
    for bundle in bundles:
        assert joining.receive(state, bundle) is joining.Arrival.ACCEPTED  # type: ignore[arg-type]
    return joining.certify(state, version, 0)


def found(row: int = 1, *plates: str) -> ResourceAnswer:
    """What a provider has: an entry a plate, or nothing."""
    entries = [{"items": [{"item": "plate", "value": plate}, {"item": "kind", "value": None}]} for plate in plates]
    return cast(
        "ResourceAnswer",
        {
            "row": row,
            "status": "found" if plates else "no_record",
            "as_of": "2026-10-31",
            "coverage": "山东省",
            "entries": entries,
        },
    )


def test_done_becomes_found_or_no_record_and_nothing_else_is_touched() -> None:
    """Here, and only here, the center's `done` is told apart; what the provider stated goes with it."""
    answers: dict[AnswerKey, ResourceAnswer] = {(1, "37", 1, 0): found(1, "鲁A1", "鲁A2"), (1, "37", 1, 1): found()}
    done = certificate([a_query("37")], 2, a_bundle("37", indexes=range(2)))
    dossiers = assemble([roster("H1", "H2")], {1: done}, answers, {})
    first, second = (dossier["persons"][0]["results"][0] for dossier in dossiers)
    assert (first["status"], first["as_of"], first["coverage"]) == ("found", "2026-10-31", "山东省")
    assert first["entries"] == [{"plate": "鲁A1", "kind": None}, {"plate": "鲁A2", "kind": None}]
    assert (second["status"], second["entries"], second["coverage"]) == ("no_record", [], "山东省")


COVERAGE = Coverage(
    region="山东省", region_codes=["37"], levels=["province", "city"], period_covered="2000 年以来", as_of="2026-10-31"
)


def test_no_record_is_said_within_its_coverage_and_as_of_a_date() -> None:
    """What the provider covers, as of when, and what the catalog said when the application was accepted."""
    done = certificate([a_query("37")], 1, a_bundle("37", indexes=[0]))
    [dossier] = assemble([roster("H1")], {1: done}, {(1, "37", 1, 0): found()}, {("37", 1): COVERAGE})
    [result] = dossier["persons"][0]["results"]
    frozen = "山东省（省、市），2000 年以来，截至 2026-10-31"
    assert (result["accepted_coverage"], result["coverage_differs"]) == (frozen, [])
    assert result["note"] == f"查无记录：覆盖山东省，截至 2026-10-31（受理时目录：{frozen}）"


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"as_of": "2026-11-01"}, []),
        ({"as_of": "2026-10-30"}, ["as_of_earlier"]),
        ({"as_of": ""}, ["as_of_unstated"]),
        ({"coverage": " "}, ["coverage_unstated"]),
        ({"region_codes": ["37"], "levels": ["city", "province", "county"]}, []),
        ({"region_codes": ["3701"]}, ["region_narrower"]),
        ({"levels": ["province"]}, ["levels_fewer"]),
        ({"as_of": "2020-01-01", "levels": ["city"]}, ["as_of_earlier", "levels_fewer"]),
    ],
)
def test_an_answer_from_less_than_was_frozen_is_marked(changes: dict[str, str], differs: list[str]) -> None:
    """Found or not: whoever decides on it must know that the register was older, or smaller, than the catalog said."""
    done = certificate([a_query("37")], 2, a_bundle("37", indexes=[0, 1]))
    answers = {
        (1, "37", 1, n): cast("ResourceAnswer", {**one, **changes}) for n, one in ((0, found(1, "鲁A1")), (1, found()))
    }
    dossiers = assemble([roster("H1", "H2")], {1: done}, answers, {("37", 1): COVERAGE})
    [first], [second] = (dossier["persons"][0]["results"] for dossier in dossiers)
    assert first["coverage_differs"] == second["coverage_differs"] == differs
    assert first["note"] == (difference_words(differs) or None)
    assert second["note"] is not None
    assert second["note"].startswith("查无记录：覆盖")
    assert ("注意" in second["note"]) == bool(differs)


def test_what_was_not_answered_keeps_its_status_code_and_date() -> None:
    """Refused, unavailable and expired say so, with reason or date, and claim no coverage."""
    queries = [a_query("00"), a_query("32"), a_query("37")]
    partly = certificate(
        queries,
        1,
        a_bundle("00", indexes=[0], outcome="refused", code="protected_person"),
        a_bundle("32", indexes=[0], outcome="unavailable", until=99),
    )
    [dossier] = assemble([roster("H1")], {1: partly}, {}, {})
    results = dossier["persons"][0]["results"]
    assert [(r["provider"], r["status"], r["code"], r["until"], r["coverage"]) for r in results] == [
        ("00", "refused", "protected_person", None, None),
        ("32", "unavailable", None, 99, None),
        ("37", "expired", None, None, None),
    ]


def test_households_stand_in_roster_order_with_their_persons_in_order() -> None:
    """Members listed apart, or in two sections, are brought together."""
    persons = roster("H2", "H1", "H2", "H3", "H1")
    empty = [certificate([a_query("37")], count) for count in (3, 2)]
    dossiers = assemble([persons[:3], persons[3:]], dict(enumerate(empty, start=1)), {}, {})
    assert [(d["household"], [p["number"] for p in d["persons"]]) for d in dossiers] == [
        ("H2", [1, 3]),
        ("H1", [2, 5]),
        ("H3", [4]),
    ]


def test_results_stand_by_row_then_provider_whatever_the_certificates_order() -> None:
    """A dossier reads like the schedule."""
    queries = [a_query("37", 2), a_query("32", 1), a_query("00", 2), a_query("37", 1)]
    [dossier] = assemble([roster("H1")], {1: certificate(queries, 1)}, {}, {})
    order = [(result["row"], result["provider"]) for result in dossier["persons"][0]["results"]]
    assert order == [(1, "32"), (1, "37"), (2, "00"), (2, "37")]


def test_answers_are_taken_from_their_own_section() -> None:
    """Index 0 of section 2 is not index 0 of section 1."""
    persons = roster("H1", "H2")
    done = certificate([a_query("37")], 1, a_bundle("37", indexes=[0]))
    answers: dict[AnswerKey, ResourceAnswer] = {(1, "37", 1, 0): found(1, "一"), (2, "37", 1, 0): found(1, "二")}
    dossiers = assemble([persons[:1], persons[1:]], {1: done, 2: done}, answers, {})
    plates = [d["persons"][0]["results"][0]["entries"][0]["plate"] for d in dossiers]
    assert plates == ["一", "二"]


def test_an_answer_the_certificate_names_and_nobody_holds_stops_the_assembly() -> None:
    """A dossier with a hole would be read as 查无记录; there is none before every bundle is there."""
    done = certificate([a_query("37")], 1, a_bundle("37", indexes=[0]))
    with pytest.raises(MissingAnswer, match="section 1, provider 37, row 1"):
        assemble([roster("H1")], {1: done}, {}, {})


def test_counts_have_all_six_statuses() -> None:
    """Zero is said, not left out."""
    done = certificate([a_query("37"), a_query("32")], 1, a_bundle("37", indexes=[0]))
    counts = count_by_status(assemble([roster("H1")], {1: done}, {(1, "37", 1, 0): found()}, {}))
    assert counts == {"found": 0, "no_record": 1, "refused": 0, "unavailable": 0, "expired": 1, "withdrawn": 0}
