"""A dead letter for a reader: facts about it, never its content."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Final, get_args

from pipeline.center.deadletter_facts import INBOXES, Letter, Shown, State, origin
from pipeline.center.deadletter_words import UNPROVED, likely_cure, may_help, meaning
from pipeline.cli.output import table
from pipeline.domain.printing import harmless
from pipeline.domain.wording import Language
from pipeline.stages.clock import local_time

STATES: Final[tuple[State, ...]] = get_args(State)
KNOWN_HEADERS: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent")
"""Headers of our own whose values are shown, as far as they are harmless; of others there is the size."""


def counts_table(counts: Counter[tuple[str, State]], lang: Language) -> None:
    """How many there are of each code, and what became of them; the most frequent first."""
    heads = ("代码", "含义", "未处理", "已重放", "已作废") if lang == "zh" else ("code", "meaning", *STATES)
    codes = sorted({code for code, _ in counts}, key=lambda code: -sum(counts[code, state] for state in STATES))
    table(heads, [(code, meaning(code, lang), *(counts[code, state] for state in STATES)) for code in codes])


def list_row(letter: Letter, lang: Language) -> tuple[object, ...]:
    """A line of the list."""
    state = state_words(letter.state, lang)
    said = state if letter.by is None else f"{state} {letter.by}"
    issuer = letter.issuer or "?"
    return letter.place, local_time(letter.at), letter.stage, letter.code, issuer, letter.size, said, origin(letter)


def state_words(state: str, lang: Language) -> str:
    """A state in words."""
    zh = {"open": "未处理", "replayed": "已重放", "discarded": "已作废"}
    return zh[state] if lang == "zh" else state


def letter_data(shown: Shown, lang: Language) -> dict[str, object]:
    """A letter for programs."""
    letter = shown.letter
    digest = None if shown.story is None else shown.story["digest"]
    return {
        **asdict(letter),
        "appended_at": shown.message.timestamp,
        "sha256": digest,
        "key_bytes": len(shown.message.key or b""),
        "headers": _headers(shown),
        "meaning": meaning(letter.code, lang),
        "cure": likely_cure(letter.code, lang),
        "replay_may_help": letter.hindrance is None and may_help(letter.code),
        "proved": letter.code not in UNPROVED or letter.topic not in INBOXES,
        "acts": [
            {name: act[name] for name in ("act", "by", "reason", "at", "to_topic", "to_partition", "to_offset")}
            for act in shown.acts
        ],
    }


_LABELS: Final = {
    "place": "位置",
    "state": "状态",
    "put aside": "搁置时间",
    "stage": "环节",
    "code": "代码",
    "meaning": "含义",
    "detail": "详情",
    "likely cure": "处理办法",
    "stood at": "原处",
    "appended": "写入时间",
    "says it is from": "自称来自",
    "bytes": "字节",
    "SHA-256": "SHA-256",
    "headers": "消息头",
    "replay": "重放",
    "acts": "处理记录",
}


def letter_facts(shown: Shown, lang: Language) -> dict[str, object]:
    """A letter for a reader."""
    letter = shown.letter
    proved = letter.code not in UNPROVED or letter.topic not in INBOXES
    unproved = "（未经证明）" if lang == "zh" else " (not proved)"
    facts: dict[str, object] = {
        "place": letter.place,
        "state": state_words(letter.state, lang),
        "put aside": local_time(letter.at),
        "stage": letter.stage,
        "code": letter.code,
        "meaning": meaning(letter.code, lang),
        "detail": letter.detail or "-",
        "likely cure": likely_cure(letter.code, lang),
        "stood at": origin(letter),
        "appended": local_time(shown.message.timestamp),
        "says it is from": (letter.issuer or "?") + ("" if proved else unproved),
        "bytes": letter.size,
        "SHA-256": "" if shown.story is None else shown.story["digest"].hex(),
        "headers": [f"{name}: {said}" for name, said in _headers(shown).items()] or "-",
        "replay": letter.hindrance or ("可" if lang == "zh" else "possible"),
    }
    if shown.acts:
        facts["acts"] = [
            f"{local_time(act['at'])}  {state_words(act['act'], lang)}  {act['by']}: {act['reason']}"
            + (f" → {act['to_topic']}/{act['to_partition']}/{act['to_offset']}" if act["to_topic"] else "")
            for act in shown.acts
        ]
    return {_LABELS[name] if lang == "zh" else name: value for name, value in facts.items()}


def _headers(shown: Shown) -> dict[str, str]:
    """Names and sizes; the values of our own kinds, made harmless. A stranger chooses names as well: one of ours, or none."""
    told: dict[str, str] = {}
    others = Counter(name in KNOWN_HEADERS for name, _ in shown.message.headers)[False]
    for name, value in shown.message.headers:
        if name in KNOWN_HEADERS:
            told[name] = harmless(value[:100].decode("ascii", "replace"))
    if others:
        told["…"] = (
            f"{others} other headers, {sum(len(v) for n, v in shown.message.headers if n not in KNOWN_HEADERS)} bytes"
        )
    return told
