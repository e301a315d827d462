"""What a resource covers (覆盖范围), in which words it is shown, and where an answer falls short of what was promised.

A provider that has nothing on record has said something only within its coverage: 查无记录 is never shown without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from pipeline.domain.parties import MINISTRY, PROVINCES
from pipeline.domain.periods import iso_date
from pipeline.domain.records import AdministrativeLevel, CatalogEntry, Coverage, ResourceAnswer, SubQuery
from pipeline.domain.wording import Language

WHOLE_COUNTRY: Final = "00"
"""Region code of the whole country, for which GB/T 2260 has none; 部中心 alone covers it."""

LEVELS: Final[dict[AdministrativeLevel, tuple[str, str]]] = {
    "national": ("国家", "national"),
    "province": ("省", "province"),
    "city": ("市", "city"),
    "county": ("县", "county"),
    "township": ("乡", "township"),
    "village": ("村", "village"),
}
"""Administrative level → Chinese and English word, the highest first."""

SHORTFALLS: Final[dict[str, tuple[str, str]]] = {
    "as_of_earlier": (
        "数据截止日期早于受理时的目录",
        "as of an earlier date than the catalog said",
    ),
    "as_of_unstated": ("未说明数据截止日期", "as-of date not stated"),
    "region_narrower": ("覆盖区域小于受理时的目录", "covers less of the region than the catalog said"),
    "levels_fewer": ("覆盖层级少于受理时的目录", "covers fewer levels than the catalog said"),
    "coverage_unstated": ("未说明覆盖范围", "coverage not stated"),
}
"""In what an answer falls short of what was frozen at acceptance: code → words."""

_CODE = re.compile(r"[0-9]{2}([0-9]{2}){0,2}")
_NATIONAL: Final = frozenset(PROVINCES)
Accepted = Mapping[tuple[str, int], Coverage]
"""(provider, schedule row) → the coverage frozen at acceptance."""


def region_code(text: str) -> str:
    """A code of GB/T 2260 in its shortest form: `370000` → `37`, `370100` → `3701`. Raises ValueError when it is none."""
    if _CODE.fullmatch(text) is None:
        raise ValueError("a region code has two, four or six digits")
    code = text
    while len(code) > 2 and code.endswith("00"):
        code = code[:-2]
    if code[:2] not in PROVINCES and code != WHOLE_COUNTRY:
        raise ValueError(f"no region begins with {code[:2]}")
    return code


def level_from(text: str) -> AdministrativeLevel:
    """A level written as its id or its Chinese word, 级 or not: 省, 省级, province. Raises ValueError."""
    written = text.strip()
    for level, (chinese, _) in LEVELS.items():
        if written in (level, chinese, f"{chinese}级"):
            return level
    raise ValueError(f"no administrative level; there are {'、'.join(chinese for chinese, _ in LEVELS.values())}")


def in_order(levels: Iterable[AdministrativeLevel]) -> list[AdministrativeLevel]:
    """Levels, the highest first, each once."""
    wanted = set(levels)
    return [level for level in LEVELS if level in wanted]


def is_own_region(party: str, code: str) -> bool:
    """Whether `party` may say that it covers `code`: a province its own area (本区域, Art. 13), 部中心 any.

    兵团 (`66`) lies in the area of 65 and has no codes of its own in GB/T 2260.
    """
    if party == MINISTRY:
        return True
    return code[:2] == party or (party == "66" and code[:2] == "65")


def coverage_of(entry: CatalogEntry) -> Coverage:
    """What an entry covers: a copy, to be frozen."""
    return Coverage(
        region=entry["region"],
        region_codes=list(entry["region_codes"]),
        levels=list(entry["levels"]),
        period_covered=entry["period_covered"],
        as_of=entry["as_of"],
    )


def accepted(queries: Iterable[SubQuery]) -> dict[tuple[str, int], Coverage]:
    """(provider, row) → coverage, of an acceptance's sub-queries; without those that have none."""
    return {(q["provider"], q["row"]): q["coverage"] for q in queries if q["coverage"] is not None}


def covers(codes: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether the regions `codes` include all of `wanted`: a province includes its cities, a city its counties."""
    held = {code for given in codes for code in (_NATIONAL | {given} if given == WHOLE_COUNTRY else {given})}
    asked = {code for want in wanted for code in (_NATIONAL if want == WHOLE_COUNTRY else {want})}
    return all(any(code[:length] in held for length in (2, 4, 6)) for code in asked)


def shortfalls(frozen: Coverage, answer: ResourceAnswer) -> list[str]:
    """In what `answer` falls short of the coverage that was frozen at acceptance: codes of `SHORTFALLS`, none if it does not."""
    return list(
        _shortfalls(
            frozen["as_of"],
            tuple(frozen["region_codes"]),
            frozenset(frozen["levels"]),
            answer["as_of"],
            not answer["coverage"].strip(),
            _tuple(answer.get("region_codes")),
            _tuple(answer.get("levels")),
        )
    )


@lru_cache(maxsize=4096)  # the same few thousand times over: a provider answers about everybody alike
def _shortfalls(
    promised: str,
    regions: tuple[str, ...],
    levels: frozenset[str],
    as_of: str,
    blank: bool,
    covered: tuple[str, ...] | None,
    at_levels: tuple[str, ...] | None,
) -> tuple[str, ...]:
    found = []
    if iso_date(as_of) is None:
        found.append("as_of_unstated")
    elif as_of < promised:
        found.append("as_of_earlier")
    if blank:
        found.append("coverage_unstated")
    if covered is not None and not covers(covered, regions):
        found.append("region_narrower")
    if at_levels is not None and not levels <= set(at_levels):
        found.append("levels_fewer")
    return tuple(found)


def coverage_words(coverage: Coverage, lang: Language = "zh") -> str:
    """A coverage for officials: 山东省（省、市、县），2000 年以来，截至 2026-10-31."""
    words = [LEVELS[level][lang == "en"] for level in coverage["levels"]]
    if lang == "en":
        return f"{coverage['region']} ({', '.join(words)}), {coverage['period_covered']}, as of {coverage['as_of']}"
    return f"{coverage['region']}（{'、'.join(words)}），{coverage['period_covered']}，截至 {coverage['as_of']}"


def no_record_words(
    answered: str, as_of: str, frozen: Coverage | None, differs: Iterable[str], lang: Language = "zh"
) -> str:
    """What 查无记录 means: what the provider says that it covers, as of when, and what the catalog said at acceptance."""
    english = lang == "en"
    unknown = "not stated" if english else "未说明"
    covered, day = answered.strip() or unknown, as_of.strip() or unknown
    told = f"no record: covering {covered}, as of {day}" if english else f"查无记录：覆盖{covered}，截至 {day}"
    if frozen is not None:
        catalog = coverage_words(frozen, lang)
        told += f" (catalog at acceptance: {catalog})" if english else f"（受理时目录：{catalog}）"
    marks = difference_words(differs, lang)
    if marks:
        told += f"; note: {marks}" if english else f"；注意：{marks}"
    return told


def difference_words(codes: Iterable[str], lang: Language = "zh") -> str:
    """Shortfalls in words, blank when there are none."""
    told = [SHORTFALLS[code][lang == "en"] for code in codes]
    return ("; " if lang == "en" else "；").join(told)


def _tuple(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
