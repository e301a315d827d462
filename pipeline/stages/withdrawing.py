"""withdrawing: a requester takes its application back (撤销, Art. 10). Handlers of the `applications` stage.

Before the providers were asked it simply ends. Afterwards join closes every section with what is answered by then, and the
withdrawal, as the requester signed it, goes to every provider that was asked; each acknowledges.
"""

from __future__ import annotations

from typing import Final

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain import dispatching, lifecycle
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import Acted, ApplicationState, SectionReceived, SectionWithdrawn
from pipeline.stages import admission, rechecking, rejecting, topics
from pipeline.stages.acts import Act
from pipeline.stages.casework import Case, Casework
from pipeline.stages.effects import Output
from pipeline.stages.holding import tell
from pipeline.stages.keys import application_key, section_key
from pipeline.stages.office import Office

_ASKED: Final = frozenset({"started", "partly_answered"})
"""States in which providers have been asked and nothing is certified."""
MOST_AHEAD: Final = 1000
"""Withdrawals of applications that are not here yet, of one requester and partition; what is more is put aside."""
AHEAD_KEPT: Final = 14 * 24 * 3600 * 1000
"""How long such a withdrawal waits for the application it is of (ms): as long as a signature holds."""


def withdraw(office: Office, work: Casework, partition: int, record: Acted, act: Act) -> None:
    """The application ends, or the requester is told why it does not.

    Raises InvalidMessage `mandate_mismatch`, and `application_unknown` where too many were withdrawn that never came.
    """
    known = work.case(partition, record["requester"], record["application_id"])
    case = known or _ahead(work, partition, record)
    state = case.state
    if known is None and rechecking.is_closed(case):
        state["mandate_digest"] = rechecking.closed_mandate(case)
    _check_mandate(case, act.record["mandate_digest"])
    if known is None and rechecking.is_closed(case):
        return _decline(case)  # certified, and let go of: there is nothing to take back, and nothing comes back to life
    if state["state"] == "withdrawn":
        return tell(case, "withdrawn", [])  # once more: the first withdrawal stands
    if not lifecycle.allows(state["state"], Event.WITHDRAW):
        return _decline(case)
    if known is None:
        _count_ahead(case, 1)
        case.set_expiry(work.now + AHEAD_KEPT)
    asked = state["state"] in _ASKED
    state["withdrawal"] = act.raw
    state["mandate_digest"] = act.record["mandate_digest"]
    case.change(Event.WITHDRAW, by=record["requester"])
    tell(case, "withdrawn", [])
    if asked:
        _call_off(case, act)
    elif known is not None:
        rejecting.remember(case)
    case.save()
    return None


def acknowledged(office: Office, work: Casework, partition: int, record: Acted, act: Act) -> None:
    """A provider knows of the withdrawal: noted once, and passed on to the requester as it was signed.

    Raises InvalidMessage `mandate_mismatch` and `ack_invalid`.
    """
    case = work.known(partition, record["requester"], record["application_id"])
    state, provider = case.state, record["actor"]
    if act.record["mandate_digest"] != state["mandate_digest"]:
        raise InvalidMessage("mandate_mismatch", record["application_id"])
    if state["withdrawal"] is None or cose.decode(state["withdrawal"]).digest != act.record["withdrawal"]:
        raise InvalidMessage("ack_invalid", "of another withdrawal")
    if provider not in _providers(case):
        raise InvalidMessage("ack_invalid", "of a provider that was not asked")
    if provider in state["acknowledged"]:
        return
    state["acknowledged"].append(provider)
    case.relay(act.raw, state["requester"], "responses")
    case.note("withdrawal_acknowledged", b"", provider=provider, count=len(act.record["dropped"]), by=provider)
    case.save()


def lacks_certificate(state: ApplicationState) -> bool:
    """Whether join still owes a withdrawn application the certificates of its sections."""
    return state["state"] == "withdrawn" and state["acceptance"] is not None and state["version"] == 0


def arrived_after(case: Case, record: SectionReceived) -> None:
    """A section of an application that was withdrawn already: it is not taken in, and the first says so once more.

    Of one that was withdrawn before any of it was here, this tells how long its mandate can be sent.
    """
    state, now = case.state, case.work.now
    if state["sections"] == 0:
        _count_ahead(case, -1)
        state["sections"] = record["sections"]
        end = max(state["expires_at"], rejecting.mandate_end(record["mandate"]))
        case.set_expiry(min(end, now + rejecting.LONGEST_KEPT))
        case.save()
    elif record["section"] == 1:
        tell(case, "withdrawn", [])


def forget(case: Case) -> None:
    """A withdrawn application is let go of; one that never came makes room for another."""
    if case.state["state"] == "withdrawn" and case.state["sections"] == 0:
        _count_ahead(case, -1)


def _decline(case: Case) -> None:
    """Say once that it is too late: saying it again would change nothing, and cost as much as asking costs."""
    place = case.partition, b"l" + case.key
    if case.work.overlay.get(*place) is None:
        case.work.overlay.put(*place, b"\0")
        tell(case, "declined", [fault("withdrawal_too_late")])


def _count_ahead(case: Case, step: int) -> None:
    """Count, by requester and partition, the withdrawals whose applications are not here yet."""
    place = case.partition, b"w" + case.state["requester"].encode()
    waiting = int.from_bytes(case.work.overlay.get(*place) or b"", "big") + step
    if step > 0 and waiting > MOST_AHEAD:
        raise InvalidMessage("application_unknown", f"{MOST_AHEAD} withdrawals of unknown applications wait already")
    case.work.overlay.put(*place, waiting.to_bytes(4, "big") if waiting > 0 else None)


def _call_off(case: Case, act: Act) -> None:
    state, work = case.state, case.work
    for number in range(1, state["sections"] + 1):
        called_off = SectionWithdrawn(
            application_id=state["application_id"], requester=state["requester"], section=number, at=work.now
        )
        key = section_key(state["requester"], state["application_id"], number)
        work.outputs.append(Output(topics.JOIN, key, framing.encode("SectionWithdrawn", called_off)))
    for provider in _providers(case):
        case.relay(act.raw, provider, "requests")


def _providers(case: Case) -> list[str]:
    """Who was asked, or would have been next; nobody before the acceptance."""
    if case.state["acceptance"] is None:
        return []
    acceptance = admission.acceptance_of(case.state)
    never_asked = set(acceptance["suspended"]) - set(case.state["resumed"])
    return dispatching.active_providers(acceptance["sub_queries"], never_asked)


def _check_mandate(case: Case, digest: bytes) -> None:
    """The mandate withdrawn must be that of the application; before the review, that of the sections that came."""
    state = case.state
    known = {state["mandate_digest"]} - {b""}
    if state["state"] == "filed":
        raws = [case.section(number)["mandate"] for number in state["arrived"]]
        known |= {cose.decode(raw).digest for raw in raws if raw}
    if known - {digest}:
        raise InvalidMessage("mandate_mismatch", state["application_id"])


def _ahead(work: Casework, partition: int, record: Acted) -> Case:
    """An application of which no section is here yet: its withdrawal overtook it. Nothing of it will be taken in."""
    requester, application_id = record["requester"], record["application_id"]
    state: ApplicationState = admission.filed_state(requester, application_id, 0, record["received_at"])
    return Case(work, partition, application_key(requester, application_id), state)
