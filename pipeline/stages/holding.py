"""holding: what the rules do not decide waits on an officer's desk, and is pressed until somebody decides (Art. 9, 10).

A hold never lapses and never decides itself. It is marked on the desk when the last working day of its limit begins; when
the limit has passed without a decision, and on every working day after that, it is escalated: the requester is told, signed.
"""

from __future__ import annotations

from typing import Literal

from pipeline.domain.calendar import START_WORKING_DAYS, CalendarUnknown, local_date, start_of_day
from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import ApplicationState, DeskItem, Fault, ReviewNotice
from pipeline.stages.casework import CLOCK, Case, Casework
from pipeline.stages.office import Office

TIMER = b"h"
"""Kind of the timer of a hold."""
_DAY = 24 * 3600 * 1000


def count_start(office: Office, state: ApplicationState) -> list[Fault]:
    """Count, once, by when the application is to be started (Art. 10: 2 working days after its receipt).

    Returns the reason to hold it when the working days ahead are not known; `start_due` then stays 0.
    """
    if state["start_due"] == 0:
        try:
            state["start_due"] = office.calendar.due(state["received_at"], START_WORKING_DAYS)
        except CalendarUnknown as unknown:
            return [fault("calendar_unknown", year=unknown.year)]
    return []


def hold(office: Office, case: Case, faults: list[Fault], *, by: str, on_desk: list[Fault] | None = None) -> None:
    """Put the application on the desk for these reasons, or put it back there; approvals so far do not count any more.

    `on_desk`: what the desk says instead, where a reason is an officer's own words, which are for the requester alone.
    """
    state = case.state
    before = case.desk_item()
    case.change(Event.HOLD, by=by, code=faults[0]["code"], count=len(faults))
    state["approvals"] = []
    item = DeskItem(
        kind="review",
        application_id=state["application_id"],
        party=state["requester"],
        since=case.work.now if before is None else before["since"],
        due=None,
        stage="open",
        faults=faults if on_desk is None else on_desk,
        approvals=[],
        persons=state["person_count"],
        subject=state["mandate_digest"] or None,
    )
    refresh(office, case, item)
    tell(case, "held", faults)


def refresh(office: Office, case: Case, item: DeskItem) -> None:
    """Put `item` on the desk as it stands now: limit, stage and approvals are those of the case."""
    state, now = case.state, case.work.now
    due = state["start_due"] or None
    item["due"] = due
    item["approvals"] = list(state["approvals"])
    item["stage"] = "open"
    if due is not None and now > due:
        item["stage"] = "overdue"
    elif due is not None and now >= _warn_at(office, due):
        item["stage"] = "warn"
    case.put_on_desk(item)
    case.look_again(_next_look(office, state, now))


def look(office: Office, work: Casework, partition: int, key: bytes, due: int) -> None:
    """The time has come to look at a hold: near its limit it is marked, past it it is escalated."""
    case = work.case_at(partition, key)
    item = None if case is None else case.desk_item()
    if case is None or item is None or case.looks_at() != due:
        return
    state = case.state
    unknown = count_start(office, state)
    if unknown or work.now > state["start_due"]:
        state["pressing"] += 1
        case.change(Event.ESCALATE, by=CLOCK, code=item["faults"][0]["code"], count=state["pressing"])
        tell(case, "escalated", item["faults"])
    elif work.now >= _warn_at(office, state["start_due"]):
        case.note("hold_warned", state["start_due"].to_bytes(8, "big"), code=item["faults"][0]["code"], by=CLOCK)
    refresh(office, case, item)
    case.save()


def tell(case: Case, kind: Literal["held", "escalated", "withdrawn", "declined"], faults: list[Fault]) -> None:
    """Tell the requester, signed, where its application stands, why, and by when the center decides."""
    state = case.state
    notice = ReviewNotice(
        application_id=state["application_id"],
        requester=state["requester"],
        mandate_digest=state["mandate_digest"] or None,
        kind=kind,
        faults=faults,
        due=state["start_due"] or None,
        at=case.work.now,
    )
    case.act("review", notice, state["requester"], "responses")


def _next_look(office: Office, state: ApplicationState, now: int) -> int:
    """Where the working days ahead are not known, days are counted as they come: nothing may lapse for that."""
    due = state["start_due"]
    if due and now < _warn_at(office, due):
        return _warn_at(office, due)
    if due and now <= due:
        return due + 1
    if due and not state["pressing"]:
        return now  # it came to the desk too late already: the requester hears that at once
    try:
        return start_of_day(office.calendar.after(local_date(now), 1))
    except CalendarUnknown:
        return now + _DAY


def _warn_at(office: Office, due: int) -> int:
    try:
        return office.calendar.warn_at(due)
    except CalendarUnknown:  # the file it was counted with is gone
        return due
