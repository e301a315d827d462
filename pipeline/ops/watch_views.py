"""What the watch's HTTP API says, as documents (docs/watch.md): the tables at a moment, and nothing that a party has written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from pipeline.ops.watch_case import CaseView
from pipeline.ops.watch_cases import Survey
from pipeline.ops.watch_minutes import KEPT, MINUTE, Key
from pipeline.ops.watch_stuck import judge
from pipeline.ops.watch_tables import WatchTables

Document = dict[str, Any]

RATE_MINUTES: Final = 5
"""Minutes that a rate is averaged over, the current one included."""
LATENCY_MINUTES: Final = 60
MOST_MINUTES: Final = KEPT
MOST_RISKS: Final = 1000
"""Stuck applications, and deadlines, that are listed; `more` says that there are more."""
FEW: Final = 2_000
"""Applications that are surveyed anew for each answer."""
SURVEY_AGE: Final = 2_000
"""How old (ms) a survey of more of them may be."""


class SeveralRequesters(Exception):
    """An id that several requesters chose, where one was to be meant. `parties`: who, ascending."""

    def __init__(self, parties: list[str]) -> None:
        super().__init__(f"several parties have an application of this id: {', '.join(parties)}")
        self.parties = parties


class Views:
    """Documents of `tables`. `now`: ms; `behind`: seconds that the watch is behind the end of hedx.events."""

    def __init__(self, tables: WatchTables, now: Callable[[], int], behind: Callable[[], float]) -> None:
        self._tables = tables
        self._now = now
        self._behind = behind
        self._surveyed: tuple[int, Survey] | None = None

    def survey(self) -> Survey:
        """How all applications stand now; of very many, how they stood within the last `SURVEY_AGE`."""
        now, cases = self._now(), self._tables.cases
        known = self._surveyed
        if known is None or now - known[0] >= SURVEY_AGE or len(cases) <= FEW:
            known = self._surveyed = now, cases.survey(now)
        return known[1]

    def summary(self) -> Document:
        """`/api/watch/summary`."""
        tables, survey = self._tables, self.survey()
        counts, minutes = self._recent(RATE_MINUTES)
        return {
            "now": self._now(),
            "since": tables.since,
            "behind_seconds": self._behind(),
            "events": tables.events,
            "duplicates": tables.duplicates,
            "unreadable": tables.unreadable.total(),
            "open": dict(sorted(survey.states.items())),
            **{f"{what}_per_minute": round(counts[what,] / minutes, 2) for what in _WHAT},
            "stuck": len(survey.stuck),
            "at_risk": len(survey.at_risk),
        }

    def rates(self, minutes: int) -> Document:
        """`/api/watch/rates`: the last `minutes` minutes one by one, and together by province and category."""
        last = self._now() // MINUTE
        span = range(last - minutes + 1, last + 1)
        counts = self._tables.minutes.sum(span)
        return {
            "minutes": [
                {"minute": minute * MINUTE, **{what: self._tables.minutes.of(minute)[what,] for what in _WHAT}}
                for minute in span
            ],
            "by_party": _by(counts, "party", ("applications", "subqueries")),
            "by_provider": _by(counts, "provider", ("subqueries", "answers")),
            "by_category": _by(counts, "category", ("subqueries", "answers")),
        }

    def latency(self, minutes: int) -> list[Document]:
        """`/api/watch/latency`: percentiles (s) of each leg that ended in the last `minutes` minutes."""
        return [
            {
                "leg": leg,
                "count": sketch.count,
                **{name: sketch.quantile(share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))},
            }
            for leg, sketch in self._tables.latency.legs(self._now(), minutes)
        ]

    def punctuality(self) -> list[Document]:
        """`/api/watch/punctuality`: what became of the sub-queries put to each provider, over 30 days."""
        return [
            {
                "provider": standing.provider,
                "asked": standing.asked,
                **{status: standing.counts[status] for status in ("done", "refused", "unavailable", "expired")},
                "open": standing.open,
                **{status: standing.counts[status] for status in ("late", "withdrawn", "suspended")},
                "ratio": standing.ratio,
                "median_seconds": standing.median_seconds,
            }
            for standing in self._tables.punctuality.standings(self._now(), self.survey().unanswered)
        ]

    def flow(self) -> list[Document]:
        """`/api/watch/flow`: messages a minute between the stations."""
        counts, minutes = self._recent(RATE_MINUTES)
        edges = sorted(key for key in counts if key[0] == "flow")
        return [{"from": a, "to": b, "per_minute": round(counts["flow", a, b] / minutes, 2)} for _, a, b in edges]

    def applications(self, state: str | None, party: str | None, before: int | None, limit: int) -> Document:
        """`/api/watch/applications`: a page, the newest change first."""
        page, more = self._tables.cases.page(state, party, before, limit)
        return {"applications": [self._row(case) for case in page], "more": more}

    def application(self, application_id: str, party: str | None = None) -> Document | None:
        """`/api/watch/applications/{id}`: that of `party`, or the only one; None when there is none.

        Raises SeveralRequesters where `party` is not given and several have one.
        """
        cases = [case for case in self._tables.cases.find(application_id) if party in (None, case.party)]
        if not cases:
            return None
        if len(cases) > 1:
            raise SeveralRequesters([case.party for case in cases])
        case = cases[0]
        history = [told.document() for told in case.history]
        return {**self._row(case), "history": history}

    def risks(self) -> Document:
        """`/api/watch/risks`: stuck applications, the longest first; deadlines at risk, the nearest first."""
        survey = self.survey()
        stuck = [
            {"application_id": case.application_id, "party": case.party, "why": found.why, "rule": found.rule, "since": found.since}
            for case, found in survey.stuck[:MOST_RISKS]
        ]  # fmt: skip
        deadlines = [
            {"application_id": r.application_id, "section": r.section, "provider": r.provider, "persons": r.persons, "at": r.at}
            for r in survey.at_risk[:MOST_RISKS]
        ]  # fmt: skip
        more = len(survey.stuck) > MOST_RISKS or len(survey.at_risk) > MOST_RISKS
        return {"stuck": stuck, "deadlines": deadlines, "more": more}

    def _row(self, case: CaseView) -> Document:
        now = self._now()
        found = judge(case, now)
        missing = [
            {"provider": m.provider, "persons": m.persons, "subqueries": m.subqueries, "deadline": m.deadline}
            for m in case.missing()
        ]
        return {
            "application_id": case.application_id,
            "party": case.party,
            "state": case.state,
            "since": case.since,
            "persons": case.person_count,
            "sections": case.section_count,
            "missing": [] if case.state in ("withdrawn", "rejected") else missing,
            "risk": bool(case.at_risk(now)),
            "stuck": None if found is None else found.why,
        }

    def _recent(self, minutes: int) -> tuple[Counter[Key], float]:
        """Counts of the last minutes, and how many minutes that are: the current one is not over."""
        now = self._now()
        last = now // MINUTE
        return self._tables.minutes.sum(range(last - minutes + 1, last + 1)), minutes - 1 + (now % MINUTE + 1) / MINUTE


_WHAT: Final = ("applications", "subqueries", "answers")


def _by(counts: Counter[Key], name: str, whats: tuple[str, ...]) -> list[Document]:
    found = sorted({key[2] for key in counts if len(key) == 3 and key[0] in whats and key[1] == name})
    return [{name: which, **{what: counts[what, name, which] for what in whats}} for which in found]
