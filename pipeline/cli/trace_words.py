"""What `hedx trace` shows: rows of its tables, in Chinese or English."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from pipeline.center.deadletter_facts import Letter
from pipeline.cli.history import code_words
from pipeline.domain.calendar import CHINA
from pipeline.domain.lifecycle import FACT
from pipeline.domain.lifecycle_words import EVENTS, STATES
from pipeline.domain.parties import is_party
from pipeline.domain.wording import Language, provider_words
from pipeline.kafka.scanning import Looked
from pipeline.ops.trace_reading import Lying
from pipeline.ops.trace_story import Story, Wanting
from pipeline.province.trace_store import Mark

KINDS: Final[dict[str, tuple[str, str]]] = {
    "section_received": ("分段到达", "section received"),
    "envelope_received": ("信封到达", "envelope received"),
    "answers_collected": ("反馈信封到达", "answers collected"),
    "dispatched": ("已发往提供方", "dispatched to the provider"),
    "dispatched_again": ("再次发往提供方", "dispatched again"),
    "dispatch_missed": ("未能发往提供方", "could not be dispatched"),
    "provider_reminded": ("催报", "provider reminded"),
    "answer_accepted": ("反馈已接收", "answer accepted"),
    "answer_duplicate": ("重复反馈", "answer was there already"),
    "section_closed": ("分段已汇总", "section closed"),
    "section_supplemented": ("分段已补充", "section supplemented"),
    "delivered": ("结果已送达", "result delivered"),
    "deadline_near": ("期限临近", "deadline near"),
    "deadline_passed": ("期限已过", "deadline passed"),
    "deadline_extended": ("期限已延长", "deadline extended"),
    "file": ("提交", "filed"),
    "filed": ("提交", "filed"),
    "answers_held": ("已收到的结果", "answers held"),
    "result_received": ("已收到证明", "certificate received"),
    "section_certificate_held": ("已收到分段证明", "section's certificate held"),
    "waits_to_be_sealed": ("待封装", "waits to be sealed"),
    "waits_to_be_sent": ("待发送", "waits to be sent"),
    "waits_for_receipt": ("待回执", "waits for a receipt"),
    "waits_for_register": ("等待登记库恢复", "waits for a register"),
    "worked_on": ("已处理", "worked on"),
    "dead_letter": ("死信", "dead letter"),
    "opened": ("查询请求已打开", "request opened"),
    "refused": ("查询请求被拒绝", "request refused"),
    **{FACT[event]: words for event, words in EVENTS.items() if FACT[event] not in ("rejected", "filed")},
    "rejected": ("退回", "rejected"),
}
"""Kind of a hop → its words; one without words is shown as it is."""

_STEPS: Final = (
    ("时间", "间隔", "环节", "事项", "单位", "提供方", "分段", "数量", "原因", ""),
    ("at", "since the hop before", "stage", "what", "party", "provider", "section", "count", "why", ""),
)
_MARKS: Final = (
    ("时间", "环节", "事项", "单位", "分段", "数量", "代码", "位置"),
    ("at", "stage", "what", "party", "section", "count", "code", "where"),
)
_MISSING: Final = (
    ("未反馈的提供方", "分段", "子查询", "期限", ""),
    ("not answered by", "section", "sub-queries", "until", ""),
)
_PLACES: Final = (
    ("时间", "主题", "分区", "偏移", "信封", "种类", "分段", "字节"),
    ("at", "topic", "partition", "offset", "message", "kinds", "sections", "bytes"),
)
_LETTERS: Final = (("死信", "时间", "环节", "代码", "状态"), ("dead letter", "at", "stage", "code", "state"))
_LONGEST: Final = ("◀ 最长等待", "◀ longest wait")
_LATE: Final = ("已超期", "late")


def step_rows(story: Story, lang: Language) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Heads and rows of the hops; the one before which the application waited longest is marked."""
    english = lang == "en"
    rows: list[Sequence[object]] = [
        (
            instant(step.at),
            f"+{duration(step.waited)}" if number else "",
            step.stage,
            kind_words(step.kind, lang),
            _party(step.party, lang),
            _party(step.provider, lang),
            step.section,
            step.count,
            code_words(step.code, lang),
            _LONGEST[english] if number == story.longest and step.waited else "",
        )
        for number, step in enumerate(story.steps)
    ]
    return _STEPS[english], rows


