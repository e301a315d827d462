"""The resource catalog (资源目录, Art. 12): what each provider offers, in numbered releases.

Categories are data. The ten of Art. 3 are listed here only so that a form may name one that nobody offers yet and
be told so, rather than be told that no such category exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline.domain.characters import simplified
from pipeline.domain.periods import iso_date
from pipeline.domain.records import CatalogEntry, ResourceAnswer, Value

BASIC_CATEGORIES: Final[dict[str, tuple[str, str]]] = {
    "household_registration": ("户籍", "household registration"),
    "marriage": ("婚姻登记", "marriage registration"),
    "cremation": ("遗体火化", "cremation"),
    "social_insurance": ("社会保险", "social insurance"),
    "real_estate": ("不动产登记", "real-estate registration"),
    "business": ("工商登记", "business registration"),
    "housing_fund": ("住房公积金", "housing provident fund"),
    "vehicles": ("车船", "vehicles and vessels"),
    "medical": ("医疗", "medical care"),
    "education": ("教育", "education"),
}
"""Category id → Chinese and English name, in the order of Art. 3."""

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Release:
    """One release of the catalog: a number and its entries by (provider, category).

    `published_at`: ms; 0 for one that is read from files only.
    """

    number: int
    entries: Mapping[tuple[str, str], CatalogEntry]
    published_at: int = field(default=0, compare=False)
    _offers: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _ids: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        offers: dict[str, list[str]] = {}
        ids = {name: category for category, (name, _) in BASIC_CATEGORIES.items()}
        for provider, category in sorted(self.entries):
            offers.setdefault(category, []).append(provider)
            ids[self.entries[provider, category]["name"]] = category
        object.__setattr__(self, "_offers", {category: tuple(who) for category, who in offers.items()})
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def of(cls, number: int, entries: Iterable[CatalogEntry], published_at: int = 0) -> Release:
        """A release from a list of entries. Raises ValueError when two entries share provider and category."""
        table: dict[tuple[str, str], CatalogEntry] = {}
        for entry in entries:
            key = (entry["provider"], entry["category"])
            if key in table:
                raise ValueError(f"catalog: {key[0]} reports {key[1]} twice")
            table[key] = entry
        return cls(number, table, published_at)

    def offers(self, category: str) -> list[str]:
        """The providers that offer a category, by code in order; empty when nobody does."""
        return list(self._offers.get(category, ()))

    def entry(self, provider: str, category: str) -> CatalogEntry:
        """What the provider offers in the category. Raises KeyError when it does not."""
        return self.entries[provider, category]

    def knows(self, category: str) -> bool:
        """Whether the id is one of Art. 3 or offered by somebody."""
        return category in self._offers or category in BASIC_CATEGORIES

    def categories(self) -> list[str]:
        """Ids of all categories that somebody offers, in order."""
        return sorted(self._offers)

    def category_from(self, text: str) -> str:
        """The id of a category written as its id or its Chinese name, also in traditional characters (戶籍).

        Unknown text stays as it is.
        """
        written = text.strip()
        return written if self.knows(written) else self._ids.get(written) or self._ids.get(simplified(written), written)

    def category_name(self, category: str) -> str:
        """The Chinese name of a category, as its providers report it; the id when nobody knows it."""
        for provider in self._offers.get(category, ()):
            return self.entries[provider, category]["name"]
        return BASIC_CATEGORIES[category][0] if category in BASIC_CATEGORIES else category


class AnswerChecker:
    """Checks answers against one catalog entry; made once a batch, since an entry has many answers."""

    def __init__(self, entry: CatalogEntry) -> None:
        self._types = {item["item"]: item["type"] for item in entry["items"]}
        self._required = frozenset(item["item"] for item in entry["items"] if item["required"])

    def check(self, answer: ResourceAnswer) -> str | None:
        """None when the answer fits, else the code of what does not.

        `answer_status`, `answer_item_unknown`, `answer_item_repeated`, `answer_item_missing` or `answer_type`.
        """
        entries = answer["entries"]
        if bool(entries) != (answer["status"] == "found"):
            return "answer_status"
        for entry in entries:
            present: set[str] = set()
            seen: set[str] = set()
            for pair in entry["items"]:
                item, value = pair["item"], pair["value"]
                kind = self._types.get(item)
                if kind is None:
                    return "answer_item_unknown"
                if item in seen:
                    return "answer_item_repeated"
                seen.add(item)
                if value is not None:
                    present.add(item)
                    if not _fits(kind, value):
                        return "answer_type"
            if not self._required <= present:
                return "answer_item_missing"
        return None


def check_answer(entry: CatalogEntry, answer: ResourceAnswer) -> str | None:
    """One answer against its catalog entry: None, or the code of `AnswerChecker.check`."""
    return AnswerChecker(entry).check(answer)


def _fits(kind: str, value: Value) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if kind == "decimal":
        return _DECIMAL.fullmatch(value) is not None
    return kind == "text" or iso_date(value) is not None
