"""The life cycle in words, for officials and for the page that is generated from the table (docs/lifecycle.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, get_args

from pipeline.domain.lifecycle import FACT, TABLE, Effect, Event, Transition
from pipeline.domain.records import LifecycleState
from pipeline.domain.subqueries import MOST_ATTEMPTS

Words = tuple[str, str]
"""Chinese, English."""

STATES: Final[dict[LifecycleState, Words]] = {
    "drafted": ("草稿", "drafted"),
    "filed": ("已提交，待受理", "filed"),
    "under_review": ("审查中", "under review"),
    "held": ("待人工审查", "held for an officer"),
    "accepted": ("已受理", "accepted"),
    "rejected": ("已退回", "rejected"),
    "started": ("查询中", "started"),
    "partly_answered": ("部分反馈", "partly answered"),
    "completed": ("已办结", "completed"),
    "incomplete": ("已办结，有未反馈", "closed, incomplete"),
    "supplemented": ("已办结，有补充反馈", "closed, supplemented"),
    "withdrawn": ("已撤销", "withdrawn"),
    "under_recheck": ("复核中", "under re-check"),
    "archived": ("已归档", "archived"),
}

MEANING: Final[dict[LifecycleState, Words]] = {
    "drafted": ("表格已填写，尚未签名提交", "the form is written, and not yet signed and sent"),
    "filed": (
        "申请单位已签名提交；部中心正在等待全部分段",
        "signed and sent; the center waits until all its sections are there",
    ),
    "under_review": ("各分段到齐，正在形式审查", "all sections are there, and the formal review goes on"),
    "held": ("规则不能决定，由部中心审核人员决定", "the rules do not decide: an officer of the center does"),
    "accepted": ("部中心已签名受理", "the center has signed the acceptance"),
    "rejected": ("部中心已签名退回，列明全部理由", "the center has signed the rejection, with every reason"),
    "started": ("已向各信息提供方发出查询", "the providers are asked"),
    "partly_answered": ("申请单位已收到部分结果", "the requester holds answers of some providers"),
    "completed": ("证明已签发，每项子查询均已反馈", "certified: every sub-query is answered"),
    "incomplete": ("证明已签发，列明未反馈的子查询", "certified: it says which sub-queries are not answered, and why"),
    "supplemented": (
        "首份证明之后又有反馈，证明已出新版",
        "answers came after the first certificate: it has a newer version",
    ),
    "withdrawn": (
        "申请单位已撤销，此后的结果不再送达",
        "taken back by the requester: answers after that are not delivered",
    ),
    "under_recheck": ("申请单位有异议，正在复核", "the requester disputes the result, and some of it is asked again"),
    "archived": ("补充期已过，不再变化", "the time for supplements is over: nothing changes any more"),
}

EVENTS: Final[dict[Event, Words]] = {
    Event.FILE: ("提交", "filed by the requester"),
    Event.ARRIVE: ("各分段到齐", "all sections arrived"),
    Event.MISS: ("首个分段到达一天后仍缺分段", "sections missing a day after the first one came"),
    Event.ACCEPT: ("按规则直接受理", "accepted by the rules"),
    Event.HOLD: ("转人工审查", "held for an officer"),
    Event.ESCALATE: ("到期未决，催办并告知申请单位", "nobody decided in time: pressed, and the requester told"),
    Event.APPROVE: ("审核人员同意", "approved by an officer"),
    Event.REJECT: ("退回", "rejected by the review, the rules or an officer"),
    Event.START: ("启动查询", "started: the providers are asked"),
    Event.DELIVER: ("申请单位收到结果", "answers reached the requester"),
    Event.CERTIFY: ("签发首份证明", "first certificate signed"),
    Event.SUPPLEMENT: ("签发新版证明", "newer version of the certificate signed"),
    Event.WITHDRAW: ("撤销", "withdrawn by the requester"),
    Event.RECHECK: ("开始复核", "a re-check began"),
    Event.RECHECK_END: ("复核结束", "a re-check ended"),
    Event.ARCHIVE: ("归档", "archived"),
}

CODES: Final[dict[str, Words]] = {
    "late_start": ("晚于2个工作日启动", "started later than within 2 working days"),
    "second_officer_needed": ("还须另一名审核人员同意", "a second officer has to approve, too"),
    "complete": ("全部已反馈", "every sub-query is answered"),
    "incomplete": ("有未反馈", "some sub-queries are not answered"),
    "recheck_completed": ("复核已办结", "the re-check is answered"),
    "recheck_incomplete": ("复核已办结，有未反馈", "the re-check is closed, incomplete"),
    "recheck_withdrawn": ("复核已撤销", "the re-check was withdrawn"),
    "recheck_rejected": ("复核已退回", "the re-check was rejected"),
    **{f"attempt_{n}": (f"第{n}次查询", f"attempt {n}") for n in range(2, MOST_ATTEMPTS + 1)},
}
"""Codes of changes that are no faults."""

EFFECTS: Final[dict[Effect, str]] = {
    Effect.ACCEPT: "sign the acceptance and tell the requester",
    Effect.DISPATCH: "tell the join what to expect, ask the providers",
    Effect.REJECT: "sign the rejection with every reason, let go of the roster",
    Effect.WAIT_FOR_OFFICER: "put it on the officer's desk, tell the requester why",
    Effect.PRESS: "mark it on the desk, tell the requester again",
    Effect.CALL_OFF: "call the sub-queries off",
    Effect.CERTIFY: "sign the certificate",
    Effect.FORGET: "drop what the center keeps of it",
}


def page() -> str:
    """docs/lifecycle.md: states, events, the table and the diagram, all from the table of `domain.lifecycle`."""
    states: tuple[LifecycleState, ...] = get_args(LifecycleState)
    return "\n".join(
        [
            _HEAD,
            *_table(
                ("state", "中文", "means", "含义"),
                ((f"`{s}`", STATES[s][0], MEANING[s][1], MEANING[s][0]) for s in states),
            ),
            _EVENTS,
            *_table(
                ("event", "fact on `hedx.events`", "means", "含义"),
                ((f"`{e.value}`", f"`{FACT[e]}`", EVENTS[e][1], EVENTS[e][0]) for e in Event),
            ),
            _TRANSITIONS,
            *_table(
                ("from", "event", "if", "to", "the center then has to"),
                ((f"`{t.state}`", f"`{t.event.value}`", t.guard, f"`{t.after}`", _effects(t)) for t in TABLE),
            ),
            _DIAGRAM,
            "```mermaid",
            "stateDiagram-v2",
            "    [*] --> drafted",
            *(f"    {t.state} --> {t.after}: {t.event.value}{f' [{t.guard}]' if t.guard else ''}" for t in TABLE),
            "    archived --> [*]",
            "```",
            "",
        ]
    )


_HEAD: Final = """# The life cycle of an application

Made by `python -m pipeline.domain.lifecycle > docs/lifecycle.md` from `pipeline/domain/lifecycle.py`; a test holds the two
together. The center's `applications` stage and the requester's store both move an application (查询申请) through this one
table and in no other way. What the table does not allow is refused. Every change is kept with its time, who made it, and a
code that says why: in the state of the center, in the requester's store (`hedx apply status ID`), and as an event on
`hedx.events`. How a review works is in [review.md](review.md).

## States (状态)
"""
_EVENTS: Final = """
## Events (事件)

Who made an event happen stands in the field `by`: a party's code, `officer:` and a name, `policy` (the rules) or `clock`.
"""
_TRANSITIONS: Final = """
## Transitions

Of one state and event at most one condition holds. An event that has no line here is not possible in that state.
"""
_DIAGRAM: Final = """
## Diagram
"""


def _effects(transition: Transition) -> str:
    return "; ".join(EFFECTS[effect] for effect in transition.effects)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(row)} |"
