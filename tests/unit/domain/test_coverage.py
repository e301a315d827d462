"""Coverage: region codes, levels, who may say that it covers what, and what includes what."""

from __future__ import annotations

import pytest

from pipeline.domain.coverage import (
    LEVELS,
    SHORTFALLS,
    accepted,
    coverage_of,
    coverage_words,
    covers,
    in_order,
    is_own_region,
    level_from,
    no_record_words,
    region_code,
)
from pipeline.domain.parties import PROVINCES
from tests.unit.domain.samples import an_entry
from tests.unit.domain.sections import a_query


@pytest.mark.parametrize(
    ("written", "code"),
    [("37", "37"), ("3701", "3701"), ("370100", "3701"), ("370000", "37"), ("370102", "370102"), ("00", "00")],
)
def test_a_region_has_one_code_however_many_zeros_it_is_written_with(written: str, code: str) -> None:
    """370000 is 37; a county keeps all six digits."""
    assert region_code(written) == code


@pytest.mark.parametrize("written", ["", "3", "371", "37010", "3701021", "99", "0001", "3７", "山东"])
def test_what_is_no_code_of_gb_t_2260_is_refused(written: str) -> None:
    """Odd lengths, other digits, and provinces that do not exist."""
    with pytest.raises(ValueError, match="region"):
        region_code(written)


def test_levels_are_read_in_both_languages_and_stand_highest_first() -> None:
    """省, 省级 and province are one."""
    assert {level_from(text) for text in ("省", "省级", " province ")} == {"province"}
    assert [level_from(chinese) for chinese, _ in LEVELS.values()] == list(LEVELS)
    assert in_order(["county", "province", "county"]) == ["province", "county"]
    with pytest.raises(ValueError, match="乡"):
        level_from("镇")


@pytest.mark.parametrize(
    ("party", "code", "own"),
    [("37", "37", True), ("37", "370102", True), ("37", "32", False), ("37", "00", False), ("00", "00", True),
     ("00", "3701", True), ("66", "65", True), ("66", "66", True), ("65", "66", False)],
)  # fmt: skip
def test_a_province_speaks_for_its_own_area_only(party: str, code: str, own: bool) -> None:
    """Art. 13: 本区域. 兵团 lies in 新疆; 部中心 covers the country."""
    assert is_own_region(party, code) is own


@pytest.mark.parametrize(
    ("held", "wanted", "whole"),
    [(["37"], ["3701", "370202"], True), (["3701"], ["370102"], True), (["370102"], ["3701"], False),
     (["3701"], ["37"], False), (["00"], ["00"], True), (["00"], ["37"], True), (["37"], ["00"], False), ([], [], True),
     (list(PROVINCES), ["00"], True), (list(PROVINCES)[1:], ["00"], False)],
)  # fmt: skip
def test_a_region_includes_what_lies_in_it(held: list[str], wanted: list[str], whole: bool) -> None:
    """A province its cities, a city its counties, the country every province; never the other way round."""
    assert covers(held, wanted) is whole


def test_what_is_frozen_is_a_copy_of_the_entry() -> None:
    """A later change of the entry changes nothing that was accepted."""
    entry = an_entry("37")
    frozen = coverage_of(entry)
    entry["region_codes"].append("3701")
    entry["levels"].clear()
    assert (frozen["region_codes"], frozen["levels"]) == (["37"], ["province", "city", "county"])
    asked = {**a_query("37", row=2), "coverage": frozen}
    assert accepted([asked, {**a_query("32"), "coverage": None}]) == {("37", 2): frozen}  # type: ignore[list-item]


def test_words_name_region_levels_period_and_date() -> None:
    """In both languages; what a provider does not state is said to be unstated."""
    frozen = coverage_of(an_entry("37"))
    assert coverage_words(frozen) == "山东省（省、市、县），2000-01-01 起，截至 2026-10-31"
    assert coverage_words(frozen, "en") == "山东省 (province, city, county), 2000-01-01 起, as of 2026-10-31"
    assert no_record_words("", "", None, []) == "查无记录：覆盖未说明，截至 未说明"
    told = no_record_words("all cars", "2026-01-01", frozen, ["as_of_earlier", "levels_fewer"], "en")
    assert told.startswith("no record: covering all cars, as of 2026-01-01 (catalog at acceptance: 山东省")
    assert told.endswith(f"; note: {SHORTFALLS['as_of_earlier'][1]}; {SHORTFALLS['levels_fewer'][1]}")
