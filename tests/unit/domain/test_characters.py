"""Forms in traditional characters: the names of parties and categories, from a table of their own."""

from __future__ import annotations

import pytest

from pipeline.domain.catalog import BASIC_CATEGORIES, Release
from pipeline.domain.characters import in_simplified, simplified
from pipeline.domain.parties import PROVINCES, provider_from
from tests.unit.domain.samples import an_entry

PROVINCES_WRITTEN = {
    "11": ("北京", "北京市"), "12": ("天津", "天津市"), "13": ("河北", "河北省"), "14": ("山西", "山西省"),
    "15": ("內蒙古", "內蒙古自治區"), "21": ("遼寧", "遼寧省"), "22": ("吉林", "吉林省"), "23": ("黑龍江", "黑龍江省"),
    "31": ("上海", "上海市"), "32": ("江蘇", "江蘇省"), "33": ("浙江", "浙江省"), "34": ("安徽", "安徽省"),
    "35": ("福建", "福建省"), "36": ("江西", "江西省"), "37": ("山東", "山東省"), "41": ("河南", "河南省"),
    "42": ("湖北", "湖北省"), "43": ("湖南", "湖南省"), "44": ("廣東", "廣東省"), "45": ("廣西", "廣西壯族自治區"),
    "46": ("海南", "海南省"), "50": ("重慶", "重慶市"), "51": ("四川", "四川省"), "52": ("貴州", "貴州省"),
    "53": ("雲南", "雲南省"), "54": ("西藏", "西藏自治區"), "61": ("陝西", "陝西省"), "62": ("甘肅", "甘肅省"),
    "63": ("青海", "青海省"), "64": ("寧夏", "寧夏回族自治區"), "65": ("新疆", "新疆維吾爾自治區"),
    "66": ("兵團", "新疆生產建設兵團"),
}  # fmt: skip
"""Typed in traditional characters, not made by the code under test."""

REGULATION = "戶籍、婚姻登記、遺體火化、社會保險、不動產登記、工商登記、住房公積金、車船、醫療、教育"
"""Art. 3, as the regulation's own text has it (民辦發〔2018〕32號)."""


@pytest.mark.parametrize(("code", "names"), PROVINCES_WRITTEN.items())
def test_provinces_are_read_in_traditional_characters(code: str, names: tuple[str, str]) -> None:
    """Short and full name, both scripts, give the one code."""
    party = PROVINCES[code]
    assert {provider_from(text) for text in (*names, party.name, party.full_name)} == {code}


def test_all_32_are_in_the_table() -> None:
    """No province is left to be tested another day."""
    assert PROVINCES_WRITTEN.keys() == PROVINCES.keys()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("全國", "all"),
        ("部中心", "00"),
        ("部收入認定中心", "00"),
        ("民政部低收入家庭認定指導中心", "00"),
        ("山東省民政廳", "37"),
        ("山東省民政廳低收入家庭經濟狀況核對指導中心", "37"),
        ("北京市民政局", "11"),
        ("新疆生產建設兵團民政局", "66"),
        ("新疆兵團", "66"),
        ("廣西壯族自治區民政廳", "45"),
        ("３７", "37"),
    ],
)
def test_special_words_and_departments_are_read(text: str, code: str) -> None:
    """The annex's own words: 全國, 部中心, and the agency that stands behind a province's name."""
    assert provider_from(text) == code


@pytest.mark.parametrize("text", ["民政部", "民政廳", "山東省民政局", "濟南市民政局", "廣", "臺灣", "新疆生產"])
def test_an_ambiguous_or_unknown_name_is_refused(text: str) -> None:
    """A wrong department or a part of a name is nobody's."""
    with pytest.raises(ValueError, match="provider_unknown"):
        provider_from(text)


def test_the_ten_categories_are_read_as_the_regulation_writes_them() -> None:
    """Art. 3's list in its own characters gives the ten ids in order."""
    assert [Release.of(1, []).category_from(name) for name in REGULATION.split("、")] == list(BASIC_CATEGORIES)


def test_a_category_that_only_the_catalog_knows_is_read_too() -> None:
    """Categories are data: a new one's name may be written in traditional characters as well."""
    release = Release.of(1, [an_entry("37", "minimum_wage", "经济补贴")])
    assert release.category_from("經濟補貼") == "minimum_wage"
    assert release.category_from("補貼") == "補貼"


def test_other_text_is_left_alone() -> None:
    """Characters that no known word has are not converted: this is no conversion of people's names."""
    assert simplified("龜山韓") == "龜山韓"


def test_what_is_kept_as_written_keeps_its_signs() -> None:
    """A business's name is converted for the comparison with the rules; its punctuation stays."""
    assert in_simplified("臨時救助（試行）") == "临时救助（試行）"


def test_conversion_changes_nothing_that_is_simplified() -> None:
    """Reading a form in simplified characters is as it was."""
    for party in PROVINCES.values():
        assert simplified(party.full_name) == party.full_name
    for name, _ in BASIC_CATEGORIES.values():
        assert simplified(name) == name
