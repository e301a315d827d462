"""applications: the process manager, keyed by application. Each record or timer goes to its handler.

In: hedx.center.applications. Out: providers' requests, hedx.center.join, the requester's responses,
hedx.center.results, hedx.center.desk. Accepted sections stay here, sealed, until the requester has receipted their
bundles and nobody owes answers any more. The life of an application is the table in `domain.lifecycle`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pipeline.codec import framing
from pipeline.crypto.keys import Identity
from pipeline.domain.calendar import Calendar
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.lifecycle import Event, Facts, NotAllowed
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Acted, DeliveryReceipted, DispatchDue, SectionCertified
from pipeline.domain.rules import RuleBook
from pipeline.stages import (
    admission,
    cataloguing,
    certify,
    deciding,
    delays,
    evidence,
    evidence_casework,
    holding,
    rechecking,
    redispatching,
    rejecting,
    sending,
    topics,
    withdrawing,
)
from pipeline.stages.acts import Act, open_act
from pipeline.stages.bounds import VERSIONS, within
from pipeline.stages.casework import CLOCK, Case, Casework, timer_of
from pipeline.stages.dispatch import Dispatcher
from pipeline.stages.effects import Batch, Effects, Message, Output, Overlay, State
from pipeline.stages.events import EventLog
from pipeline.stages.mailbag import Mailbag
from pipeline.stages.notices import Entropy, Notice, post
from pipeline.stages.office import Office
from pipeline.stages.opening import SectionOpener
from pipeline.stages.reference import Reference

DUE_AT_ONCE = 1000
TICK_LOAD = 4 * 1024 * 1024
"""Bytes that the timers of one step may write before the others wait: a quarter of a transaction (kafka.limits)."""

Handler = Callable[[Office, Casework, int, Any], None]
"""(office, step, partition, record): what one record on hedx.center.applications does."""
ActHandler = Callable[[Office, Casework, int, Acted, Act], None]
"""What one act of a party does; `Acted` says when it came."""


class Applications:
    """The life of applications at the center."""

    name = "applications"
    inputs: tuple[str, ...] = (topics.APPLICATIONS,)
    changelog: str | None = topics.changelog("applications")
    tick: float | None = 5.0

    def __init__(
        self,
        center: Identity,
        reference: Reference,
        calendar: Calendar,
        rules: RuleBook,
        entropy: Entropy = os.urandom,
    ) -> None:
        dispatcher = Dispatcher(center, SectionOpener(center.sealing), entropy)
        self._office = Office(center, reference, calendar, rules, entropy, dispatcher)

    def step(self, state: State, batch: Batch) -> Effects:
        """Sections, acts, decisions, certificates and receipts of one batch; on a tick, what has waited long enough."""
        office = self._office
        office.dispatcher.begin(batch.now)
        effects = Effects()
        signer = office.center.signer
        work = Casework(
            Overlay(state),
            Mailbag(signer, batch.now),
            EventLog(self.name, batch.now),
            effects.outputs,
            batch.now,
            signer,
            office.entropy,
        )
        for message in batch.messages:
            trial = work.fork()
            trial.events.follow(message.headers)
            try:
                self._receive(message, trial)
            except NotAllowed as error:
                effects.dead.append((message, InvalidMessage("event_not_allowed", str(error))))
            except InvalidMessage as error:
                effects.dead.append((message, error))
            else:
                work.merge(trial)
        load = 0
        for progress in batch.owned if not batch.messages else ():
            for timer in state.due(progress.partition, batch.now, DUE_AT_ONCE) if load <= TICK_LOAD else ():
                work.overlay.put(progress.partition, timer, None)
                kind, key, due = timer_of(timer)
                if kind in TIMERS:
                    trial = work.fork()
                    TIMERS[kind](office, trial, progress.partition, key, due)
                    load += trial.weigh()
                    work.merge(trial)
                if load > TICK_LOAD:  # the other timers stay due, and go with the next tick
                    break
        effects.outputs += work.mailbag.outputs() + work.events.outputs()
        effects.changes = work.overlay.changes
        return effects

    def _receive(self, message: Message, work: Casework) -> None:
        name, record = framing.decode(message.value or b"")
        if name == "Acted":
            _acted(self._office, work, message.partition, record)  # type: ignore[arg-type]
        elif name in HANDLERS:
            HANDLERS[name](self._office, work, message.partition, record)
        else:
            raise InvalidMessage("schema_unexpected", name)


def _acted(office: Office, work: Casework, partition: int, record: Acted) -> None:
    """A party's act, which intake verified as it came."""
    act = open_act(record["act"], office.reference.trust, at=record["received_at"], audience=CENTER)
    if act.typ not in ACT_HANDLERS:
        raise InvalidMessage("act_unknown", act.typ)
    ACT_HANDLERS[act.typ](office, work, partition, record, act)


