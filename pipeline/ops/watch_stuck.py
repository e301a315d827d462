"""When an application should have gone on: numbered rules, as a table. Pure: an application as the watch sees it, and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.ops.watch_case import CERTIFIED, CaseView

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Stuck:
    """The rule that says so, in a word, and since when (ms) it should have gone on."""

    rule: int
    why: str
    since: int


@dataclass(frozen=True, slots=True)
class Rule:
    """An application for which `due` tells a time that is over is stuck. `due`: None where the rule does not concern it."""

    number: int
    why: str
    meaning: str
    due: Callable[[CaseView], int | None]


def _in_state(case: CaseView, state: str, after: int) -> int | None:
    return case.since + after if case.state == state else None


def _undecided(case: CaseView) -> int | None:
    return case.escalated if case.state == "held" and case.escalated else None


def _unsent(case: CaseView) -> int | None:
    if case.state not in ("started", "partly_answered") or case.first_dispatched or not case.started:
        return None
    return case.started + HOUR


def _uncertified(case: CaseView) -> int | None:
    running = case.state in ("started", "partly_answered")
    return case.last_deadline + HOUR if running and case.last_deadline else None


def _uncertified_withdrawal(case: CaseView) -> int | None:
    return case.since + HOUR if case.state == "withdrawn" and case.started and not case.certified else None


def _undelivered(case: CaseView) -> int | None:
    is_certified = case.state in CERTIFIED and case.certified > case.delivered
    return case.certified + DAY if is_certified else None


RULES: Final = (
    Rule(
        1,
        "sections_missing",
        "filed for 25 hours: with sections missing it should have been rejected after 24",
        lambda case: _in_state(case, "filed", 25 * HOUR),
    ),
    Rule(
        2,
        "not_reviewed",
        "under review for an hour: the rules decide at once",
        lambda case: _in_state(case, "under_review", HOUR),
    ),
    Rule(3, "not_decided", "held, its limit passed (escalated), and no officer has decided", _undecided),
    Rule(
        4,
        "not_started",
        "accepted for ten minutes: it starts with the acceptance",
        lambda case: _in_state(case, "accepted", 10 * MINUTE),
    ),
    Rule(5, "not_dispatched", "started for an hour, and no section has gone out", _unsent),
    Rule(6, "not_certified", "an hour after its last deadline, and no certificate", _uncertified),
    Rule(7, "withdrawal_not_certified", "withdrawn after the start for an hour, and no certificate", _uncertified_withdrawal),
    Rule(8, "not_delivered", "certified for a day, and the requester has not receipted all answers", _undelivered),
)  # fmt: skip
"""In the order of an application's life; the first that holds is told."""


def judge(case: CaseView, now: int) -> Stuck | None:
    """Why the application is stuck at `now` (ms); None when it is not."""
    for rule in RULES:
        due = rule.due(case)
        if due is not None and now > due:
            return Stuck(rule.number, rule.why, due)
    return None
