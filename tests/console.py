"""A console without Kafka for unit tests: its own routes and guards, over documents as the lag exporter and the watch give them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from pipeline.center.deadletter_facts import Letter, Shown
from pipeline.center.deadletters import Replayed
from pipeline.domain.errors import ConfigError
from pipeline.ops.console.acts import Acts
from pipeline.ops.console.gate import Gate, Refusal
from pipeline.ops.console.guard import Guard
from pipeline.ops.console.journal import Journal
from pipeline.ops.console.letter_reading import LetterReading
from pipeline.ops.console.letters import letter_row
from pipeline.ops.console.pages import Pages
from pipeline.ops.console.roles import SHIPPED
from pipeline.ops.console.server import application
from pipeline.ops.console.sessions import Sessions
from pipeline.ops.console.shapes import Trends, lag_rows
from pipeline.ops.console.sources import SeveralParties, SourceAway
from pipeline.ops.console.stream import Hub
from pipeline.stages.effects import Message

NOW = 1_795_539_600_000
"""2026-11-24 17:00 UTC."""
MINE, OTHERS = "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d", "1b0c2f0e-9d3e-4f1c-8f55-02f1a4b1c9aa"


def partition(topic: str, number: int, lag: int = 0, seconds: float = 0.0, status: str = "ok", rule: int = 10) -> Any:
    """A partition of the lag document."""
    return {
        "topic": topic,
        "partition": number,
        "committed": 100,
        "end": 100 + lag,
        "begin": 0,
        "lag": lag,
        "lag_seconds": seconds,
        "retention_ratio": seconds / 1_209_600,
        "compacted": False,
        "status": status,
        "rule": rule,
    }


def group(
    name: str, *partitions: Any, status: str = "ok", rule: int = 10, reason: str = "fine", members: int = 1
) -> Any:
    """A group of the lag document."""
    return {
        "group": name,
        "state": "stable" if members else "empty",
        "members": members,
        "status": status,
        "rule": rule,
        "reason": reason,
        "lag": sum(each["lag"] for each in partitions),
        "lag_seconds": max((each["lag_seconds"] for each in partitions), default=None),
        "partitions": list(partitions),
    }


def lag_document() -> dict[str, Any]:
    """One stage has stopped; two parties' groups are fine."""
    topic = "hedx.center.join"
    waiting = [partition(topic, n, 40 + n, 12.5 + n, "stopped", 2) for n in range(3)]
    return {
        "now": NOW,
        "cluster": "hedx",
        "poll_seconds": 0.2,
        "absent": [],
        "healthy": False,
        "groups": [
            group("hedx.center.intake", partition("hedx.center.requests", 0)),
            group("hedx.center.join", *waiting, status="stopped", rule=2, reason=f"{topic}/2: nobody reads", members=0),
            group("hedx.37.answer", partition("hedx.37.requests", 0)),
            group("hedx.53.deliver", partition("hedx.53.responses", 0, 1, 0.4)),
        ],
    }


def watched(identifier: str, party: str, state: str = "started") -> dict[str, Any]:
    """An application as the watch tells it."""
    return {
        "application_id": identifier,
        "party": party,
        "state": state,
        "since": NOW - 90_000,
        "persons": 126,
        "sections": 1,
        "missing": [{"provider": "37", "persons": 12, "deadline": NOW + 3_600_000}],
        "risk": True,
        "stuck": None,
        "history": [
            {"at": NOW - 90_000, "stage": "intake", "kind": "section_received", "party": party, "provider": None,
             "section": 1, "count": 126, "code": None, "by": None},
            {"at": NOW - 89_000, "stage": "applications", "kind": "approved", "party": party, "provider": None,
             "section": None, "count": 126, "code": None, "by": "officer:王芳"},
        ],
    }  # fmt: skip


def punctual(provider: str, ratio: float | None, open_: int = 0, late: int = 0) -> dict[str, Any]:
    """A provider's figures."""
    return {"provider": provider, "asked": 500, "done": 480, "refused": 3, "unavailable": 1, "expired": 4, "open": open_,
            "late": late, "ratio": ratio, "median_seconds": 2.4}  # fmt: skip


