"""deferring: the center itself cannot start in time (不可抗力或其他客观原因, Art. 10): told, agreed, and signed.

The officer's statement goes to the requester as a signed delay of the provider `center`. What the requester replies decides:
another limit, or the end of the application. Until then the limit stands, and a hold is escalated as ever.
"""

from __future__ import annotations

from pipeline.crypto import signed
from pipeline.domain.faults import fault
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Delay, DelayNoted, Extension, OfficerDecided
from pipeline.stages.acts import Act
from pipeline.stages.casework import Case, Casework
from pipeline.stages.holding import refresh, tell
from pipeline.stages.office import Office
from pipeline.stages.rejecting import reject


def tell_start_delay(case: Case, decision: OfficerDecided) -> None:
    """Sign the delay and send it to the requester; it takes the place of an earlier one that was not replied to."""
    state, work = case.state, case.work
    until = decision["until"] or 0
    delay = Delay(
        application_id=state["application_id"],
        requester=state["requester"],
        mandate_digest=state["mandate_digest"],
        provider=CENTER,
        rows=[],
        until=until,
        reason=decision["reason"],
        at=work.now,
    )
    raw = case.act("delay", delay, state["requester"], "responses")
    digest = signed.peek(raw).digest
    state["delays"] = [known for known in state["delays"] if known["provider"] != CENTER or known["settled"]]
    state["delays"].append(
        DelayNoted(provider=CENTER, digest=digest, rows=[], until=until, settled=False, closed=False)
    )
    case.note("start_delayed", digest, provider=CENTER, by=f"officer:{decision['officer']}")


def start_delay_replied(office: Office, work: Casework, case: Case, act: Act) -> None:
    """What the requester says to the center's delay: agreed, with this or an earlier limit, or closed (then: rejected).

    A reply that comes too late, or to a delay that does not stand any more, is declined, signed.
    """
    state, reply = case.state, act.record
    noted = next((d for d in state["delays"] if d["digest"] == reply["delay"] and d["provider"] == CENTER), None)
    if noted is None:
        return tell(case, "declined", [fault("delay_unknown")])
    if noted["settled"] or state["state"] != "held":
        return tell(case, "declined", [fault("delay_over")])
    until = reply["until"] if reply["decision"] == "shorten" else noted["until"]
    closed = reply["decision"] == "close"
    if not closed and (until is None or not work.now < until <= noted["until"]):
        return tell(case, "declined", [fault("delay_until")])
    noted["settled"], noted["closed"] = True, closed
    case.act("extension", agreed(case, noted, until, act), state["requester"], "responses")
    kind = "start_delay_closed" if closed else "start_delay_agreed"
    case.note(kind, noted["digest"], provider=CENTER, by=state["requester"])
    if closed:
        reject(case, [fault("start_delayed_closed")], by=state["requester"])
    else:
        state["start_due"] = until
        item = case.desk_item()
        assert item is not None, "what is held is on the desk"
        refresh(office, case, item)
    case.save()
    return None


def agreed(case: Case, noted: DelayNoted, until: int, reply: Act) -> Extension:
    """What was agreed about a delay, closed or until `until` (ms), to be signed."""
    state = case.state
    return Extension(
        application_id=state["application_id"],
        requester=state["requester"],
        mandate_digest=state["mandate_digest"],
        provider=noted["provider"],
        rows=noted["rows"],
        until=until,
        closed=noted["closed"],
        delay=noted["digest"],
        reply=reply.digest,
        at=case.work.now,
    )
