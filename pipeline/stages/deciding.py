"""deciding: what an officer of the center decides about an application that is held (Art. 9), by one or by two persons.

Decisions come as records on hedx.center.applications, so that the stage that owns the application carries them out, in the
order in which they came. What became of each is told by an event with the decision's own id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pipeline.domain.errors import InvalidMessage
from pipeline.domain.faults import fault
from pipeline.domain.free_text import free_text_fault
from pipeline.domain.lifecycle import Event, Facts, allows
from pipeline.domain.officers import is_same_person
from pipeline.domain.records import Approval, OfficerDecided
from pipeline.stages import admission, deferring, holding, rejecting
from pipeline.stages.acts import REASON_LIMIT
from pipeline.stages.bounds import TIMES, WORDS, within
from pipeline.stages.casework import Case, Casework
from pipeline.stages.office import Office

APPLIED, REFUSED = "decided", "decision_refused"
"""Kinds of the event that says what became of a decision; its code is the state after it, or why it was refused."""
SECOND_OFFICER = "second_officer_needed"
OUTDATED = "decision_outdated"


class _Refused(Exception):
    """A decision that changes nothing. `code`: why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def decided(office: Office, work: Casework, partition: int, record: OfficerDecided) -> None:
    """Carry a decision out, or say why not. Raises InvalidMessage `record_out_of_bounds`."""
    within(record, decision_id=WORDS, application_id=WORDS, requester=WORDS, officer=WORDS, account=WORDS, at=TIMES)
    if free_text_fault(record["reason"], REASON_LIMIT):
        raise InvalidMessage("record_out_of_bounds", "reason")
    case = work.case(partition, record["requester"], record["application_id"])
    try:
        if case is None:
            raise _Refused("application_unknown")
        if record["mandate_digest"] not in (None, case.state["mandate_digest"]):
            raise _Refused(OUTDATED)
        code, kind = _DECISIONS[record["decision"]](office, case, record), APPLIED
        case.save()
    except _Refused as refused:
        code, kind = refused.code, REFUSED
    work.events.add(
        kind,
        event_id=record["decision_id"],
        application_id=record["application_id"],
        party=record["requester"],
        count=0 if case is None else case.state["person_count"],
        code=code,
        by=_by(record),
    )


def _approve(office: Office, case: Case, record: OfficerDecided) -> str:
    state = case.state
    _require(case, Event.APPROVE)
    needed = 2 if office.rules.for_party(state["requester"]).two_person else 1
    known = state["approvals"]
    if needed > 1 and any(_same(approval, record) for approval in known):
        raise _Refused(SECOND_OFFICER)
    if len(known) + 1 < needed:
        known.append(Approval(officer=record["officer"], account=record["account"], at=case.work.now))
        case.change(Event.APPROVE, by=_by(record), code=SECOND_OFFICER, facts=Facts(approved=False))
        item = case.desk_item()
        assert item is not None, "what is held is on the desk"
        holding.refresh(office, case, item)
        return SECOND_OFFICER
    admission.approve(office, case, by=_by(record))
    return state["state"]


def _reject(office: Office, case: Case, record: OfficerDecided) -> str:
    _require(case, Event.REJECT)
    rejecting.reject(case, [fault("refused_by_officer", reason=record["reason"])], by=_by(record))
    return case.state["state"]


def _hold(office: Office, case: Case, record: OfficerDecided) -> str:
    _require(case, Event.HOLD)
    holding.count_start(office, case.state)
    told = [fault("held_by_officer", reason=record["reason"])]
    holding.hold(office, case, told, by=_by(record), on_desk=[fault("hold_officer")])
    return case.state["state"]


def _delay(office: Office, case: Case, record: OfficerDecided) -> str:
    _require(case, Event.APPROVE)
    until = record["until"]
    if until is None or until not in TIMES or until <= max(case.work.now, case.state["start_due"]):
        raise _Refused("delay_not_later")
    deferring.tell_start_delay(case, record)
    return case.state["state"]


_DECISIONS: Final[Mapping[str, Callable[[Office, Case, OfficerDecided], str]]] = {
    "approve": _approve,
    "reject": _reject,
    "hold": _hold,
    "delay": _delay,
}


def _require(case: Case, event: Event) -> None:
    """Officers decide about what is under review or held, and nothing else."""
    if case.state["state"] not in ("under_review", "held") or not allows(case.state["state"], event):
        raise _Refused("application_not_held")


def _by(record: OfficerDecided) -> str:
    return f"officer:{record['officer']}"


def _same(approval: Approval, record: OfficerDecided) -> bool:
    """One name, however it is spelt, or one account of the operating system is one person."""
    return is_same_person(approval["officer"], record["officer"]) or is_same_person(
        approval["account"], record["account"]
    )
