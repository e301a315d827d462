"""delays: a provider cannot answer in time (不可抗力或其他客观原因, Art. 10); requester and center settle what follows.

Handlers of the `applications` stage. The provider's delay goes to the requester as it was signed. Without a reply the
deadline stands. What the requester replies is held against the delay; what comes of it is signed for both, and join learns
the new deadline, or that the rows are closed.
"""

from __future__ import annotations

from typing import cast

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain import counting, pressing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.faults import fault
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Acted,
    Delay,
    DelayNoted,
    DelayReply,
    Fault,
    Mandate,
    ReviewNotice,
    SectionExtended,
)
from pipeline.stages import admission, deferring, sending, topics
from pipeline.stages.acts import Act, sign_act
from pipeline.stages.bounds import TIMES, within
from pipeline.stages.casework import Case, Casework
from pipeline.stages.clock import local_date
from pipeline.stages.effects import Output
from pipeline.stages.holding import tell
from pipeline.stages.keys import section_key
from pipeline.stages.notices import Notice, post
from pipeline.stages.office import Office

RUNNING = frozenset({"started", "partly_answered"})
"""States in which providers are asked and the application has no certificate yet."""
MOST_DELAYS = 200
"""Delays an open application notes at most; more are put aside."""
OFTEN = 3
"""Delays a provider may tell of a row: who says so more often gets no further hearing."""


def delayed(office: Office, work: Casework, partition: int, record: Acted, act: Act) -> None:
    """A provider says that rows will be late: noted, and told to the requester.

    One that comes when the application is closed or withdrawn changes nothing, and an event says so. Raises InvalidMessage
    `mandate_mismatch`, `delay_out_of_scope`, `delay_invalid` and `record_out_of_bounds`.
    """
    case = work.known(partition, record["requester"], record["application_id"])
    state, delay = case.state, cast("Delay", act.record)
    if state["acceptance"] is None or delay["mandate_digest"] != state["mandate_digest"]:
        raise InvalidMessage("mandate_mismatch", record["application_id"])
    within(delay, until=TIMES)
    deadlines = deadlines_of(case, delay["provider"])
    rows = set(delay["rows"])
    if not rows or len(rows) != len(delay["rows"]) or not rows <= deadlines.keys():
        raise InvalidMessage("delay_out_of_scope", "rows that this provider was not asked for")
    if state["state"] not in RUNNING:
        _decline(case, act, "delay_over", f"application_{state['state']}")
        return
    if any(known["closed"] and not rows.isdisjoint(known["rows"]) for known in _of(case, delay["provider"])):
        _decline(case, act, "delay_over", "rows_closed")
        return
    if delay["until"] <= max(deadlines[row] for row in rows):
        if delay["until"] <= max(_accepted_deadlines(case, delay["provider"])[row] for row in rows):
            raise InvalidMessage("delay_invalid", "it ends before the deadline")
        # the provider counts from its request; it holds the extension that gives it this time already
        case.note("delay_declined", act.digest, provider=act.issuer, code="within_extension", by=act.issuer)
        return
    if any(known["digest"] == act.digest for known in state["delays"]):
        return
    told = [known["rows"] for known in _of(case, delay["provider"])]
    if any(sum(row in said for said in told) >= OFTEN for row in rows):
        _decline(case, act, "delay_too_often", "too_often")
        return
    if len(state["delays"]) >= MOST_DELAYS:
        raise InvalidMessage("delay_invalid", f"more than {MOST_DELAYS} of one application")
    noted = DelayNoted(
        provider=delay["provider"],
        digest=act.digest,
        rows=delay["rows"],
        until=delay["until"],
        settled=False,
        closed=False,
    )
    state["delays"].append(noted)
    case.relay(act.raw, state["requester"], "responses")
    case.note("delay_told", act.digest, provider=act.issuer, by=act.issuer)
    case.save()


def replied(office: Office, work: Casework, partition: int, record: Acted, act: Act) -> None:
    """The requester agrees, agrees to less, or closes the rows; or is told why its reply changes nothing.

    Raises InvalidMessage `mandate_mismatch`.
    """
    case = work.known(partition, record["requester"], record["application_id"])
    state, reply = case.state, cast("DelayReply", act.record)
    if reply["mandate_digest"] != state["mandate_digest"]:
        raise InvalidMessage("mandate_mismatch", record["application_id"])
    if reply["provider"] == CENTER:
        return deferring.start_delay_replied(office, work, case, act)
    noted = next((d for d in state["delays"] if _is_meant(d, reply)), None)
    if noted is None or _is_replaced(case, noted):
        return tell(case, "declined", [fault("delay_unknown")])
    until = noted["until"]
    if reply["decision"] == "shorten":
        until = reply["until"] or 0
    faults = _faults(case, noted, reply, until, record["received_at"])
    if faults:
        return tell(case, "declined", faults)
    noted["settled"], noted["until"], noted["closed"] = True, until, reply["decision"] == "close"
    for other in _of(case, noted["provider"]):  # told of the same rows before or after it: that is settled with it
        if not other["settled"] and not set(other["rows"]).isdisjoint(noted["rows"]):
            other["settled"], other["until"] = True, 0
    _extend(office, case, noted, act)
    case.save()
    return None


