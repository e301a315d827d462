"""All applications that the watch knows: found by id, listed by state, surveyed, and forgotten when they are over for long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

from pipeline.domain.records import LifecycleEvent
from pipeline.ops.watch_case import CaseView
from pipeline.ops.watch_stuck import Stuck, judge

DAY: Final = 24 * 3600 * 1000
KEPT_ENDED: Final = 7 * DAY
"""How long (ms) after its last event an application that has come to an end is known."""
KEPT_UNDELIVERED: Final = 30 * DAY
"""How long one whose requester has not receipted everything."""
KEPT_OPEN: Final = 400 * DAY
"""How long one that has not come to an end."""

Answered = Callable[[str, int, int], None]
"""Told of an answer: (provider, at, how long it took from the acceptance on), in ms."""


@dataclass(frozen=True, slots=True)
class AtRisk:
    """A section's deadline that is near, with answers missing."""

    application_id: str
    section: int
    provider: str
    persons: int
    at: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at all applications finds. `unanswered`: provider → sub-queries of sections without a certificate."""

    states: Counter[str]
    stuck: list[tuple[CaseView, Stuck]]
    at_risk: list[AtRisk]
    unanswered: Counter[str]


class Cases:
    """The table: application → how it stands. `answered` hears of each answer once the acceptance is known."""

    def __init__(self, answered: Answered) -> None:
        self._cases: dict[tuple[str, str], CaseView] = {}
        self._parties: set[str] = set()
        self._answered = answered

    def __len__(self) -> int:
        return len(self._cases)

    def add(self, event: LifecycleEvent) -> None:
        """Take in an event (each is given once); one about no application says nothing here."""
        application_id = event["application_id"]
        if application_id is None:
            return
        key = event["party"] or "?", application_id
        case = self._cases.get(key)
        if case is None:
            self._parties.add(key[0])
            case = self._cases[key] = CaseView(application_id, key[0])
        case.add(event)
        if case.started and case.waiting:
            for provider, at, came in case.waiting:
                self._answered(provider, at, came - case.started)
            case.waiting.clear()

    def forget(self, now: int) -> None:
        """Let go of what is over, or has not been heard of, for long."""
        for key in [key for key, case in self._cases.items() if case.last < now - _kept(case)]:
            del self._cases[key]

    def find(self, application_id: str) -> list[CaseView]:
        """The applications of that id, by requester, ascending; not one known only by what is said beside its life.

        An id is its requester's choice, and others learn it: the application of one requester never stands for another's.
        """
        cases = [self._cases.get((party, application_id)) for party in sorted(self._parties)]
        return [case for case in cases if case is not None and case.state is not None]

    def page(self, state: str | None, party: str | None, before: int | None, limit: int) -> tuple[list[CaseView], bool]:
        """Applications, the newest change first: open ones, or those in `state`; and whether there are more.

        `before`: only those whose state is older (ms). Those of the last one's very time come with it, though beyond `limit`.
        """
        wanted = [case for case in self._known() if _is_wanted(case, state, party, before)]
        newest = nlargest(limit, wanted, key=_newest)
        if len(newest) < limit:
            return newest, False
        last = newest[-1].since
        page = sorted((case for case in wanted if case.since >= last), key=_newest, reverse=True)
        return page, len(page) < len(wanted)

    def survey(self, now: int) -> Survey:
        """How all applications stand at `now` (ms)."""
        states: Counter[str] = Counter()
        stuck: list[tuple[CaseView, Stuck]] = []
        at_risk: list[AtRisk] = []
        unanswered: Counter[str] = Counter()
        for case in self._known():
            if case.is_open:
                states[str(case.state)] += 1
            found = judge(case, now)
            if found is not None:
                stuck.append((case, found))
            at_risk += [AtRisk(case.application_id, *risk) for risk in case.at_risk(now)]
            unanswered.update(case.open_by_provider())
        stuck.sort(key=lambda each: (each[1].since, each[0].application_id))
        at_risk.sort(key=lambda risk: (risk.at, risk.application_id, risk.section, risk.provider))
        return Survey(states, stuck, at_risk, unanswered)

    def _known(self) -> Iterator[CaseView]:
        return (case for case in self._cases.values() if case.state is not None)


def _kept(case: CaseView) -> int:
    if case.is_open:
        return KEPT_OPEN
    return KEPT_UNDELIVERED if case.certified > case.delivered else KEPT_ENDED


def _newest(case: CaseView) -> tuple[int, str]:
    return case.since, case.application_id


def _is_wanted(case: CaseView, state: str | None, party: str | None, before: int | None) -> bool:
    in_state = case.is_open if state is None else case.state == state
    return in_state and party in (None, case.party) and (before is None or case.since < before)
