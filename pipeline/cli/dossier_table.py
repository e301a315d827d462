"""Dossiers on a screen: a line a person, a column a category; and how the providers answered."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.markup import escape
from rich.table import Table

from pipeline.cli.output import console
from pipeline.domain.answer_codes import STATUS_MARKS, STATUS_WORDS, explain_code
from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.coverage import difference_words
from pipeline.domain.dossiers import Dossier, Result
from pipeline.domain.printing import visible
from pipeline.domain.wording import Language, provider_words
from pipeline.stages.clock import local_time

NOTHING: Final = "·"
"""A cell of the table where whoever answered has nothing on record."""

_SHORT: Final[dict[str, tuple[str, str]]] = {
    "household_registration": ("户籍", "home"),
    "marriage": ("婚姻", "marr"),
    "cremation": ("火化", "crem"),
    "social_insurance": ("社保", "insur"),
    "real_estate": ("不动产", "estate"),
    "business": ("工商", "firm"),
    "housing_fund": ("公积金", "fund"),
    "vehicles": ("车船", "car"),
    "medical": ("医疗", "medic"),
    "education": ("教育", "educ"),
}
"""Names of the categories of Art. 3 in a column's head."""

_ORDER: Final = list(BASIC_CATEGORIES)
_PERSON: Final = (("户号", "household"), ("姓名", "name"), ("关系", "relation"))
_TITLES: Final = (
    ("家庭经济状况档案", "Dossiers"),
    ("各提供方反馈情况", "How the providers answered"),
    ("覆盖范围和截止日期（“查无记录”以此为限）", "Coverage and date, within which there is no record"),
)
_LEGEND: Final = (
    "数字：查到的记录条数；{nothing} 查无记录；{marks}；空白：未查询",
    "number: records found; {nothing} no record; {marks}; blank: not asked",
)


def show_dossiers(dossiers: Sequence[Dossier], names: Mapping[str, str], lang: Language) -> None:
    """Print a line a person, and a legend. `names`: category → Chinese name, as the catalog has it."""
    categories = in_order({r["category"] for d in dossiers for p in d["persons"] for r in p["results"]})
    people = [word[lang == "en"] for word in _PERSON]
    drawn = _table([*people, *(_short(category, names, lang) for category in categories)], right_from=len(people))
    for dossier in dossiers:
        for position, person in enumerate(dossier["persons"]):
            by_category = {c: [r for r in person["results"] if r["category"] == c] for c in categories}
            cells = [cell(by_category[category], lang) for category in categories]
            household = dossier["household"] if position == 0 else ""
            drawn.add_row(*map(_shown, (household, person["name"], person["relation"], *cells)))
    _print(_TITLES[0], lang, drawn)
    marks = [(mark[lang == "en"], STATUS_WORDS[status][lang == "en"]) for status, mark in STATUS_MARKS.items()]
    joint = "；" if lang == "zh" else "; "
    told = joint.join(f"{mark} {word}" for mark, word in marks)
    console(sys.stdout).print(escape(_LEGEND[lang == "en"].format(nothing=NOTHING, marks=told)), soft_wrap=True)
    show_coverage(dossiers, names, lang)


def show_coverage(dossiers: Iterable[Dossier], names: Mapping[str, str], lang: Language) -> None:
    """Print what 查无记录 means here: the coverage and as-of date of each provider and category that said so.

    And who answered from less than the catalog promised at acceptance, whatever the answer was.
    """
    told: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for dossier in dossiers:
        for person in dossier["persons"]:
            for result in person["results"]:
                if result["status"] == "no_record" or result["coverage_differs"]:
                    line = (result["coverage"] or "", result["as_of"] or "", " ".join(result["coverage_differs"]))
                    told[(result["category"], result["provider"], " ".join(line))] = line
    if not told:
        return
    heads = ("内容类别", "提供方", "覆盖", "截至", "与受理时目录不符")
    english = ("category", "provider", "covering", "as of", "less than the catalog promised")
    differs = any(line[2] for line in told.values())
    drawn = _table((english if lang == "en" else heads)[: 5 if differs else 4], right_from=5)
    for category in in_order({category for category, _, _ in told}):
        for key in sorted(key for key in told if key[0] == category):
            coverage, as_of, codes = told[key]
            cells = [category_words(category, names, lang), provider_words(key[1], lang), coverage, as_of]
            cells += [difference_words(codes.split(), lang)] if differs else []
            drawn.add_row(*map(_shown, cells))
    _print(_TITLES[2], lang, drawn)


