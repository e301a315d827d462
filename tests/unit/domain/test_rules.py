"""The rules: what may be asked for which business, what is held, and that a province can only be stricter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.domain.rules import AutoAccept, CaseFacts, OwnRules, RuleBook, Rules, SpotCheck, tighten
from pipeline.domain.wording import explain
from tests.unit.domain.samples import a_row

BASE = Rules(
    allowed={
        "最低生活保障": frozenset({"household_registration", "real_estate", "vehicles"}),
        "教育救助": frozenset({"household_registration", "education"}),
        "救灾": frozenset({"household_registration"}),
    },
    listed=frozenset({"household_registration", "real_estate", "vehicles", "education", "marriage"}),
    most_persons=1000,
    auto=AutoAccept(
        most_persons=100,
        business_categories=frozenset({"最低生活保障", "教育救助"}),
        levels=frozenset({"province", "city"}),
        rechecks=True,
        sealed_to_center=False,
        guarded_per_mille=500,
        undocumented_per_mille=100,
        undocumented_free=2,
    ),
    doubtful_words=("贷款",),
    two_person=False,
    spot_check=SpotCheck(per_mille=10, least=2, weights={"guarded": 2, "held": 3}),
)


def facts(**changes: Any) -> CaseFacts:
    """A case of ten persons that starts by itself; `changes` replace facts."""
    sound = CaseFacts("37", "最低生活保障", "审核最低生活保障申请", [a_row()], 10)
    return replace(sound, **changes)


HELD: list[tuple[str, dict[str, Any]]] = [
    ("business_category_unlisted", {"business_category": "其他救助"}),
    ("hold_business_category", {"business_category": "救灾"}),
    ("category_unlisted", {"schedule": [a_row(category="pets")]}),
    ("hold_persons", {"person_count": 101}),
    ("hold_unit_level", {"unit_level": "county"}),
    ("hold_seal_to_center", {"seal_to_center": True}),
    ("hold_guarded", {"guarded": 6}),
    ("hold_undocumented", {"undocumented": 3}),
    ("hold_purpose", {"purpose": "贷款审批"}),
]

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("rules_too_many_persons", {"person_count": 1001}),
    ("category_not_for_purpose", {"schedule": [a_row(), a_row(row=2, category="education")]}),
]


def test_a_sound_case_is_accepted() -> None:
    """Within every limit nothing is held and nothing is said."""
    verdict = BASE.verdict(facts())
    assert (verdict.kind, verdict.faults) == ("accept", [])


@pytest.mark.parametrize(
    "changes",
    [
        {"person_count": 100},
        {"unit_level": "city"},
        {"guarded": 5},
        {"undocumented": 2},
        {"person_count": 30, "undocumented": 3},
        {"is_recheck": True},
    ],
)
def test_the_limit_itself_is_accepted(changes: dict[str, Any]) -> None:
    """A limit is the last value that starts by itself."""
    assert BASE.verdict(facts(**changes)).kind == "accept"


@pytest.mark.parametrize(("code", "changes"), HELD)
def test_what_is_beyond_a_limit_is_held_and_told(code: str, changes: dict[str, Any]) -> None:
    """Each condition alone holds the application, and the verdict says which it was, in both languages."""
    verdict = BASE.verdict(facts(**changes))
    assert (verdict.kind, [fault["code"] for fault in verdict.faults]) == ("hold", [code])
    assert "?" not in explain(verdict.faults[0], "zh") + explain(verdict.faults[0], "en")


def test_a_recheck_is_held_where_the_rules_say_so() -> None:
    """复核 may be for an officer's eyes only."""
    strict = tighten(BASE, OwnRules(auto_rechecks=False))
    assert [fault["code"] for fault in strict.verdict(facts(is_recheck=True)).faults] == ["hold_recheck"]


@pytest.mark.parametrize(("code", "changes"), REFUSED)
def test_what_may_not_be_asked_is_refused(code: str, changes: dict[str, Any]) -> None:
    """Hard limits and categories outside the business are reasons to reject."""
    verdict = BASE.verdict(facts(**changes))
    assert (verdict.kind, [fault["code"] for fault in verdict.faults]) == ("reject", [code])


@pytest.mark.parametrize(
    "purpose", ["貸款審批", "贷 款审批", "申请贷\u3000款", "贷·款", "商业贷\u200b款", "贷（款）", "贷_款", "贷\n款"]
)
def test_a_doubtful_word_is_found_however_it_is_written(purpose: str) -> None:
    """Traditional characters and blanks between do not hide it."""
    assert [fault["code"] for fault in BASE.verdict(facts(purpose=purpose)).faults] == ["hold_purpose"]


