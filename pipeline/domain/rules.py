"""What may be asked for which business, and what an officer must look at first (Art. 8, 9, 11, 14): pure.

The nation's rules are the base; a province's own (实施细则, Art. 14) may be stricter in every place and laxer in none.
The rules judge what can be counted and compared. Whether an application is doubtful beyond that (有疑问的查询申请,
Art. 9) is for the officer to whom `hold` brings it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final, Literal

from pipeline.domain.characters import simplified
from pipeline.domain.faults import fault, shown
from pipeline.domain.records import Application, Fault, Person, ScheduleRow

UnitLevel = Literal["province", "city", "county"]
"""Who stands behind an application: the province, or one of its cities or counties with its consent (Art. 3)."""

SPOT_FACTS: Final = (
    "guarded",
    "undocumented",
    "city",
    "county",
    "recheck",
    "held",
    "unlisted",
    "supplemented",
    "overdue",
    "questioned",
)
"""What can make a person already queried more likely to be spot-checked: facts of the person or of the application."""


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the rules look at in one application. `guarded`, `undocumented`: persons with a guardian, without document."""

    requester: str
    business_category: str
    purpose: str
    schedule: Sequence[ScheduleRow]
    person_count: int
    unit_level: UnitLevel = "province"
    seal_to_center: bool = False
    is_recheck: bool = False
    guarded: int = 0
    undocumented: int = 0