def cell(results: Iterable[Result], lang: Language) -> str:
    """One person's results in one category, of all providers and rows: records found, then marks of what is open."""
    results = list(results)
    found = sum(len(result["entries"]) for result in results)
    statuses = {result["status"] for result in results}
    answered = "" if statuses.isdisjoint(("found", "no_record")) else str(found) if found else NOTHING
    return answered + "".join(mark[lang == "en"] for status, mark in STATUS_MARKS.items() if status in statuses)


def show_statuses(dossiers: Iterable[Dossier], names: Mapping[str, str], lang: Language) -> None:
    """Print how many sub-queries ended how, by category and provider, and why those without an answer have none."""
    lines: dict[tuple[str, str], list[Result]] = {}
    for dossier in dossiers:
        for person in dossier["persons"]:
            for result in person["results"]:
                lines.setdefault((result["category"], result["provider"]), []).append(result)
    seen = {result["status"] for results in lines.values() for result in results}
    columns = [status for status in STATUS_WORDS if status in seen]
    heads = ("内容类别", "提供方", "原因") if lang == "zh" else ("category", "provider", "why not")
    words = [STATUS_WORDS[status][lang == "en"] for status in columns]
    drawn = _table([*heads[:2], *words, heads[2]], right_from=2, right_to=2 + len(columns))
    for category in in_order({category for category, _ in lines}):
        for provider in sorted(provider for known, provider in lines if known == category):
            results = lines[category, provider]
            counts = [sum(result["status"] == status for result in results) for status in columns]
            cells = (str(count) if count else "" for count in counts)
            first = category_words(category, names, lang), provider_words(provider, lang)
            drawn.add_row(*map(_shown, (*first, *cells, reasons(results, lang))))
    _print(_TITLES[1], lang, drawn)


def reasons(results: Iterable[Result], lang: Language) -> str:
    """Why some of these have no answer, each reason once."""
    told = {_reason(result, lang): None for result in results if result["code"] or result["until"]}
    return ("；" if lang == "zh" else "; ").join(told)


def in_order(categories: Iterable[str]) -> list[str]:
    """The ten of Art. 3 in its order, then the others by id."""
    return sorted(categories, key=lambda c: (_ORDER.index(c) if c in BASIC_CATEGORIES else len(_ORDER), c))


def category_words(category: str, names: Mapping[str, str], lang: Language) -> str:
    """A category's full name; in English the id of one that Art. 3 does not name."""
    english = BASIC_CATEGORIES[category][1] if category in BASIC_CATEGORIES else category
    return english if lang == "en" else names.get(category, BASIC_CATEGORIES.get(category, (category,))[0])


def _shown(text: str) -> str:
    """For rich, and for a terminal: providers choose codes, and rosters names."""
    return escape(visible(text))


def _short(category: str, names: Mapping[str, str], lang: Language) -> str:
    return _SHORT[category][lang == "en"] if category in _SHORT else category_words(category, names, lang)


def _reason(result: Result, lang: Language) -> str:
    words = explain_code(result["code"], lang)
    if result["until"] is None:
        return words
    until = local_time(result["until"])
    when = f"{until} 前暂停服务" if lang == "zh" else f"until {until}"
    return f"{words} ({when})" if words else when


def _table(heads: Sequence[str], *, right_from: int, right_to: int | None = None) -> Table:
    """A narrow table without rules, one blank between columns; those from `right_from` to `right_to` hold numbers."""
    drawn = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    last = len(heads) if right_to is None else right_to
    for number, head in enumerate(heads):
        justify = "right" if right_from <= number < last else "left"
        drawn.add_column(_shown(head), justify=justify, overflow="fold")  # type: ignore[arg-type]  # one of rich's words
    return drawn


def _print(title: tuple[str, str], lang: Language, drawn: Table) -> None:
    screen = console(sys.stdout)
    screen.print(f"\n{title[lang == 'en']}", style="bold", highlight=False)
    screen.print(drawn)
