"""redispatching: who owes answers is asked again (design §3), and reminded before its deadline (催报, Art. 10).

Handlers of the `applications` stage for what the join, which knows who owes, asks for. A section goes out as it did at first:
the same persons and mandate under the same acceptance, sealed and signed anew, since a signed object lives 14 days. A provider
that has answered it knows it by mandate, section and attempt, and drops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from pipeline.codec import framing
from pipeline.crypto import cose, signed
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Acceptance,
    DeadlineNear,
    Mandate,
    Reminded,
    ReviewNotice,
    SectionOwed,
    SectionReceived,
    SectionResumed,
)
from pipeline.stages import admission, topics
from pipeline.stages.bounds import TIMES, within
from pipeline.stages.casework import CLOCK, Case, Casework
from pipeline.stages.effects import Output
from pipeline.stages.keys import section_key
from pipeline.stages.office import Office
from pipeline.stages.sending import STRAIGHT_THROUGH

ASKED: Final = frozenset({"started", "partly_answered", "completed", "incomplete", "supplemented", "under_recheck"})
"""States in which answers that come are passed on."""
RUNNING: Final = frozenset({"started", "partly_answered"})
"""States in which a deadline is still ahead."""


def owed(office: Office, work: Casework, partition: int, record: SectionOwed) -> None:
    """Send a section again to those of `providers` that can be reached, as much of it as fits a transaction.

    Nothing is sent of an application that is over or withdrawn, under a mandate that has ended, or of a section that was
    answered and let go of meanwhile. Raises InvalidMessage `record_out_of_bounds`.
    """
    case = work.case(partition, record["requester"], record["application_id"])
    if case is None or case.state["state"] not in ASKED:
        return
    within(record, section=range(1, case.state["sections"] + 1))
    section = case.kept_section(record["section"])
    if section is None or _mandate_of(section)["not_after"] < work.now:
        return
    acceptance = admission.acceptance_of(case.state)
    asked = {query["provider"] for query in acceptance["sub_queries"]}
    trust = office.reference.trust
    reached = [p for p in record["providers"] if p in asked and trust.reaches(p, work.now)]
    room = max(1, STRAIGHT_THROUGH // (len(section["bundle"] or b"") + len(case.state["acceptance"] or b"")))
    _send(office, case, section, reached[:room], acceptance)
    if rest := reached[room:]:
        left = SectionOwed(**{**record, "providers": rest})
        work.outputs.append(Output(topics.APPLICATIONS, case.key, framing.encode("SectionOwed", left)))
    case.save()


def remind(office: Office, work: Casework, partition: int, record: DeadlineNear) -> None:
    """Remind a provider of its deadline, signed: once for all sections of an application.

    Raises InvalidMessage `record_out_of_bounds`.
    """
    case = work.case(partition, record["requester"], record["application_id"])
    reminded = Reminded(provider=record["provider"], due=record["due"])
    if case is None or case.state["state"] not in RUNNING or reminded in case.state["reminded"]:
        return
    within(record, due=TIMES)
    state = case.state
    if record["provider"] not in {query["provider"] for query in admission.acceptance_of(state)["sub_queries"]}:
        raise InvalidMessage("record_out_of_bounds", "provider")
    notice = ReviewNotice(
        application_id=state["application_id"],
        requester=state["requester"],
        mandate_digest=state["mandate_digest"],
        kind="reminder",
        faults=[],
        due=record["due"],
        at=work.now,
    )
    case.act("review", notice, record["provider"], "requests")
    state["reminded"].append(reminded)
    case.note("provider_reminded", record["due"].to_bytes(8, "big"), provider=record["provider"], by=CLOCK)
    case.save()


def _send(
    office: Office, case: Case, section: SectionReceived, providers: Sequence[str], acceptance: Acceptance
) -> None:
    """Seal the section to `providers` anew; join learns first of those that were suspended at acceptance."""
    work, state = case.work, case.state
    raw = _acceptance(office, case, acceptance) if providers else b""
    for provider, bundle in office.dispatcher.split(section, providers, acceptance, raw, office.reference.trust):
        if provider in acceptance["suspended"]:
            _resume(case, section, provider)
        work.mailbag.add(provider, "requests", bundle)
        work.events.add(
            "dispatched_again",
            subject=work.now.to_bytes(8, "big"),
            application_id=state["application_id"],
            section=section["section"],
            party=state["requester"],
            provider=provider,
            count=section["person_count"],
            by=CLOCK,
        )


def _acceptance(office: Office, case: Case, acceptance: Acceptance) -> bytes:
    """The acceptance as it was signed; signed anew where providers would not take it: its certificate was revoked since."""
    raw = case.state["acceptance"] or b""
    try:
        signed.verify_kept(raw, "acceptance", office.reference.trust, witness=case.work.now, issuer=CENTER)
    except InvalidMessage:
        return case.sign("acceptance", "Acceptance", acceptance)
    return raw


def _resume(case: Case, section: SectionReceived, provider: str) -> None:
    """A provider that was suspended at acceptance takes part from now on."""
    state = case.state
    if provider not in state["resumed"]:
        state["resumed"].append(provider)
    resumed = SectionResumed(
        application_id=state["application_id"],
        requester=state["requester"],
        section=section["section"],
        provider=provider,
    )
    key = section_key(state["requester"], state["application_id"], section["section"])
    case.work.outputs.append(Output(topics.JOIN, key, framing.encode("SectionResumed", resumed)))


def _mandate_of(section: SectionReceived) -> Mandate:
    return cast("Mandate", framing.decode_as("Mandate", cose.decode(section["mandate"]).payload))
