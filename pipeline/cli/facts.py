"""What there is to say of an application, in an official's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.domain import lifecycle_words
from pipeline.domain.answer_codes import STATUS_WORDS
from pipeline.domain.wording import Language
from pipeline.stages.clock import local_time

LABELS: Final[dict[str, tuple[str, str]]] = {
    "application_id": ("申请编号", "application"),
    "state": ("状态", "state"),
    "unit": ("委托单位", "entrusting unit"),
    "purpose": ("用途", "purpose"),
    "persons": ("人数", "persons"),
    "households": ("户数", "households"),
    "sub_queries": ("子查询数", "sub-queries"),
    "by_status": ("反馈情况", "results"),
    "dossiers": ("档案数", "dossiers"),
    "certificate": ("完整性证明", "certificate"),
    "seconds": ("用时（秒）", "seconds"),
    "filed_at": ("提交时间", "filed at"),
    "bundles": ("已收到的结果包", "bundles received"),
    "complete": ("是否收齐", "all received"),
    "reasons": ("退回原因", "rejected because"),
    "version": ("证明版本", "certificate's version"),
    "held_by_unit": ("由委托单位解封", "opened by the entrusting unit"),
    "original": ("原申请", "re-check of"),
    "attempt": ("第几次查询", "attempt"),
    "rechecks": ("复核", "re-checks"),
    "not_answered": ("未反馈数据的查询", "without an answer"),
    "due": ("反馈期限", "answers due"),
    "held_because": ("待审事由", "held because"),
    "decided_by": ("部中心决定期限", "the center decides by"),
    "escalated": ("逾期催办次数", "overdue, escalated"),
    "withdrawal_sent": ("已申请撤销", "withdrawal sent"),
    "acknowledged": ("已确认撤销的提供方", "withdrawal acknowledged by"),
    "not_acknowledged": ("尚未确认撤销的提供方", "not acknowledged by"),
    "delays": ("延期通知", "delays told"),
    "declined": ("部中心未予办理的原因", "declined because"),
}
"""Key of a result in JSON → its label."""

STATES: Final[dict[str, tuple[str, str]]] = {
    **{str(state): words for state, words in lifecycle_words.STATES.items()},
    "shredded": ("已销毁", "shredded"),
}
"""The life cycle's, and what a party's own store says when nothing opens an application any more."""

_DONE: Final = ("已反馈", "answered")
"""What is certified before anybody opens it."""
_YES: Final = {True: ("是", "yes"), False: ("否", "no")}


def in_words(facts: Mapping[str, object], lang: Language) -> dict[str, object]:
    """The same facts with labels for keys, and words for states and truth values."""
    return {LABELS[key][lang == "en"] if key in LABELS else key: _value(key, v, lang) for key, v in facts.items()}


def _value(key: str, value: object, lang: Language) -> object:
    if isinstance(value, bool):
        return _YES[value][lang == "en"]
    if key == "state" and value in STATES:
        return STATES[str(value)][lang == "en"]
    if key == "filed_at" and isinstance(value, int):
        return local_time(value)
    if key == "by_status" and isinstance(value, Mapping):
        joint, order = ("、", "{word} {count}") if lang == "zh" else (", ", "{count} {word}")
        words = {**STATUS_WORDS, "done": _DONE}
        told = [(words[status][lang == "en"], count) for status, count in value.items()]
        return joint.join(order.format(word=word, count=count) for word, count in told)
    return value
