"""rejecting: an application is refused, signed, with every reason (Art. 9: 对于有疑问的查询申请…可以拒绝).

What was decided stays decided: as long as the mandate could be sent again, the decision is remembered, and told again.
Key of the state: `r` and that of the application, the rejection it was told.
"""

from __future__ import annotations

from typing import cast

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import Fault, Mandate, Rejection
from pipeline.stages.casework import CLOCK, Case
from pipeline.stages.reasons import listed

DECISION_KEPT = 24 * 3600 * 1000
"""How long a decision is remembered at least, so that sections that come late change nothing (ms)."""
LONGEST_KEPT = 400 * 24 * 3600 * 1000
"""How long it is remembered at most, whatever the mandate says of itself (ms)."""
_MOST_TOLD_AGAIN = 20
"""Reasons that are kept to be told again; the first rejection had all of them."""


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
    remember(case)
    kept = Rejection(**{**rejection, "faults": [_without_words(reason) for reason in faults[:_MOST_TOLD_AGAIN]]})
    work.overlay.put(case.partition, b"r" + case.key, framing.encode("Rejection", kept))
    case.notify("rejection", [raw])


def _without_words(reason: Fault) -> Fault:
    """As it may be kept: an officer's own words are in the first rejection, for the requester, and in no state."""
    return fault(reason["code"], reason="见首次退回通知") if reason["code"] == "refused_by_officer" else reason


def remember(case: Case) -> None:
    """Let go of what came of a rejected or withdrawn application; that it was decided stays until its mandate is over.

    Over is a mandate when neither its signature nor its own `not_after` holds any more: then intake lets it in no more.
    """
    end = case.work.now + DECISION_KEPT
    for number in case.state["arrived"]:
        end = max(end, mandate_end(case.section(number)["mandate"]))
    case.release_sections()
    case.set_expiry(min(end, case.work.now + LONGEST_KEPT))


def mandate_end(raw: bytes) -> int:
    """When a mandate intake has verified is over (ms); 0 where it could not be read."""
    if not raw:
        return 0
    sign1 = cose.decode(raw)
    mandate = cast("Mandate", framing.decode_as("Mandate", sign1.payload))
    return max(sign1.claims.expires_at, mandate["not_after"])


def tell_again(case: Case) -> None:
    """A rejected application was sent again: it hears the same, with a signature of today."""
    data = case.work.overlay.get(case.partition, b"r" + case.key)
    if data is not None:
        case.notify("rejection", [case.sign("rejection", "Rejection", framing.decode_as("Rejection", data))])


def forget(case: Case) -> None:
    """The mandate is over, and so is the memory of the decision."""
    case.work.overlay.put(case.partition, b"r" + case.key, None)


def missed(case: Case) -> None:
    """Sections are missing a day after the first one: rejected, with the reasons found so far."""
    state = case.state
    missing = sorted(set(range(1, state["sections"] + 1)) - set(state["arrived"]))
    faults = [fault("sections_missing", sections=", ".join(map(str, missing)))]
    faults += [reason for number in state["arrived"] for reason in case.section(number)["faults"]]
    reject(case, listed(faults), by=CLOCK)
