"""Who may be drawn for a spot check (抽查, Art. 9), why some are likelier to be, and what those drawn are asked for.

Candidates are the persons of applications that are certified, as hedx.center.results tells; facts that weigh come from
hedx.center.applications as far back as it is kept. Nothing here opens a roster: what is drawn is a position.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pipeline.center.evidence_draws import DrawFile
from pipeline.codec import framing
from pipeline.crypto import cose, signed
from pipeline.crypto.trust import Trust
from pipeline.domain.calendar import EVIDENCE_WORKING_DAYS, Calendar, CalendarUnknown, local_date
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import ApplicationResult, EvidenceAsked, Mandate
from pipeline.domain.rules import RuleBook
from pipeline.domain.sampling import Candidate, Drawn
from pipeline.stages.effects import Message
from pipeline.stages.evidence import MOST_NUMBERS

_REQUESTS: Final = uuid.UUID("6a0f5f0e-6c4e-4f0e-9d5c-3d4d4f6f0b09")
"""Namespace of the ids of a draw's requests: carried out again, it asks nobody twice."""


@dataclass(slots=True)
class Facts:
    """What hedx.center.applications says of applications and provinces, as far as it weighs in a draw."""

    calendar: Calendar
    now: int
    mandates: dict[tuple[str, str], Mandate] = field(default_factory=dict)
    marks: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    numbers: dict[tuple[str, str], dict[int, list[int]]] = field(default_factory=dict)
    debts: dict[str, set[str]] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)
    _asked: dict[str, EvidenceAsked] = field(default_factory=dict)
    _replied: dict[str, int] = field(default_factory=dict)

    def take(self, messages: Iterable[Message]) -> None:
        """Look at the topic's records; what does not decode was put aside by its stage."""
        for message in messages:
            try:
                name, record = framing.decode(message.value or b"")
            except InvalidMessage:
                continue
            self._take(name, record)
        for request_id, asked in self._asked.items():
            if self._replied.get(request_id, self.now) > self._due(asked):
                self.debts.setdefault(asked["requester"], set()).add("overdue")

    def _take(self, name: str, record: Mapping[str, Any]) -> None:
        if name == "SectionReceived" and record["mandate"]:
            place = record["requester"], record["application_id"]
            self.numbers.setdefault(place, {}).setdefault(record["section"], record["numbers"])
            marks = self.marks.setdefault(place, set())
            marks |= {fact for fact in ("guarded", "undocumented") if record[f"{fact}_count"]}
            if place not in self.mandates:
                raw = cose.decode(record["mandate"]).payload
                self.mandates[place] = cast("Mandate", framing.decode_as("Mandate", raw))
        elif name == "OfficerDecided":
            self.marks.setdefault((record["requester"], record["application_id"]), set()).add("held")
        elif name == "EvidenceAsked":
            self._asked.setdefault(record["request_id"], cast("EvidenceAsked", record))
        elif name == "Acted" and record["typ"] == "evidence-reply":
            reply = framing.decode_as("EvidenceReply", cose.decode(record["act"]).payload)
            self._replied.setdefault(cast("str", reply["request_id"]), record["received_at"])
        elif name == "EvidenceJudged":
            self.judged.add(record["request_id"])
            if record["verdict"] == "questioned":
                self.debts.setdefault(record["requester"], set()).add("questioned")

    def _due(self, asked: EvidenceAsked) -> int:
        try:
            return self.calendar.due(asked["at"], EVIDENCE_WORKING_DAYS)
        except CalendarUnknown:  # then it is not late by anybody's count
            return self.now

    def of(self, result: ApplicationResult, rules: RuleBook) -> tuple[str, ...]:
        """The facts of one closed application, in order of their names."""
        place = result["requester"], result["application_id"]
        found = self.marks.get(place, set()) | self.debts.get(result["requester"], set())
        mandate = self.mandates.get(place)
        if mandate is not None:
            consent = mandate["unit_consent"]
            found |= {consent["level"]} if consent else set()
            found |= {"recheck"} if mandate["recheck"] else set()
            if not rules.for_party(result["requester"]).is_listed(mandate["business_category"]):
                found |= {"unlisted"}
        if result["version"] > 1:
            found |= {"supplemented"}
        return tuple(sorted(found))


def candidates(
    results: Mapping[bytes, bytes], facts: Facts, rules: RuleBook, trust: Trust, month: str
) -> list[Candidate]:
    """The applications whose newest certificate is of `month` (`2026-11`, in China), with what their persons weigh.

    `results`: the table of hedx.center.results. Only what the center certified is closed. Raises InvalidMessage for a
    result that does not verify.
    """
    found: list[Candidate] = []
    for raw in results.values():
        at = signed.peek(raw).claims.issued_at
        payload = signed.verify(raw, "certificate", trust, now=at, issuer=CENTER).payload
        result = cast("ApplicationResult", framing.decode_as("ApplicationResult", payload))
        if f"{local_date(result['closed_at']):%Y-%m}" == month and result["person_count"]:
            why = facts.of(result, rules)
            weight = rules.for_party(result["requester"]).spot_check.weight(why)
            place = result["requester"], result["application_id"]
            found.append(Candidate(*place, result["person_count"], weight, why))
    return sorted(found, key=Candidate.line)


def quotas_by(rules: RuleBook, found: Iterable[Candidate]) -> dict[str, int]:
    """How many persons of each province the rules want drawn."""
    persons: dict[str, int] = {}
    for candidate in found:
        persons[candidate.requester] = persons.get(candidate.requester, 0) + candidate.persons
    return {party: rules.for_party(party).spot_check.sample_size(count) for party, count in sorted(persons.items())}


def questions(
    file: DrawFile, facts: Facts, *, officer: str, reason: str, now: int
) -> tuple[list[EvidenceAsked], list[Drawn]]:
    """The requests for the documents of everybody drawn, and those whose roster the center does not keep any more.

    An application's persons are asked about together, a section's worth at a time; requests that are judged are left out.
    """
    asked: dict[tuple[str, str], list[int]] = {}
    unknown: list[Drawn] = []
    for one in file.drawn:
        sections = facts.numbers.get((one.requester, one.application_id), {})
        numbers = [number for section in sorted(sections) for number in sections[section]]
        if one.position > len(numbers):
            unknown.append(one)
        else:
            asked.setdefault((one.requester, one.application_id), []).append(numbers[one.position - 1])
    records: list[EvidenceAsked] = []
    most = MOST_NUMBERS.stop - 1
    for (requester, application_id), numbers in sorted(asked.items()):
        for at in range(0, len(numbers), most):
            name = f"{file.draw_id}/{requester}/{application_id}/{at}"
            records.append(
                EvidenceAsked(
                    request_id=str(uuid.uuid5(_REQUESTS, name)),
                    application_id=application_id,
                    requester=requester,
                    numbers=sorted(numbers[at : at + most]),
                    kinds=[],
                    draw=file.draw_id,
                    officer=officer,
                    reason=reason,
                    at=now,
                )
            )
    return [record for record in records if record["request_id"] not in facts.judged], unknown
