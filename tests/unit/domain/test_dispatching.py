"""The splitter's rule: who is asked what, by when, under which statement of coverage."""

from __future__ import annotations

import datetime as dt

import pytest

from pipeline.domain.calendar import CHINA, PUBLISHED, Calendar, CalendarUnknown, YearDays
from pipeline.domain.catalog import Release
from pipeline.domain.dispatching import (
    active_providers,
    asked_of,
    calendar_basis,
    has_one_limit,
    providers_of,
    section_result_size,
    sub_queries,
)
from tests.unit.domain.samples import a_release, a_row, an_entry

NO_YEARS = Calendar({})


def test_nation_wide_asks_every_party_that_offers_the_category() -> None:
    """全国 is whoever reports it, 部中心 and the requester's own province among them."""
    release = Release.of(1, [an_entry(party) for party in ("53", "00", "37")] + [an_entry("32", "medical", "医疗")])
    assert providers_of(a_row(provider="all"), release) == ["00", "37", "53"]


def test_a_named_provider_is_asked_alone_and_only_for_what_it_offers() -> None:
    """Nobody is asked for what is not in the catalog."""
    assert providers_of(a_row(provider="32"), a_release()) == ["32"]
    assert providers_of(a_row(provider="53"), a_release()) == []
    assert providers_of(a_row(provider="00", category="social_insurance"), a_release()) == ["00"]


def test_every_pair_of_row_and_provider_has_its_own_deadline_and_coverage() -> None:
    """Each resource's own limit counts from acceptance, and the region it stated then goes with the question."""
    slow = {**an_entry("32"), "feedback_seconds": 7_200, "region": "江苏省", "as_of": "2026-09-30"}
    release = Release.of(4, [an_entry("37"), slow])  # type: ignore[list-item]
    queries = sub_queries([a_row(), a_row(row=2, provider="32")], release, 1_000_000, NO_YEARS)
    assert [(q["row"], q["provider"], q["deadline"]) for q in queries] == [
        (1, "32", 1_000_000 + 7_200_000),
        (1, "37", 1_000_000 + 600_000),
        (2, "32", 1_000_000 + 7_200_000),
    ]
    assert [q["coverage"] for q in queries][:2] == [
        {
            "region": region,
            "region_codes": [code],
            "levels": ["province", "city", "county"],
            "period_covered": "2000-01-01 起",
            "as_of": as_of,
        }
        for region, code, as_of in (("江苏省", "32", "2026-09-30"), ("山东省", "37", "2026-10-31"))
    ]
    assert {q["category"] for q in queries} == {"household_registration"}
    assert queries[0]["period"] == a_row()["period"]


def test_a_limit_in_working_days_ends_with_the_last_of_them() -> None:
    """Each entry's own kind of limit; what the working days were counted with goes into the acceptance."""
    slow = {**an_entry("32"), "feedback_seconds": None, "feedback_working_days": 2}
    release = Release.of(4, [an_entry("37"), slow])  # type: ignore[list-item]
    off = frozenset({dt.date(2030, 5, 2)})
    calendar = Calendar({2030: YearDays(off, frozenset(), PUBLISHED, "a notice")})
    accepted = round(dt.datetime(2030, 5, 1, 10, tzinfo=CHINA).timestamp() * 1000)
    queries = sub_queries([a_row()], release, accepted, calendar)
    end = round(dt.datetime(2030, 5, 7, tzinfo=CHINA).timestamp() * 1000) - 1  # Friday and Monday count
    assert [(q["provider"], q["deadline"]) for q in queries] == [("32", end), ("37", accepted + 600_000)]
    assert calendar_basis([a_row()], release, accepted, calendar) == "2030 published"
    assert calendar_basis([a_row(provider="37")], release, accepted, NO_YEARS) == ""
    for ask in (sub_queries, calendar_basis):
        with pytest.raises(CalendarUnknown, match="2030"):
            ask([a_row()], release, accepted, NO_YEARS)


@pytest.mark.parametrize(
    ("seconds", "days", "holds"),
    [
        (600, None, True),
        (None, 5, True),
        (None, 250, True),
        (600, 5, False),
        (None, None, False),
        (0, None, False),
        (None, 0, False),
        (None, 251, False),
    ],
)
def test_an_entry_has_one_limit(seconds: int | None, days: int | None, holds: bool) -> None:
    """Two limits would be two deadlines, none no deadline at all."""
    assert has_one_limit({**an_entry(), "feedback_seconds": seconds, "feedback_working_days": days}) == holds


def test_a_section_goes_to_each_provider_once_and_to_no_suspended_one() -> None:
    """Several rows make one request; a suspended party gets none."""
    queries = sub_queries([a_row(), a_row(row=2, provider="32")], a_release(), 0, NO_YEARS)
    assert active_providers(queries, []) == ["32", "37"]
    assert active_providers(queries, ["32"]) == ["37"]
    assert [q["row"] for q in asked_of("32", queries)] == [1, 2]
    assert [q["row"] for q in asked_of("37", queries)] == [1]


def test_the_estimate_of_a_sections_result_grows_with_what_is_asked() -> None:
    """More lines or providers take more room; it is never nothing."""
    one = section_result_size([a_row(provider="32")], a_release())
    assert 0 < one < section_result_size([a_row()], a_release())
