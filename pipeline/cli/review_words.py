"""An application on the officer's desk, and what became of a decision, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.center.desk import HeldCase, Outcome
from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.lifecycle_words import STATES
from pipeline.domain.parties import CENTER
from pipeline.domain.periods import format_period
from pipeline.domain.records import Application, ScheduleRow
from pipeline.domain.wording import Language, explain, label, provider_words
from pipeline.stages.clock import local_time

_STAGES: Final = {"open": ("待审", "open"), "warn": ("即将到期", "due soon"), "overdue": ("已逾期", "overdue")}
_FORM: Final = (
    "approving_authority", "business_category", "purpose", "lead_person", "consent_scope", "roster_date",
    "roster_dataset", "contact_name", "contact_phone", "form_date",
)  # fmt: skip
_LINES: Final[Mapping[str, tuple[str, str]]] = {
    "application": ("申请", "application"),
    "state": ("状态", "state"),
    "digest": ("委托摘要", "digest"),
    "received": ("收到", "received"),
    "due": ("启动期限", "to be started by"),
    "escalated": ("催办次数", "escalated"),
    "persons": ("人数", "persons"),
    "guarded": ("由监护人授权", "under a guardian"),
    "undocumented": ("无证件", "without document"),
    "reasons": ("待审事由", "held because"),
    "approved": ("已同意", "approved by"),
    "delays": ("部中心延期", "the center's delays"),
    "schedule": ("附表", "schedule"),
}
_OUTCOMES: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("approve", "started"): ("已同意，查询已启动", "approved, and started"),
    ("approve", "second_officer_needed"): (
        "已记录同意意见，还须另一名审核人员同意", "approved; a second officer has to approve, too"),
    ("approve", "held"): (
        "未能受理，仍待审查：见 hedx review show", "not accepted, and still held: see hedx review show"),
    ("approve", "rejected"): (
        "未能受理，已退回：见 hedx review show", "not accepted but rejected: see hedx review show"),
    ("reject", "rejected"): ("已退回，理由已告知申请单位", "rejected; the requester is told why"),
    ("hold", "held"): ("待审查，事由已告知申请单位", "held; the requester is told why"),
    ("delay", "held"): ("延期通知已发出，待申请单位答复", "the delay is told; the requester has to reply"),
}  # fmt: skip
_REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "application_unknown": ("没有这份申请，或已不再保存", "the center keeps no such application"),
    "application_not_held": ("这份申请不在待审查状态", "the application is not held: nothing was changed"),
    "second_officer_needed": (
        "同一审核人员不能同意两次，须由另一人同意", "the same officer cannot approve twice: another one has to"),
    "decision_outdated": (
        "同一编号的申请已更换，请重新查看", "another application is there under this id: look at it first"),
    "delay_not_later": (
        "延期应晚于现在和启动期限", "a delay has to end after now, and after the limit it is to take the place of"),
    "no_answer": (
        "尚无答复；决定已送出，处理程序运行后即生效", "no answer yet; the decision is sent, and carried out as soon as the stage runs"),
}  # fmt: skip


def stage_words(stage: str, lang: Language) -> str:
    """How pressing it is."""
    return _STAGES[stage][lang == "en"]


def outcome_words(decision: str, outcome: Outcome, lang: Language) -> str:
    """What became of a decision."""
    found = _OUTCOMES.get((decision, outcome.code)) if outcome.applied else _REFUSED.get(outcome.code)
    return outcome.code if found is None else found[lang == "en"]


def case_words(
    case: HeldCase, form: Application | None, counts: Mapping[str, int], lang: Language
) -> dict[str, object]:
    """An application for an officer: where it stands, why it waits, its form and schedule."""
    state, item = case.state, case.item
    own = [delay for delay in state["delays"] if delay["provider"] == CENTER]
    told: dict[str, object] = {
        "application": f"{state['requester']}/{state['application_id']} ({provider_words(state['requester'], lang)})",
        "state": STATES[state["state"]][lang == "en"],
        "digest": state["mandate_digest"].hex()[:16] or None,
        "received": local_time(state["received_at"]),
        "due": local_time(state["start_due"]) if state["start_due"] else "?",
        "escalated": state["pressing"] or None,
        **counts,
        "reasons": [explain(fault, lang) for fault in item["faults"]] if item else None,
        "approved": [approval["officer"] for approval in state["approvals"]] or None,
        "delays": [_delay(delay["until"], settled=delay["settled"], lang=lang) for delay in own] or None,
    }
    lines: dict[str, object] = {_LINES[key][lang == "en"]: value for key, value in told.items() if value is not None}
    if form is not None:
        lines |= {label(key.replace("roster_", "roster."), lang): form[key] for key in _FORM}  # as the form has them
        lines[_LINES["schedule"][lang == "en"]] = [_schedule(row, lang) for row in form["schedule"]]
    return lines


def _delay(until: int, *, settled: bool, lang: Language) -> str:
    words = ("待答复", "no reply yet") if not settled else ("已商定", "settled")
    return f"{local_time(until)} ({words[lang == 'en']})"


def _schedule(row: ScheduleRow, lang: Language) -> str:
    category = row["category"]
    name = BASIC_CATEGORIES[category][lang == "en"] if category in BASIC_CATEGORIES else category
    parts = (str(row["row"]), provider_words(row["provider"], lang), name, format_period(row["period"]))
    return "  ".join(part for part in parts if part)
