"""The history of an application in words: what happened, when, by whom and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.domain.faults import FAULTS
from pipeline.domain.lifecycle import Event
from pipeline.domain.lifecycle_words import CODES, EVENTS, STATES
from pipeline.domain.parties import CENTER, is_party
from pipeline.domain.wording import Language, label, provider_words
from pipeline.stages.clock import local_time

_HEADS = (("时间", "事项", "经办", "状态", "原因"), ("when", "what", "by", "state", "why"))
_WHO = {"policy": ("规则", "the rules"), "clock": ("期限", "a limit"), CENTER: ("部收入认定中心", "the center")}


def history_rows(changes: Iterable[Mapping[str, Any]], lang: Language) -> list[dict[str, object]]:
    """A row for each `Change`, with the words' headers as keys."""
    english = lang == "en"
    rows: list[dict[str, object]] = []
    for change in changes:
        cells = (
            local_time(change["at"]),
            EVENTS[Event(change["event"])][english],
            who_words(change["by"], lang),
            STATES[change["state"]][english],
            code_words(change["code"], lang),
        )
        rows.append(dict(zip(_HEADS[english], cells, strict=True)))
    return rows


def who_words(by: str, lang: Language) -> str:
    """Who made a change: a party's name, an officer's, the rules or a limit."""
    if by in _WHO:
        return _WHO[by][lang == "en"]
    if by.startswith("officer:"):
        return ("审核人员 " if lang == "zh" else "officer ") + by.removeprefix("officer:")
    return provider_words(by, lang) if is_party(by) else by


def code_words(code: str | None, lang: Language) -> str:
    """Why, as far as a code says it: what a fault's wording has to fill in is left open. A code without words is shown."""
    if code is None:
        return ""
    if code in CODES:
        return CODES[code][lang == "en"]
    if code not in FAULTS:
        return code
    wording = FAULTS[code]
    blanks = {**dict.fromkeys(wording.placeholders(), "…"), "label": label(wording.field, lang)}
    return (wording.en if lang == "en" else wording.zh).format_map(blanks)