def events() -> dict[str, Any]:
    """Kind of event → value, as the hub has them."""
    return {
        "sources": {"lag": {"ok": True, "at": None}, "watch": {"ok": True, "at": None}},
        "lag": {**{k: v for k, v in lag_document().items() if k != "groups"}, "rows": Trends().added(lag_rows(lag_document()))},
        "summary": {"now": NOW, "since": NOW - 3_600_000, "behind_seconds": 0.2, "events": 4821, "duplicates": 0,
                    "open": {"started": 3, "held": 1}, "applications_per_minute": 2.0, "subqueries_per_minute": 4536.0,
                    "answers_per_minute": 4110.0, "stuck": 1, "at_risk": 1},
        "flow": [{"from": "requester", "to": "intake", "per_minute": 2.0}],
        "punctuality": [punctual("37", 0.97, 12), punctual("53", 0.71, 40, 8)],
        "rates": {"minutes": [{"minute": NOW, "applications": 2, "subqueries": 9, "answers": 8}],
                  "by_party": [{"party": "37", "applications": 1, "subqueries": 4}, {"party": "53", "applications": 1, "subqueries": 5}],
                  "by_category": [{"category": "medical", "subqueries": 9, "answers": 8}]},
        "latency": [{"leg": "received→accepted", "count": 12, "p50": 0.2, "p90": 0.4, "p99": 1.2}],
        "risks": {"stuck": [{"application_id": OTHERS, "party": "53", "why": "no_certificate", "since": NOW}],
                  "deadlines": [{"application_id": MINE, "section": 1, "provider": "37", "persons": 12, "at": NOW + 3_600_000}]},
        "applications": {"events": 4821},
        "dead_letters": [letter_row(LETTER)],
        "catalog": {"number": 1, "published_at": NOW, "categories": ["medical"], "entries": []},
        "certificates": {"count": 2, "crl": None, "rows": [
            {"party": "37", "usage": "tls", "serial": "ab", "not_after": NOW, "days": 3, "revoked": False},
            {"party": "53", "usage": "tls", "serial": "cd", "not_after": NOW, "days": 3, "revoked": False}]},
        "findings": [{"severity": "alarm", "code": "certificate_expires", "party": "53", "zh": "证书", "en": "certificate",
                      "cure_zh": "换", "cure_en": "renew"}],
        "desk": {"rows": [{"requester": "53", "application_id": MINE, "stage": "overdue", "digest": "ab" * 32}]},
    }  # fmt: skip


LETTER = Letter("0/7", NOW - 60_000, "intake", "signature_invalid", "", "hedx.center.requests", 0, 71, "37", 2048)


class Letters:
    """A stand-in for the dead letters on Kafka; `done`: what it was asked to do."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, str, str]] = []

    def show(self, place: str) -> Shown:
        """The one letter there is."""
        if place != LETTER.place:
            raise ConfigError(f"no dead letter stands at {place}")
        return Shown(LETTER, Message(LETTER.topic, 0, 71, NOW, b"key", b"sealed", ()), b"", None, ())

    def replay(self, place: str, *, by: str, reason: str, now: int, again: bool = False) -> Replayed:
        """Note it."""
        self.done.append(("replay", place, by, reason))
        return Replayed(place, LETTER.topic, 0, 99)

    def discard(self, place: str, *, by: str, reason: str, now: int) -> Letter:
        """Refuse it, as the real one does what is settled."""
        raise ConfigError(f"{place} is replayed already, by {by}")


class Watch:
    """A stand-in for the watch's server; `asked`: path and parameters of each request; `others`: more applications."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.away = False
        self.others: list[dict[str, Any]] = []

    async def get(self, path: str, parameters: dict[str, str] | None = None) -> Any:
        """What it would answer."""
        self.asked.append((path, parameters or {}))
        if self.away:
            raise SourceAway("down")
        known = {MINE: watched(MINE, "37"), OTHERS: watched(OTHERS, "53")}
        name = path.rpartition("/")[2]
        if name == "applications":
            return {"applications": list(known.values()), "more": False}
        wanted = (parameters or {}).get("party")
        found = [each for each in (*known.values(), *self.others) if each["application_id"] == name]
        found = [each for each in found if wanted in (None, each["party"])]
        if not found:
            raise Refusal(404, "unknown")
        if len(found) > 1:
            raise SeveralParties([each["party"] for each in found])
        return found[0]


@dataclass
class Standing:
    """The console's parts. `certificates`: name in the header `X-Test-Certificate` → DER; `now`: the clock, ms."""

    folder: Path
    certificates: Mapping[str, bytes]
    roles: Mapping[str, Any] = field(default_factory=lambda: SHIPPED)
    revoked: Collection[int] = frozenset()
    suspended: Collection[str] = frozenset()
    now: int = NOW
    held: Collection[str] = frozenset({"admin", "center"})
    letters: Letters = field(default_factory=Letters)
    watch: Watch = field(default_factory=Watch)

    def application(self) -> web.Application:
        """Its routes behind its guards. Call it within the event loop."""
        gate = Gate(self.roles, lambda: self.revoked, lambda: self.suspended)

        def certificate(request: web.Request) -> bytes | None:
            return self.certificates.get(request.headers.get("X-Test-Certificate", ""))

        guard = Guard(
            gate, Sessions(), Journal(self.folder / "access.db"), lambda: self.now, {"127.0.0.1"}, certificate
        )
        self.hub = Hub()
        for kind, value in events().items():
            self.hub.publish(kind, value)
        reading = LetterReading(self.letters, lambda: self.now, self.held)  # type: ignore[arg-type]
        pages = Pages(guard, self.hub, self.watch, reading, desk_here=False)  # type: ignore[arg-type]
        return application(guard, pages, Acts(guard, self.letters, None, reading.forget))  # type: ignore[arg-type]