def deadlines_of(case: Case, provider: str) -> dict[int, int]:
    """Row → the deadline (ms) that stands for `provider`: that of the acceptance, or a later one agreed since."""
    deadlines = _accepted_deadlines(case, provider)
    for noted in case.state["delays"]:
        moved = noted["settled"] and not noted["closed"] and noted["provider"] == provider
        for row in noted["rows"] if moved else ():
            deadlines[row] = max(deadlines[row], noted["until"])
    return deadlines


def _accepted_deadlines(case: Case, provider: str) -> dict[int, int]:
    queries = admission.acceptance_of(case.state)["sub_queries"]
    return {query["row"]: query["deadline"] for query in queries if query["provider"] == provider}


def _faults(case: Case, noted: DelayNoted, reply: DelayReply, until: int, at: int) -> list[Fault]:
    """Why the reply that was appended `at` (ms) cannot be followed; empty when it can.

    A deadline that has passed is not revived: what came after it came late, and nobody decides that again afterwards.
    """
    state = case.state
    deadlines = deadlines_of(case, noted["provider"])
    if noted["settled"] or state["state"] not in RUNNING or at > min(deadlines[row] for row in noted["rows"]):
        return [fault("delay_over")]
    if reply["decision"] == "close":
        return []
    if until > noted["until"]:
        return [fault("delay_until")]
    if until <= max(deadlines[row] for row in noted["rows"]):
        return [fault("extension_not_later")]
    not_after = _mandate_of(case)["not_after"]
    if until > not_after:
        return [fault("extension_beyond_mandate", not_after=local_date(not_after).isoformat())]
    return []


def _extend(office: Office, case: Case, noted: DelayNoted, act: Act) -> None:
    """Sign what was agreed, for both; tell join."""
    state, work = case.state, case.work
    provider, rows, until, closed = noted["provider"], noted["rows"], noted["until"], noted["closed"]
    extension = deferring.agreed(case, noted, until, act)
    case.act("extension", extension, state["requester"], "responses")
    agreed = sign_act("extension", extension, work.signer, provider, work.now)
    notice = Notice("act", provider, state["requester"], state["application_id"])  # the provider reads the reply first
    work.mailbag.add(provider, "requests", post(notice, [act.raw, agreed], CENTER, work.entropy))
    for number in range(1, state["sections"] + 1):
        extended = SectionExtended(
            application_id=state["application_id"],
            requester=state["requester"],
            section=number,
            provider=provider,
            rows=rows,
            until=until,
            closed=closed,
            warn_at=0 if closed else pressing.warn_at_of_extension(work.now, until, office.calendar),
        )
        key = section_key(state["requester"], state["application_id"], number)
        work.outputs.append(Output(topics.JOIN, key, framing.encode("SectionExtended", extended)))
    if not closed:
        case.set_expiry(max(state["expires_at"], until + admission.SUPPLEMENT_WINDOW + sending.SETTLING))
    kind = "rows_closed" if closed else "deadline_extended"
    queries = admission.acceptance_of(state)["sub_queries"]
    moved = [{**query, "deadline": until} for query in queries if query["row"] in rows]
    parts = counting.asked(moved, provider, state["person_count"])  # type: ignore[arg-type]
    case.note(kind, noted["digest"], provider=provider, by=state["requester"], parts=parts)


def _of(case: Case, provider: str) -> list[DelayNoted]:
    return [known for known in case.state["delays"] if known["provider"] == provider]


def _is_meant(noted: DelayNoted, reply: DelayReply) -> bool:
    return noted["digest"] == reply["delay"] and noted["provider"] == reply["provider"]


def _is_replaced(case: Case, noted: DelayNoted) -> bool:
    """Whether a newer delay about some of its rows, and others, took its place; one about the same rows leaves it standing."""
    delays = case.state["delays"]
    newer = [known for known in delays[delays.index(noted) + 1 :] if known["provider"] == noted["provider"]]
    rows = set(noted["rows"])
    return any(not rows.isdisjoint(known["rows"]) and rows != set(known["rows"]) for known in newer)


def _decline(case: Case, act: Act, reason: str, code: str) -> None:
    """Tell the provider, signed, that its delay changes nothing, and why; the event says `code`."""
    state, provider = case.state, act.record["provider"]
    notice = ReviewNotice(
        application_id=state["application_id"],
        requester=state["requester"],
        mandate_digest=state["mandate_digest"],
        kind="declined",
        faults=[fault(reason)],
        due=None,
        at=case.work.now,
    )
    case.act("review", notice, provider, "requests")
    case.note("delay_declined", act.digest, provider=provider, code=code, by=provider)


def _mandate_of(case: Case) -> Mandate:
    """What the requester signed: each section holds it, and sections are kept while the application runs."""
    payload = cose.decode(case.section(1)["mandate"]).payload
    return cast("Mandate", framing.decode_as("Mandate", payload))
