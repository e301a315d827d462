"""The watch's figures once more, as plain SQL over the events: no table, sketch or rule of the watch is used."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import Any

from pipeline.domain.records import LifecycleEvent

DAY = 24 * 3600 * 1000
_TABLES = """
CREATE TABLE event (id TEXT PRIMARY KEY, at, stage, kind, application, section, party, provider, count, code, since, state, change);
CREATE TABLE part (id, category, status, provider, deadline, count);
"""


class WatchOracle:
    """Events in SQLite; each id once, the first copy counts."""

    def __init__(self, events: Iterable[LifecycleEvent]) -> None:
        self._db = sqlite3.connect(":memory:")
        self._db.executescript(_TABLES)
        for e in events:
            row = (
                e["event_id"], e["at"], e["stage"], e["kind"], e["application_id"], e["section"], e["party"], e["provider"],
                e["count"], e["code"], e["since"], e["state"], e["change"],
            )  # fmt: skip
            if self._db.execute(f"INSERT OR IGNORE INTO event VALUES ({','.join('?' * 13)})", row).rowcount:  # noqa: S608
                self._db.executemany(
                    "INSERT INTO part VALUES (?,?,?,?,?,?)",
                    [
                        (e["event_id"], p["category"], p["status"], p["provider"], p["deadline"], p["count"])
                        for p in e["parts"]
                    ],
                )

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._db.execute(query, values).fetchall()

    def events(self) -> int:
        """How many different events."""
        return int(self.ask("SELECT count(*) FROM event")[0][0])

    def minutes(self) -> list[tuple[int, int, int, int]]:
        """(minute in ms, applications, sub-queries, answers), of the minutes in which there is any."""
        return self.ask(
            """SELECT at / 60000 * 60000 AS minute, sum(kind = 'arrived'),
                 sum(coalesce((SELECT sum(count) FROM part WHERE part.id = event.id AND event.kind = 'dispatched'), 0)),
                 sum(coalesce((SELECT sum(count) FROM part
                   WHERE part.id = event.id AND event.kind = 'answer_accepted' AND status <> 'missing'), 0))
               FROM event WHERE kind IN ('arrived', 'dispatched', 'answer_accepted') GROUP BY 1 ORDER BY 1"""
        )

    def subqueries(self) -> dict[tuple[str, str], int]:
        """(provider, category) → dispatched."""
        return {
            (provider, category): count
            for provider, category, count in self.ask(
                """SELECT event.provider, category, sum(part.count) FROM event JOIN part USING (id)
                   WHERE kind = 'dispatched' GROUP BY 1, 2"""
            )
        }

    def settled(self, since: int = 0) -> dict[str, Counter[str]]:
        """Provider → sub-queries by status, `late` among them, of sections whose first certificate is not older (ms)."""
        found: dict[str, Counter[str]] = {}
        rows = self.ask(
            """SELECT part.provider,
                 CASE WHEN kind = 'section_supplemented' AND part.count > 0 THEN 'late' ELSE status END, sum(part.count)
               FROM event JOIN part USING (id)
               WHERE kind IN ('section_closed', 'section_supplemented') AND EXISTS (
                 SELECT 1 FROM event AS first WHERE first.kind = 'section_closed' AND first.at >= ?
                 AND (first.application, first.party, first.section) = (event.application, event.party, event.section))
               GROUP BY 1, 2""",
            since,
        )
        for provider, status, count in rows:
            found.setdefault(provider, Counter())[status] = count
        return found

    def unsettled(self) -> dict[str, int]:
        """Provider → sub-queries asked, of sections without a certificate."""
        rows = self.ask(
            """WITH asked AS (SELECT application, event.provider, sum(part.count) AS n FROM event JOIN part USING (id)
                              WHERE kind IN ('dispatched', 'dispatch_missed') GROUP BY 1, 2),
                    settled AS (SELECT application, part.provider, sum(part.count) AS n FROM event JOIN part USING (id)
                                WHERE kind = 'section_closed' GROUP BY 1, 2)
               SELECT asked.provider, sum(max(0, asked.n - coalesce(settled.n, 0)))
               FROM asked LEFT JOIN settled USING (application, provider)
               WHERE EXISTS (SELECT 1 FROM event WHERE event.application = asked.application
                             AND (change IS NOT NULL OR kind = 'section_received')) GROUP BY 1"""
        )
        return {provider: count for provider, count in rows if count}

    def states(self) -> dict[str, str]:
        """Application → its state: that of the highest change, else filed."""
        rows = self.ask(
            """SELECT application, coalesce(
                 (SELECT state FROM event AS e WHERE e.application = event.application AND change IS NOT NULL
                  ORDER BY change DESC LIMIT 1), 'filed')
               FROM event WHERE application IS NOT NULL AND (change IS NOT NULL OR kind = 'section_received') GROUP BY 1"""
        )
        return dict(rows)

    def missing(self, application: str) -> dict[str, int]:
        """Provider → sub-queries it has not answered."""
        rows = self.ask(
            """SELECT provider, sum(max(0, asked - answered)) FROM (
                 SELECT event.provider AS provider, category,
                   sum(CASE WHEN kind <> 'answer_accepted' THEN part.count ELSE 0 END) AS asked,
                   sum(CASE WHEN kind = 'answer_accepted' AND status <> 'missing' THEN part.count ELSE 0 END) AS answered
                 FROM event JOIN part USING (id)
                 WHERE application = ? AND kind IN ('dispatched', 'dispatch_missed', 'answer_accepted') GROUP BY 1, 2)
               GROUP BY 1""",
            application,
        )
        return {provider: count for provider, count in rows if count}

    def leg(self, kind: str) -> list[int]:
        """How long (ms) what ends with an event of `kind` took, ascending."""
        rows = self.ask("SELECT at - since FROM event WHERE kind = ? AND since IS NOT NULL ORDER BY 1", kind)
        return [took for (took,) in rows]

    def turnarounds(self) -> list[int]:
        """How long (ms) answers took from their application's start on, ascending."""
        rows = self.ask(
            """SELECT answer.since - start.at FROM event AS answer JOIN event AS start USING (application)
               WHERE answer.kind = 'answer_accepted' AND start.kind = 'started' ORDER BY 1"""
        )
        return [took for (took,) in rows]


def nearest_rank(values: list[int], share: float) -> int:
    """The exact percentile of ascending values."""
    return values[max(1, ceil(share * len(values))) - 1]