def _dispatch_due(office: Office, work: Casework, partition: int, record: DispatchDue) -> None:
    """The next part of a large application goes out, unless it was withdrawn meanwhile."""
    case = work.known(partition, record["requester"], record["application_id"])
    acceptance = admission.acceptance_of(case.state)
    within(record, section=range(1, case.state["sections"] + 1))
    if case.state["state"] == "withdrawn":
        sending.drop(case, case.kept_section(record["section"]), record["providers"], acceptance)
        return
    section = case.section(record["section"])
    sending.send(office, case, section, record["providers"], acceptance, case.state["acceptance"] or b"")


def _certified(office: Office, work: Casework, partition: int, record: SectionCertified) -> None:
    """A section's certificate; with the last one, and each later one, the application gets its own."""
    case = work.known(partition, record["requester"], record["application_id"])
    state = case.state
    if state["acceptance"] is None:
        raise InvalidMessage("application_unknown", record["application_id"])
    within(record, section=range(1, state["sections"] + 1), version=VERSIONS)
    if not certify.note(state, record):
        return
    if certify.is_certified(state):
        result = certify.fold(state, work.now)
        event = Event.CERTIFY if result["version"] == 1 else Event.SUPPLEMENT
        facts = Facts(whole=result["complete"], version=result["version"])
        state["version"] = result["version"]
        case.change(event, by=CENTER, code="complete" if result["complete"] else "incomplete", facts=facts)
        raw = case.sign("certificate", "ApplicationResult", result)
        state["certificate_digest"] = certify.digest(raw)
        case.notify("certificate", [raw])
        work.outputs.append(Output(topics.RESULTS, case.key, raw))
    _release(case)
    case.save()


def _delivered(office: Office, work: Casework, partition: int, record: DeliveryReceipted) -> None:
    """The requester holds bundles of a provider: settle, and pass the receipt on to the provider."""
    case = work.known(partition, record["requester"], record["application_id"])
    state, provider = case.state, record["provider"]
    if provider not in {query["provider"] for query in admission.acceptance_of(state)["sub_queries"]}:
        raise InvalidMessage("receipt_invalid", "of a provider that was not asked")
    certify.settle(state, record["bundles"])
    case.change(Event.DELIVER, by=record["requester"])
    notice = Notice("receipt", provider, record["requester"], record["application_id"], state["mandate_digest"])
    work.mailbag.add(provider, "requests", post(notice, [record["receipt"]], CENTER, work.entropy))
    _release(case)
    case.save()


def _release(case: Case) -> None:
    """Let go of the sealed sections once the requester holds every bundle the certificates name, and nobody owes more."""
    state = case.state
    if state["version"] and not state["awaiting"]:
        certified_at = max((line["at"] for line in state["history"] if line["event"] in _CERTIFYING), default=None)
        version = state["version"].to_bytes(4, "big")
        case.note("delivered", version, by=state["requester"], since=certified_at)
        case.release_sections(keep=() if state["state"] == "withdrawn" else state["owed"])


def _expired(office: Office, work: Casework, partition: int, key: bytes, due: int) -> None:
    """Sections that never came, certificates that are late, or the end of the supplement window."""
    case = work.case_at(partition, key)
    if case is None or case.state["expires_at"] != due:
        return
    state = case.state["state"]
    if state == "filed":
        rejecting.missed(case)
        case.save()
    elif state in _UNFINISHED or withdrawing.lacks_certificate(
        case.state
    ):  # an officer or the join is behind, not the providers: the rest is still to come
        case.set_expiry(work.now + admission.SUPPLEMENT_WINDOW)
        case.save()
    else:
        rechecking.leave_behind(case)
        rejecting.forget(case)
        withdrawing.forget(case)
        case.change(Event.ARCHIVE, by=CLOCK)
        case.release_sections()
        case.drop()


_CERTIFYING = frozenset({Event.CERTIFY.value, Event.SUPPLEMENT.value})
_UNFINISHED = frozenset({"under_review", "held", "accepted", "started", "partly_answered", "under_recheck"})

HANDLERS: dict[str, Handler] = {
    "SectionReceived": admission.section_received,
    "SectionCertified": _certified,
    "DeliveryReceipted": _delivered,
    "DispatchDue": _dispatch_due,
    "SectionOwed": redispatching.owed,
    "DeadlineNear": redispatching.remind,
    "OfficerDecided": deciding.decided,
    "RecheckAsked": rechecking.asked,
    "RecheckJudged": admission.recheck_judged,
    "RecheckEnded": rechecking.ended,
    "EvidenceAsked": evidence.asked,
    "EvidenceArrived": evidence.arrived,
    "EvidenceJudged": evidence.judged,
}
"""Record -> what it does."""
ACT_HANDLERS: dict[str, ActHandler] = {
    "catalog-report": cataloguing.reported,
    "evidence-reply": evidence.replied,
    "withdrawal": withdrawing.withdraw,
    "withdrawal-ack": withdrawing.acknowledged,
    "delay": delays.delayed,
    "delay-reply": delays.replied,
}
"""Type of a party's act -> what it does."""
TIMERS: dict[bytes, Callable[[Office, Casework, int, bytes, int], None]] = {
    b"x": _expired,
    holding.TIMER: holding.look,
    rechecking.TIMER: rechecking.forget,
    evidence_casework.TIMER: evidence.due,
}
"""Kind of a timer -> what is due: (office, step, partition, state key, due)."""
