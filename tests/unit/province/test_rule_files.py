"""Rule files: the nation's as shipped, a province's that may only be stricter, every fault with its line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipeline.demo.application import SCHEDULE
from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.errors import ConfigError
from pipeline.domain.rules import SPOT_FACTS, CaseFacts
from pipeline.province.rule_files import base_file, load_base, load_own, load_rule_book
from tests.unit.domain.samples import a_row

BASE = load_base(base_file())
EIGHT = (
    "最低生活保障", "特困人员供养", "受灾人员救助", "医疗救助", "教育救助", "住房救助", "就业救助", "临时救助"
)  # fmt: skip
"""The chapters of 《社会救助暂行办法》, in its order."""


def write(folder: Path, text: str, name: str = "37.yaml") -> Path:
    """A rule file with this text."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path) -> list[str]:
    """What is wrong with a province's file, one line a fault."""
    with pytest.raises(ConfigError) as caught:
        load_own(path, BASE)
    return str(caught.value).splitlines()


def test_the_eight_kinds_of_assistance_are_listed_and_start_by_themselves() -> None:
    """All of the decree's kinds may be filed, and none waits for an officer only for what it is."""
    assert set(EIGHT) <= BASE.allowed.keys()
    assert set(EIGHT) <= BASE.auto.business_categories


def test_minimum_living_security_may_ask_for_all_ten() -> None:
    """The sample's business asks for each category of Art. 3, and a roster of thousands starts by itself."""
    schedule = [a_row(row=n, category=category) for n, (_, category, _) in enumerate(SCHEDULE, 1)]
    assert {row["category"] for row in schedule} == BASIC_CATEGORIES.keys()
    case = CaseFacts("53", "最低生活保障", "最低生活保障对象家庭经济状况核对", schedule, 20_000)
    assert BASE.verdict(case).kind == "accept"
    assert BASE.verdict(replace(case, person_count=20_001)).kind == "hold"


def test_every_business_names_categories_that_exist() -> None:
    """No typing error makes a category that nobody can offer."""
    for categories in BASE.allowed.values():
        assert categories
        assert categories <= BASIC_CATEGORIES.keys()


def test_the_file_says_in_comments_what_is_assumed() -> None:
    """What the regulation says and what this project assumes are told apart."""
    text = base_file().read_text(encoding="utf-8")
    assert "Assumed by this project" in text
    assert set(yaml.safe_load(text)) == {
        "most_persons", "business", "auto_accept", "doubtful_words", "two_person", "spot_check"
    }  # fmt: skip


def test_a_province_tightens_with_chinese_names(tmp_path: Path) -> None:
    """Only what is stricter is written; categories by Chinese name or id."""
    path = write(
        tmp_path, "business:\n  教育救助: [户籍, education]\nauto_accept:\n  most_persons: 50\ntwo_person: true\n"
    )
    own = load_own(path, BASE)
    assert own.allowed["教育救助"] == {"household_registration", "education"}
    assert (own.auto.most_persons, own.two_person) == (50, True)
    assert replace(own.auto, most_persons=20_000) == BASE.auto


def test_an_empty_file_is_the_base(tmp_path: Path) -> None:
    """Nothing said, nothing changed; a file with no mapping at all is a fault all the same."""
    assert load_own(write(tmp_path, "{}\n"), BASE) == BASE
    assert faults(write(tmp_path, ""))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two_person: true\nmost_persons: 100001\n", "37.yaml:2: most_persons: 100001 is laxer than the base's 100000"),
        (
            "business:\n  就业救助: [户籍, 医疗, 教育]\n",
            "37.yaml:2: business.就业救助: by the base it may not ask for education, medical",
        ),
        ("business:\n  贷款审批: [户籍]\n", "37.yaml:2: business.贷款审批: the base does not list this business"),
        (
            "auto_accept:\n  levels: [province, county]\n",
            "37.yaml:2: auto_accept.levels: by the base an officer decides on county",
        ),
        ("spot_check:\n  weights:\n    held: 0\n", "37.yaml:3: spot_check.weights.held: 0 is laxer than the base's 3"),
    ],
)
def test_a_looser_place_is_named_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    """Art. 14: 根据本办法; what goes beyond it is refused and shown."""
    assert faults(write(tmp_path, text)) == [line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("most_person: 5\n", "37.yaml:1: most_person: unknown key (did you mean 'most_persons'?)"),
        ("most_persons: '5'\n", "37.yaml:1: most_persons: Input should be a valid integer"),
        ("most_persons: -1\n", "37.yaml:1: most_persons: Input should be greater than or equal to 0"),
        ("two_person: ja\n", "37.yaml:1: two_person: Input should be a valid boolean"),
        ("two_person: true\ntwo_person: false\n", "37.yaml:2: key 'two_person' is written twice"),
        ("doubtful_words: [贷款, 贷款]\n", "37.yaml:1: doubtful_words: listed twice"),
    ],
)
def test_faults_of_writing_have_their_line(tmp_path: Path, text: str, line: str) -> None:
    """Rules are read strictly: a slip is never taken for a rule."""
    assert faults(write(tmp_path, text)) == [line]


def test_an_unknown_fact_or_category_is_a_fault(tmp_path: Path) -> None:
    """A weight that nothing can ever have, and a category written in capitals, would be silently without effect."""
    assert "unknown facts: rich" in faults(write(tmp_path, "spot_check:\n  weights: {rich: 3}\n"))[0]
    assert "business" in faults(write(tmp_path, "business:\n  教育救助: [Education]\n"))[0]


def test_a_base_without_a_key_is_refused(tmp_path: Path) -> None:
    """The nation's file leaves nothing open, and auto-accepts only what it lists."""
    text = (
        base_file().read_text(encoding="utf-8").replace("two_person: false", "").replace("    - 临时救助", "    - 临时")
    )
    with pytest.raises(ConfigError) as caught:
        load_base(write(tmp_path, text, "base.yaml"))
    assert str(caught.value).splitlines() == [
        "base.yaml: two_person: this key is missing",
        "base.yaml: auto_accept.business: 临时 is not among the businesses",
    ]


def test_the_rule_book_reads_a_folder(tmp_path: Path) -> None:
    """One file a province; a file that names none stops the start rather than being passed over."""
    write(tmp_path, "two_person: true\n", "53.yaml")
    book = load_rule_book(tmp_path)
    assert (book.for_party("53").two_person, book.for_party("37").two_person) == (True, False)
    write(tmp_path, "two_person: true\n", "yunnan.yaml")
    with pytest.raises(ConfigError, match=r"yunnan\.yaml: name a province's rules by its code"):
        load_rule_book(tmp_path)
    assert load_rule_book(tmp_path / "absent").own == {}


def test_the_page_explains_every_key_and_every_fact() -> None:
    """docs/rules.md leaves no key of the file and no weight of the draw to be guessed."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
    text = yaml.safe_load(base_file().read_text(encoding="utf-8"))
    keys = {*text, *text["auto_accept"], *text["spot_check"], *SPOT_FACTS} - {"auto_accept", "spot_check"}
    assert [key for key in sorted(keys) if not re.search(rf"`([a-z_]+\.)?{key}`", page)] == []
    assert text["spot_check"]["weights"].keys() == set(SPOT_FACTS)