def facts_of(app: Application, persons: Iterable[Person]) -> CaseFacts:
    """The facts of a whole application and its roster."""
    roster = list(persons)
    return CaseFacts(
        requester=app["requester"],
        business_category=app["business_category"],
        purpose=app["purpose"],
        schedule=app["schedule"],
        person_count=len(roster),
        unit_level=app["unit_consent"]["level"] if app["unit_consent"] else "province",
        seal_to_center=app["seal_to_center"],
        is_recheck=app["recheck"] is not None,
        guarded=sum(person["consent_by"] == "guardian" for person in roster),
        undocumented=sum(person["document_type"] == "none" for person in roster),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """`accept`: start at once; `hold`: an officer decides, `faults` say why; `reject`: `faults` are the reasons."""

    kind: Literal["accept", "hold", "reject"]
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class AutoAccept:
    """What may start without an officer. Whatever is beyond it is held, never refused."""

    most_persons: int
    business_categories: frozenset[str]
    levels: frozenset[UnitLevel]
    rechecks: bool
    sealed_to_center: bool
    guarded_per_mille: int
    """Share of persons under a guardian, of 1,000; 1,000 sets no limit."""
    undocumented_per_mille: int
    undocumented_free: int
    """So many persons without document are never too many, whatever their share: a household has its infant."""


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """The monthly draw among persons already queried (已查询人员, Art. 9): how many, and who is likelier to be drawn."""

    per_mille: int
    least: int
    weights: Mapping[str, int] = field(hash=False)

    def sample_size(self, persons: int) -> int:
        """How many of `persons` to draw: the share, rounded up, at least `least`, never more than there are."""
        return min(persons, max(self.least, -(-persons * self.per_mille // 1000)))

    def weight(self, facts: Iterable[str]) -> int:
        """A person's weight in the draw: 1, and more for every fact (of `SPOT_FACTS`) that holds."""
        return 1 + sum(self.weights.get(name, 0) for name in facts)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold for one province's applications.

    `allowed`: business category (业务类别) → resource categories that it may ask for; `listed`: the resource categories
    that the nation's rules name anywhere; `most_persons`: more are refused; `doubtful_words`: words of a purpose (用途)
    that an officer has to look at.
    """

    allowed: Mapping[str, frozenset[str]] = field(hash=False)
    listed: frozenset[str]
    most_persons: int
    auto: AutoAccept
    doubtful_words: tuple[str, ...]
    two_person: bool
    spot_check: SpotCheck

    def verdict(self, facts: CaseFacts) -> Verdict:
        """Judge an application. All reasons at once; reasons to hold are not told where there are reasons to reject."""
        refused = self._refused(facts)
        if refused:
            return Verdict("reject", refused)
        held = self._held(facts)
        return Verdict("hold" if held else "accept", held)

    def _refused(self, facts: CaseFacts) -> list[Fault]:
        found: list[Fault] = []
        if facts.person_count > self.most_persons:
            found.append(fault("rules_too_many_persons", limit=self.most_persons))
        if not facts.business_category.strip():
            return found  # what is missing is told by the formal review, and nothing else of it
        allowed = self.may_ask(facts.business_category)
        for row in facts.schedule:
            if row["category"] in self.listed - allowed:
                business, category = shown(facts.business_category), shown(row["category"])
                found.append(fault("category_not_for_purpose", row=row["row"], business=business, category=category))
        return found

    def _held(self, facts: CaseFacts) -> list[Fault]:
        auto, found = self.auto, []
        names = self._named(facts.business_category)
        if not names:
            found.append(fault("business_category_unlisted", business=shown(facts.business_category)))
        elif not auto.business_categories.issuperset(names):
            found.append(fault("hold_business_category", business=shown(facts.business_category)))
        for row in facts.schedule:
            if row["category"] not in self.listed:  # the catalog has grown (Art. 12), the rules not yet
                found.append(fault("category_unlisted", row=row["row"], category=shown(row["category"])))
        if facts.person_count > auto.most_persons:
            found.append(fault("hold_persons", limit=auto.most_persons))
        if facts.unit_level not in auto.levels:
            found.append(fault("hold_unit_level", level=facts.unit_level))
        if facts.is_recheck and not auto.rechecks:
            found.append(fault("hold_recheck"))
        if facts.seal_to_center and not auto.sealed_to_center:
            found.append(fault("hold_seal_to_center"))
        if facts.guarded * 1000 > facts.person_count * auto.guarded_per_mille:
            found.append(fault("hold_guarded", count=facts.guarded, limit=auto.guarded_per_mille))
        too_many = facts.undocumented * 1000 > facts.person_count * auto.undocumented_per_mille
        if too_many and facts.undocumented > auto.undocumented_free:
            found.append(fault("hold_undocumented", count=facts.undocumented, limit=auto.undocumented_per_mille))
        purpose = _letters(facts.purpose)
        found += [fault("hold_purpose", word=word) for word in self.doubtful_words if _letters(word) in purpose]
        return found

    def may_ask(self, business: str) -> frozenset[str]:
        """The listed categories that a business may ask for: an unlisted one what every listed one may, and no more.

        What nobody has said anything about must not get further by that than what the rules name (Art. 11).
        """
        names = self._named(business) or self.allowed.keys()
        return frozenset.intersection(self.listed, *(self.allowed[name] for name in names))

    def is_listed(self, business: str) -> bool:
        """Whether the rules name the business, however it is spelt."""
        return bool(self._named(business))

    def _named(self, business: str) -> list[str]:
        """The listed businesses that are meant: one, or none, however it is spelt."""
        spelt = _letters(business)
        return [name for name in self.allowed if _letters(name) == spelt]


def _letters(text: str) -> str:
    """Letters and digits alone: neither blanks, punctuation and what nobody can see, nor case, width or script hide a word."""
    return "".join(c for c in simplified(simplified(text).casefold()) if unicodedata.category(c)[0] in "LN")


@dataclass(frozen=True, slots=True)
class OwnRules:
    """A province's own rules: each part a value that replaces the base's, or None where the base holds.

    `allowed` names only the business categories it restricts; `doubtful_words` and `weights` are added to the base's.
    """

    allowed: Mapping[str, frozenset[str]] | None = field(default=None, hash=False)
    most_persons: int | None = None
    auto_most_persons: int | None = None
    auto_business_categories: frozenset[str] | None = None
    auto_levels: frozenset[UnitLevel] | None = None
    auto_rechecks: bool | None = None
    auto_sealed_to_center: bool | None = None
    auto_guarded_per_mille: int | None = None
    auto_undocumented_per_mille: int | None = None
    auto_undocumented_free: int | None = None
    doubtful_words: tuple[str, ...] | None = None
    two_person: bool | None = None
    spot_per_mille: int | None = None
    spot_least: int | None = None
    spot_weights: Mapping[str, int] | None = field(default=None, hash=False)


class LooserRules(ValueError):
    """A province's own rules would allow what the base does not. `places`: (path of keys, why), one for each."""

    def __init__(self, places: Sequence[tuple[tuple[str, ...], str]]) -> None:
        super().__init__("\n".join(f"{'.'.join(path)}: {why}" for path, why in places))
        self.places = list(places)


def tighten(base: Rules, own: OwnRules) -> Rules:
    """The base with a province's own rules applied (Art. 14: 根据本办法,制定实施细则).

    Raises LooserRules naming every place where its own would allow what the base does not.
    """
    if looser := [*_looser_lists(base, own), *_looser_numbers(base, own)]:
        raise LooserRules(looser)
    given = {part.name: getattr(own, part.name) for part in fields(own) if getattr(own, part.name) is not None}
    auto = {name.removeprefix("auto_"): value for name, value in given.items() if name.startswith("auto_")}
    spot = {name.removeprefix("spot_"): value for name, value in given.items() if name.startswith("spot_")}
    if "weights" in spot:
        spot["weights"] = {**base.spot_check.weights, **spot["weights"]}
    return replace(
        base,
        allowed={**base.allowed, **(own.allowed or {})},
        most_persons=given.get("most_persons", base.most_persons),
        auto=replace(base.auto, **auto),
        doubtful_words=tuple(dict.fromkeys((*base.doubtful_words, *(own.doubtful_words or ())))),
        two_person=given.get("two_person", base.two_person),
        spot_check=replace(base.spot_check, **spot),
    )


_Place = tuple[tuple[str, ...], str]


def _looser_lists(base: Rules, own: OwnRules) -> Iterable[_Place]:
    for business, categories in (own.allowed or {}).items():
        if business not in base.allowed:
            yield ("business", business), "the base does not list this business"
        elif more := sorted(categories - base.allowed[business]):
            yield ("business", business), f"by the base it may not ask for {', '.join(more)}"
    for key, mine, theirs in (
        ("business", own.auto_business_categories, base.auto.business_categories),
        ("levels", own.auto_levels, base.auto.levels),
    ):
        if mine is not None and (extra := sorted(mine - theirs)):
            yield ("auto_accept", key), f"by the base an officer decides on {', '.join(extra)}"


def _looser_numbers(base: Rules, own: OwnRules) -> Iterable[_Place]:
    auto, spot = base.auto, base.spot_check
    at_most: Callable[[int, int], bool] = int.__le__
    at_least: Callable[[int, int], bool] = int.__ge__
    table: list[tuple[str, int | None, int, Callable[[int, int], bool]]] = [
        ("most_persons", own.most_persons, base.most_persons, at_most),
        ("auto_accept.most_persons", own.auto_most_persons, auto.most_persons, at_most),
        ("auto_accept.rechecks", own.auto_rechecks, auto.rechecks, at_most),
        ("auto_accept.sealed_to_center", own.auto_sealed_to_center, auto.sealed_to_center, at_most),
        ("auto_accept.guarded_per_mille", own.auto_guarded_per_mille, auto.guarded_per_mille, at_most),
        ("auto_accept.undocumented_per_mille", own.auto_undocumented_per_mille, auto.undocumented_per_mille, at_most),
        ("auto_accept.undocumented_free", own.auto_undocumented_free, auto.undocumented_free, at_most),
        ("two_person", own.two_person, base.two_person, at_least),
        ("spot_check.per_mille", own.spot_per_mille, spot.per_mille, at_least),
        ("spot_check.least", own.spot_least, spot.least, at_least),
    ]
    for name, weight in (own.spot_weights or {}).items():
        table.append((f"spot_check.weights.{name}", weight, spot.weights.get(name, 0), at_least))
    for key, mine, theirs, fits in table:
        if mine is not None and not fits(mine, theirs):
            yield tuple(key.split(".")), f"{_told(mine)} is laxer than the base's {_told(theirs)}"


def _told(value: int) -> str:
    return str(value).lower()


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The base, and the rules of the provinces that have their own, already tightened."""

    base: Rules
    own: Mapping[str, Rules] = field(default_factory=dict, hash=False)

    def for_party(self, party: str) -> Rules:
        """The rules for a province's applications: its own, else the base."""
        return self.own.get(party, self.base)
