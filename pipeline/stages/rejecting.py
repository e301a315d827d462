"""rejecting: an application is refused, signed, with every reason (Art. 9: 对于有疑问的查询申请…可以拒绝)."""

from __future__ import annotations

from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import Fault, Rejection
from pipeline.stages.casework import CLOCK, Case
from pipeline.stages.reasons import listed

DECISION_KEPT = 24 * 3600 * 1000
"""How long a rejected application is remembered, so that sections that come late change nothing (ms)."""


def reject(case: Case, faults: list[Fault], *, by: str) -> None:
    """Sign the rejection with every reason, and let go of what came."""
    work, state = case.work, case.state
    rejection = Rejection(
        application_id=state["application_id"],
        mandate_digest=state["mandate_digest"] or None,
        envelope_id=None,
        faults=faults,
        at=work.now,
    )
    event = Event.MISS if state["state"] == "filed" else Event.REJECT
    case.change(event, by=by, code=faults[0]["code"], count=len(faults))
    raw = case.sign("rejection", "Rejection", rejection)
    case.release_sections()
    case.set_expiry(work.now + DECISION_KEPT)
    case.notify("rejection", [raw])


def missed(case: Case) -> None:
    """Sections are missing a day after the first one: rejected, with the reasons found so far."""
    state = case.state
    missing = sorted(set(range(1, state["sections"] + 1)) - set(state["arrived"]))
    faults = [fault("sections_missing", sections=", ".join(map(str, missing)))]
    faults += [reason for number in state["arrived"] for reason in case.section(number)["faults"]]
    reject(case, listed(faults), by=CLOCK)