def mark_rows(marks: Sequence[Mark], lang: Language) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Heads and rows of what a store knows."""
    rows: list[Sequence[object]] = [
        (
            None if mark.at is None else instant(mark.at),
            mark.stage,
            kind_words(mark.kind, lang),
            _party(mark.provider or mark.by, lang),
            mark.section,
            mark.count,
            code_words(mark.code, lang),
            " ".join(part for part in (mark.place, mark.message_id) if part),
        )
        for mark in marks
    ]
    return _MARKS[lang == "en"], rows


def missing_rows(missing: Sequence[Wanting], lang: Language) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Heads and rows of who has not answered."""
    english = lang == "en"
    rows: list[Sequence[object]] = [
        (
            _party(one.provider, lang),
            one.section,
            one.queries,
            None if one.deadline is None else instant(one.deadline),
            _LATE[english] if one.late else "",
        )
        for one in missing
    ]
    return _MISSING[english], rows


def place_rows(places: Sequence[Lying], lang: Language) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Heads and rows of where messages lie, in the order in which they were appended."""
    rows: list[Sequence[object]] = [
        (
            instant(one.at),
            one.topic,
            one.partition,
            one.offset,
            one.message_id,
            f"{', '.join(one.kinds)} × {one.bundles}",
            _numbers(one.sections),
            one.size,
        )
        for one in sorted(places, key=lambda place: (place.at, place.topic, place.partition, place.offset))
    ]
    return _PLACES[lang == "en"], rows


def letter_rows(letters: Sequence[Letter], lang: Language) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Heads and rows of dead letters."""
    rows: list[Sequence[object]] = [(one.place, instant(one.at), one.stage, one.code, one.state) for one in letters]
    return _LETTERS[lang == "en"], rows


def summary(story: Story, lang: Language) -> dict[str, object]:
    """What stands above the hops."""
    state = STATES[story.state][lang == "en"] if story.state in STATES else story.state
    heads = (
        ("申请编号", "申请单位", "状态", "事件数", "总用时")
        if lang == "zh"
        else ("application", "requester", "state", "hops", "total")
    )
    total = duration(story.ended - story.began)
    values = (story.application_id, _party(story.requester, lang), state, len(story.steps), total)
    return dict(zip(heads, values, strict=True))


def several_words(requesters: Sequence[str | None], lang: Language) -> str:
    """That an id is of more than one application."""
    names = [str(_party(requester, lang)) for requester in requesters]
    if lang == "zh":
        return f"该编号由 {len(names)} 个单位各自使用，分别列出：{'、'.join(names)}"
    return f"{len(names)} parties have an application of this id, told one by one: {', '.join(names)}"


def looked_words(looked: Sequence[Looked], lang: Language) -> list[str]:
    """What was read, a line for each topic."""
    lines = []
    for one in looked:
        since = "" if one.since is None else ("，自 " if lang == "zh" else ", since ") + instant(one.since)
        if lang == "zh":
            line = f"{one.topic}：{one.partitions} 个分区，{one.records} 条记录{since}"
            line += f"；未读完：{one.why or '已达上限'}" if one.cut else ""
        else:
            line = f"{one.topic}: {one.partitions} partitions, {one.records} records{since}"
            line += f"; not all of it: {one.why or 'there is more than is looked at'}" if one.cut else ""
        lines.append(line)
    return lines


def kind_words(kind: str, lang: Language) -> str:
    """A hop's kind in words."""
    return KINDS[kind][lang == "en"] if kind in KINDS else kind


def instant(at: int) -> str:
    """The time in China at `at` (ms), to the millisecond."""
    whole = dt.datetime.fromtimestamp(at // 1000, CHINA)
    return f"{whole:%Y-%m-%d %H:%M:%S}.{at % 1000:03d}"


def duration(ms: int) -> str:
    """A time between two instants, as precise as its length asks for: 12 ms, 3.4 s, 5 min 02 s, 3 h 10 min, 2 d 04 h."""
    if ms < 1000:
        return f"{ms} ms"
    seconds = ms // 1000
    if seconds < 60:
        return f"{ms / 1000:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600:02d} h"


def _party(code: str | None, lang: Language) -> str | None:
    return provider_words(code, lang) if code is not None and is_party(code) else code


def _numbers(numbers: Sequence[int]) -> str:
    """1, 2, 3, 7 as 1–3, 7."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in spans)
