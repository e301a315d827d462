"""What the center asks a province for (调阅, Art. 9), as its store has it: the requests, and what is still open of them.

A request is verified on every reading, as of when it came: what nobody at the center signed asks for nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from pipeline.codec import framing
from pipeline.crypto import cose, signed
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError
from pipeline.domain.evidence import KINDS
from pipeline.domain.parties import CENTER
from pipeline.domain.records import EvidenceJudged, EvidenceKind, EvidenceReply, EvidenceRequest
from pipeline.province.evidence_documents import Document

Want = tuple[int | None, EvidenceKind]
"""A roster number (None: the application itself) and a kind of document asked for."""
ALWAYS: tuple[EvidenceKind, ...] = ("identity", "consent", "mandate")
"""Kinds that a request for every kind wants an answer about; others where there are any."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an officer decided about a request: a document (`digest`) is released, or one wanted is not, and why."""

    digest: bytes | None
    number: int | None
    kind: EvidenceKind
    reason: str
    officer: str
    at: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was asked last. `received_at`: when it came first; `reply`, `judged`: what became of it."""

    request: EvidenceRequest
    received_at: int
    reply: EvidenceReply | None
    judged: EvidenceJudged | None
    decisions: tuple[Decision, ...]

    @property
    def id(self) -> str:
        """Its id."""
        return self.request["request_id"]

    def covers(self, document: Document) -> bool:
        """Whether the request asks for this document, one of those its application rests on: its kinds and its persons."""
        request = self.request
        if request["kinds"] and document.kind not in request["kinds"]:
            return False
        if not request["numbers"]:
            return not document.numbers
        return any(document.is_about(number) for number in request["numbers"])

    def wants(self, documents: Iterable[Document]) -> list[Want]:
        """Number and kind of everything that a reply has to say something about, given what the archive has."""
        request = self.request
        there = {document.kind for document in documents if self.covers(document)}
        kinds = request["kinds"] or [kind for kind in KINDS if kind in ALWAYS or kind in there]
        if not request["numbers"]:
            return [(None, kind) for kind in kinds if kind == "mandate" or kind in request["kinds"] or kind in there]
        persons = [kind for kind in kinds if kind != "mandate"]
        whole: list[Want] = [(None, "mandate")] if "mandate" in kinds else []
        only = {
            kind: {n for d in documents if d.kind == kind for n in request["numbers"] if d.is_about(n)}
            for kind in persons
        }
        return whole + [
            (number, kind)
            for number in request["numbers"]
            for kind in persons
            if kind in ALWAYS or kind in request["kinds"] or number in only[kind]
        ]

    def open(self, documents: Iterable[Document]) -> list[Want]:
        """What of it is neither released nor said to be missing."""
        held = list(documents)
        released = {decision.digest for decision in self.decisions if decision.digest is not None}
        refused = {(decision.number, decision.kind) for decision in self.decisions if decision.digest is None}
        given = [document for document in held if document.digest in released]
        return [want for want in self.wants(held) if want not in refused and not any(meets(d, want) for d in given)]


def meets(document: Document, want: Want) -> bool:
    """Whether a document is what is wanted."""
    number, kind = want
    return document.kind == kind and (number is None or document.is_about(number))


def requests(connection: sqlite3.Connection, trust: Trust, party: str) -> list[Asked]:
    """Every request that came, the newest reminder of each, by its due time. Raises InvalidMessage for a forged one."""
    newest: dict[str, tuple[EvidenceRequest, int]] = {}
    for raw, at in _acts(connection, "evidence-request"):
        verified = signed.verify_kept(raw, "evidence-request", trust, witness=at, issuer=CENTER, audience=party)
        request = cast("EvidenceRequest", framing.decode_as("EvidenceRequest", verified.payload))
        held, first = newest.get(request["request_id"], (request, at))
        newest[request["request_id"]] = (max(held, request, key=lambda found: found["reminder"]), min(first, at))
    replies = _last(connection, "evidence-reply", "EvidenceReply")
    judgements = _last(connection, "evidence-judged", "EvidenceJudged")
    found = [
        Asked(
            request,
            at,
            cast("EvidenceReply | None", replies.get(request_id)),
            cast("EvidenceJudged | None", judgements.get(request_id)),
            decisions(connection, request_id),
        )
        for request_id, (request, at) in newest.items()
    ]
    return sorted(found, key=lambda asked: (asked.request["due"], asked.id))


def request(connection: sqlite3.Connection, trust: Trust, party: str, request_id: str) -> Asked:
    """The request with this id, or whose id begins so. Raises ConfigError for none or several."""
    found = [asked for asked in requests(connection, trust, party) if asked.id.startswith(request_id)]
    if len(found) != 1 or not request_id:
        raise ConfigError(f"{len(found)} requests of the center's have an id that begins with {request_id}")
    return found[0]


def decisions(connection: sqlite3.Connection, request_id: str) -> tuple[Decision, ...]:
    """What was decided about a request so far, in order."""
    query = (
        "SELECT digest, number, kind, reason, officer, at FROM evidence_decision WHERE request_id = ? ORDER BY rowid"
    )
    return tuple(Decision(*row) for row in connection.execute(query, (request_id,)))


def decide(connection: sqlite3.Connection, request_id: str, decision: Decision) -> None:
    """Note a decision inside the caller's transaction."""
    connection.execute(
        "INSERT INTO evidence_decision VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            request_id, decision.digest, decision.number, decision.kind, decision.reason, decision.officer, decision.at,
        ),
    )  # fmt: skip


def _last(connection: sqlite3.Connection, typ: str, name: str) -> dict[str, object]:
    """The newest act of a type for each request; our own, or verified by the adapter when it came."""
    found: dict[str, object] = {}
    for raw, _ in _acts(connection, typ):
        record = framing.decode_as(name, cose.decode(raw).payload)
        found[str(record["request_id"])] = record
    return found


def _acts(connection: sqlite3.Connection, typ: str) -> list[tuple[bytes, int]]:
    return connection.execute("SELECT signed, at FROM act WHERE typ = ? ORDER BY at, digest", (typ,)).fetchall()
