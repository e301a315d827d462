"""The exchange's own words, Chinese and English, for the page: states, parties, categories, codes, events."""

from __future__ import annotations

from typing import Any, Final

from pipeline.domain.answer_codes import ANSWER_CODES
from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.faults import FAULTS
from pipeline.domain.lifecycle import FACT
from pipeline.domain.lifecycle_words import CODES, EVENTS, STATES
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES, provider_english, provider_name
from pipeline.ops.health_words import USAGES
from pipeline.ops.reject_codes import CODES as REJECT_CODES

OTHER: Final = "other_code"
"""In place of a code that is none of the exchange's own: a provider may have made it up."""

KINDS: Final[dict[str, tuple[str, str]]] = {
    "envelope_received": ("收到封装", "envelope received"),
    "section_received": ("收到分段", "section received"),
    "section_repeated": ("分段重复，已按首次处理", "section came again"),
    "dispatched": ("已向信息提供方发出", "sent to the provider"),
    "dispatched_again": ("再次向信息提供方发出", "sent to the provider again"),
    "provider_reminded": ("已向信息提供方催报", "provider reminded"),
    "answers_collected": ("收集反馈", "answers collected"),
    "envelope_resent": ("重发的封装", "envelope sent again"),
    "answer_accepted": ("反馈已转交", "answer forwarded"),
    "answer_withdrawn": ("撤销后的反馈，不再送达", "answer after the withdrawal"),
    "answer_closed": ("办结后的反馈，不再送达", "answer after the end"),
    "answer_partly_closed": ("部分反馈搁置，再次查询", "part of an answer put aside"),
    "section_closed": ("分段证明已签发", "section certified"),
    "section_supplemented": ("分段证明已出新版", "section certified anew"),
    "deadline_near": ("临近反馈期限", "deadline near"),
    "deadline_passed": ("已过反馈期限", "deadline passed"),
    "deadline_extended": ("反馈期限已延长", "deadline extended"),
    "hold_warned": ("审核即将到期", "review due soon"),
    "decided": ("审核人员已决定", "decided by an officer"),
    "decision_refused": ("决定未执行", "decision not carried out"),
    "start_delayed": ("已告知延期启动", "delay of the start told"),
    "start_delay_agreed": ("延期启动已同意", "delay of the start agreed"),
    "start_delay_closed": ("延期启动未获同意", "delay of the start not agreed"),
    "withdrawal_acknowledged": ("信息提供方已确认撤销", "withdrawal acknowledged"),
    "delay_told": ("已告知反馈延期", "delay told"),
    "delay_declined": ("反馈延期未获同意", "delay declined"),
    "rows_closed": ("部分查询已关闭", "rows closed"),
    "evidence_requested": ("调阅文件", "documents asked for"),
    "evidence_warned": ("调阅即将到期", "documents due soon"),
    "evidence_overdue": ("调阅已逾期", "documents overdue"),
    "evidence_replied": ("已提交文件", "documents handed in"),
    "evidence_accepted": ("文件已认可", "documents accepted"),
    "evidence_questioned": ("文件存疑", "documents questioned"),
    "act_declined": ("来文未予执行", "act declined"),
    "delivered": ("申请单位已收到证明", "the requester has the certificate"),
    "dead_letters_withheld": ("垃圾消息计数", "junk counted"),
}
"""Kinds of events on hedx.events that are no changes of state."""

LEGS: Final[dict[str, tuple[str, str]]] = {
    "sent": ("发出", "sent"),
    "received": ("收到", "received"),
    "accepted": ("受理", "accepted"),
    "approved": ("审核同意", "approved"),
    "dispatched": ("转交", "dispatched"),
    "answered": ("反馈", "answered"),
    "joined": ("汇总", "joined"),
    "certified": ("签发证明", "certified"),
    "delivered": ("送达", "delivered"),
}
"""The ends of the watch's legs."""

STUCK: Final[dict[str, tuple[str, str]]] = {
    "sections_missing": (
        "分段缺失已逾 24 小时，应已退回",
        "sections missing for more than 24 hours: it should have been rejected",
    ),
    "not_reviewed": ("审查中超过一小时", "under review for an hour"),
    "not_decided": ("已过审核期限，无人决定", "the review's limit has passed and nobody has decided"),
    "not_started": ("受理后十分钟未启动", "accepted for ten minutes and not started"),
    "not_dispatched": ("启动一小时后仍未发出", "started for an hour and nothing has gone out"),
    "not_certified": ("最后期限已过一小时，未签发证明", "an hour after its last deadline and no certificate"),
    "withdrawal_not_certified": ("撤销一小时后未签发证明", "withdrawn for an hour and no certificate"),
    "not_delivered": ("证明签发一天后，申请单位仍未收齐", "certified for a day and not received in full"),
}
"""Why an application is stuck (`ops.watch_stuck`)."""


def page_words() -> dict[str, Any]:
    """Kind of word → code → [Chinese, English]; `provinces`: the codes in the order of GB/T 2260."""
    parties = {code: (provider_name(code), provider_english(code)) for code in (CENTER, MINISTRY, *PROVINCES)}
    return {
        "states": dict(STATES),
        "parties": parties,
        "provinces": list(PROVINCES),
        "categories": dict(BASIC_CATEGORIES),
        "codes": _plain_faults() | ANSWER_CODES | CODES | {OTHER: ("其他原因", "another reason")},
        "kinds": KINDS | {FACT[event]: words for event, words in EVENTS.items()},
        "legs": LEGS,
        "stuck": STUCK,
        "usages": {**USAGES, "root": ("根", "root"), "issuing": ("签发 CA", "issuing CA")},
    }


def own_code(code: str | None) -> str | None:
    """The code, where it is one of the exchange's own."""
    known = code is None or any(code in words for words in (FAULTS, ANSWER_CODES, CODES, KINDS, STATES, REJECT_CODES))
    return code if known else OTHER


def _plain_faults() -> dict[str, tuple[str, str]]:
    """The faults whose words need no figures, which the history of an application does not hold."""
    return {code: (words.zh, words.en) for code, words in FAULTS.items() if not words.placeholders()}