def test_a_refused_row_is_named() -> None:
    """The fault points at the schedule row, so that the form can be mended."""
    schedule = [a_row(), a_row(row=2, category="education"), a_row(row=3, category="marriage")]
    assert [fault["row"] for fault in BASE.verdict(facts(schedule=schedule)).faults] == [2, 3]


def test_all_reasons_come_at_once_and_rejection_comes_first() -> None:
    """Nobody mends one fault to be told the next; what is refused is not also held."""
    many = facts(person_count=500, unit_level="county", purpose="贷款")
    assert {f["code"] for f in BASE.verdict(many).faults} == {"hold_persons", "hold_unit_level", "hold_purpose"}
    worse = BASE.verdict(replace(many, schedule=[a_row(category="education")]))
    assert (worse.kind, [f["code"] for f in worse.faults]) == ("reject", ["category_not_for_purpose"])


def test_an_unlisted_business_is_held_and_may_ask_for_what_every_listed_one_may() -> None:
    """Nobody has said yet what it may ask for, so an officer does; not for more than the rules let anybody (Art. 11)."""
    verdict = BASE.verdict(facts(business_category="其他救助"))
    assert (verdict.kind, [fault["code"] for fault in verdict.faults]) == ("hold", ["business_category_unlisted"])
    more = BASE.verdict(facts(business_category="其他救助", schedule=[a_row(), a_row(row=2, category="education")]))
    assert (more.kind, [(f["code"], f["row"]) for f in more.faults]) == ("reject", [("category_not_for_purpose", 2)])
    unheard_of = BASE.verdict(facts(business_category="其他救助", schedule=[a_row(category="pets")]))
    assert unheard_of.kind == "hold"


def test_what_is_missing_is_not_also_judged_by_the_rules() -> None:
    """A form without a business is incomplete: that is told, not five categories; one of signs alone is an unlisted one."""
    schedule = [a_row(category="education")]
    assert BASE.verdict(facts(business_category=" ", schedule=schedule)).kind == "hold"
    assert BASE.verdict(facts(business_category="··", schedule=schedule)).kind == "reject"


@pytest.mark.parametrize("business", ["教育 救助", "教育\u200b救助", "教育·救助", "「教育救助」", "\u3000教育救助"])
def test_another_spelling_of_a_business_is_that_business(business: str) -> None:
    """Whoever puts a blank into 教育救助 asks for no more than 教育救助 may, and for no less."""
    assert BASE.verdict(facts(business_category=business)).kind == "accept"
    asked = BASE.verdict(facts(business_category=business, schedule=[a_row(category="vehicles")]))
    assert (asked.kind, [fault["code"] for fault in asked.faults]) == ("reject", ["category_not_for_purpose"])


def test_a_doubtful_word_of_a_province_may_be_in_the_other_script() -> None:
    """Its file and the form are compared in one script."""
    own = tighten(BASE, OwnRules(doubtful_words=("徵 信",)))
    assert [fault["code"] for fault in own.verdict(facts(purpose="征信核查")).faults] == ["hold_purpose"]


def test_a_category_that_a_province_leaves_out_everywhere_is_still_listed() -> None:
    """Stricter rules refuse it; they do not turn a refusal into an officer's choice."""
    strict = tighten(BASE, OwnRules(allowed={name: frozenset() for name in BASE.allowed}))
    assert strict.verdict(facts()).kind == "reject"


def test_long_numbers_of_a_form_are_not_repeated() -> None:
    """What the form says is shown masked: a fault never carries an ID number."""
    verdict = BASE.verdict(facts(business_category="救助370102198005061234"))
    assert "370102" not in str(verdict.faults)


STRICTER = [
    OwnRules(allowed={"教育救助": frozenset({"education"})}),
    OwnRules(allowed={"救灾": frozenset()}),
    OwnRules(most_persons=10),
    OwnRules(auto_most_persons=0, auto_business_categories=frozenset(), auto_levels=frozenset({"province"})),
    OwnRules(auto_rechecks=False, auto_sealed_to_center=False, two_person=True),
    OwnRules(auto_guarded_per_mille=0, auto_undocumented_per_mille=0, auto_undocumented_free=0),
    OwnRules(doubtful_words=("中介",), spot_per_mille=20, spot_least=5, spot_weights={"guarded": 3, "county": 1}),
]

