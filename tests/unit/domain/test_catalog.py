"""Catalog releases, and answers against their entries."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pipeline.domain.catalog import BASIC_CATEGORIES, Release, check_answer
from pipeline.domain.records import Entry, ResourceAnswer
from tests.unit.domain.samples import a_release, an_entry


def an_answer(*entries: dict[str, Any], status: str | None = None) -> ResourceAnswer:
    """An answer with one entry for each mapping of items."""
    found: list[Entry] = [{"items": [{"item": k, "value": v} for k, v in entry.items()]} for entry in entries]
    word = status or ("found" if entries else "no_record")
    return cast("ResourceAnswer", {"row": 1, "status": word, "as_of": "2026-10-31", "coverage": "", "entries": found})


def test_release_says_who_offers_what() -> None:
    """Offers are in order of party; an entry that is not there is an error of the caller."""
    release = a_release()
    assert release.offers("household_registration") == ["32", "37"]
    assert release.offers("cremation") == []
    assert release.entry("00", "social_insurance")["name"] == "社会保险"
    with pytest.raises(KeyError):
        release.entry("37", "cremation")
    assert release.categories() == ["household_registration", "social_insurance"]


def test_names_and_ids_of_categories_lead_to_each_other() -> None:
    """A new category needs an entry and nothing else; the ten of Art. 3 are known before anyone offers them."""
    release = Release.of(2, [an_entry("37", "fishing_boats", "渔船")])
    assert release.category_from("渔船") == "fishing_boats" == release.category_from(" fishing_boats ")
    assert release.category_name("fishing_boats") == "渔船"
    assert release.category_from("遗体火化") == "cremation"
    assert release.category_name("cremation") == "遗体火化"
    assert release.category_from("飞机") == "飞机" == release.category_name("飞机")
    assert release.knows("cremation")
    assert not release.knows("飞机")
    assert len(BASIC_CATEGORIES) == 10


def test_one_provider_reports_a_category_once() -> None:
    """Two entries for one resource would make the release ambiguous."""
    with pytest.raises(ValueError, match="twice"):
        Release.of(1, [an_entry(), an_entry()])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (an_answer(), None),
        (an_answer({"address": "济南", "moved": "2001-02-03", "members": 3, "area": "88.50", "rural": False}), None),
        (an_answer({"address": "济南", "moved": None}), None),
        (an_answer(status="found"), "answer_status"),
        (an_answer({"address": "济南"}, status="no_record"), "answer_status"),
        (an_answer({"address": "济南", "salary": 1}), "answer_item_unknown"),
        (an_answer({"moved": "2001-02-03"}), "answer_item_missing"),
        (an_answer({"address": None}), "answer_item_missing"),
        (an_answer({"address": "济南"}, {}), "answer_item_missing"),
        (an_answer({"address": 5}), "answer_type"),
        (an_answer({"address": "济南", "moved": "2001-02-30"}), "answer_type"),
        (an_answer({"address": "济南", "members": True}), "answer_type"),
        (an_answer({"address": "济南", "members": "3"}), "answer_type"),
        (an_answer({"address": "济南", "area": "1e3"}), "answer_type"),
        (an_answer({"address": "济南", "rural": 1}), "answer_type"),
    ],
)
def test_answers_are_held_to_the_entry(answer: ResourceAnswer, code: str | None) -> None:
    """Items must be listed, of their type, and the required ones there."""
    assert check_answer(an_entry(), answer) == code


def test_an_item_answered_twice_is_refused() -> None:
    """Which of the two holds, nobody could say."""
    answer = an_answer({"address": "济南"})
    answer["entries"][0]["items"].append({"item": "address", "value": "青岛"})
    assert check_answer(an_entry(), answer) == "answer_item_repeated"