LOOSER = [
    ("business.教育救助", OwnRules(allowed={"教育救助": frozenset({"education", "vehicles"})})),
    ("business.其他", OwnRules(allowed={"其他": frozenset()})),
    ("most_persons", OwnRules(most_persons=1001)),
    ("auto_accept.most_persons", OwnRules(auto_most_persons=101)),
    ("auto_accept.business", OwnRules(auto_business_categories=frozenset({"救灾"}))),
    ("auto_accept.levels", OwnRules(auto_levels=frozenset({"county"}))),
    ("auto_accept.sealed_to_center", OwnRules(auto_sealed_to_center=True)),
    ("auto_accept.guarded_per_mille", OwnRules(auto_guarded_per_mille=501)),
    ("auto_accept.undocumented_per_mille", OwnRules(auto_undocumented_per_mille=101)),
    ("auto_accept.undocumented_free", OwnRules(auto_undocumented_free=3)),
    ("spot_check.per_mille", OwnRules(spot_per_mille=9)),
    ("spot_check.least", OwnRules(spot_least=1)),
    ("spot_check.weights.held", OwnRules(spot_weights={"held": 2})),
]


@pytest.mark.parametrize("own", STRICTER)
def test_stricter_rules_are_taken(own: OwnRules) -> None:
    """Whatever the base accepts and the own rules do not, is no longer accepted; never the other way round."""
    strict = tighten(BASE, own)
    rank = {"accept": 0, "hold": 1, "reject": 2}
    cases = [facts(**changes) for _, changes in (*HELD, *REFUSED, ("", {}))]
    assert all(rank[strict.verdict(case).kind] >= rank[BASE.verdict(case).kind] for case in cases)
    assert strict != BASE or own.auto_sealed_to_center is False


@pytest.mark.parametrize(("key", "own"), LOOSER)
def test_looser_rules_are_refused(key: str, own: OwnRules) -> None:
    """Art. 14 lets a province carry the regulation out, not widen it: the place is named."""
    with pytest.raises(ValueError, match=f"^{key}: "):
        tighten(BASE, own)


def test_a_two_person_rule_is_never_lifted() -> None:
    """Where the nation wants two officers, no province settles for one."""
    with pytest.raises(ValueError, match=r"^two_person: false is laxer than the base's true$"):
        tighten(replace(BASE, two_person=True), OwnRules(two_person=False))


def test_every_looser_place_is_named_at_once() -> None:
    """One reading of the report mends the file."""
    with pytest.raises(ValueError, match="laxer") as caught:
        tighten(BASE, OwnRules(most_persons=5000, spot_least=0, auto_levels=frozenset({"county"})))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "auto_accept.levels",
        "most_persons",
        "spot_check.least",
    ]


def test_own_parts_are_added_or_replace_and_the_rest_stays() -> None:
    """Words and weights are added, numbers replaced, and what is not given is the base's."""
    own = OwnRules(doubtful_words=("中介", "贷款"), spot_weights={"county": 4}, auto_most_persons=50)
    strict = tighten(BASE, own)
    assert strict.doubtful_words == ("贷款", "中介")
    assert strict.spot_check.weights == {"guarded": 2, "held": 3, "county": 4}
    assert replace(strict.auto, most_persons=100) == BASE.auto
    assert (strict.allowed, strict.most_persons, strict.two_person) == (BASE.allowed, 1000, False)


def test_a_rule_book_gives_each_province_its_own() -> None:
    """A province without a file of its own has the base."""
    strict = tighten(BASE, OwnRules(two_person=True))
    book = RuleBook(BASE, {"37": strict})
    assert book.for_party("37") is strict
    assert book.for_party("53") is BASE


@pytest.mark.parametrize(("persons", "drawn"), [(0, 0), (1, 1), (2, 2), (200, 2), (201, 3), (1000, 10), (1001, 11)])
def test_the_spot_check_draws_a_share_and_a_least_number(persons: int, drawn: int) -> None:
    """Of 1,000 ten, rounded up; never fewer than two where there are two."""
    assert BASE.spot_check.sample_size(persons) == drawn


def test_weights_add_up_by_fact() -> None:
    """Everybody can be drawn; who has more of the facts is likelier."""
    assert [BASE.spot_check.weight(names) for names in ([], ["guarded"], ["guarded", "held", "county"])] == [1, 3, 6]
