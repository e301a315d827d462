"""admission: from a section's arrival to acceptance or rejection (Art. 8, 9). Handlers of the `applications` stage."""

from __future__ import annotations

from typing import cast

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.calendar import CalendarUnknown
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import (
    Acceptance,
    ApplicationState,
    Mandate,
    RecheckJudged,
    SectionReceived,
    SectionResult,
)
from pipeline.domain.sections import MOST_SECTIONS
from pipeline.stages import admit, holding, rechecking, rejecting, sending, withdrawing
from pipeline.stages.bounds import PERSONS, TIMES, WORDS, within
from pipeline.stages.casework import POLICY, Case, Casework
from pipeline.stages.keys import application_key
from pipeline.stages.office import Office
from pipeline.stages.rejecting import reject

HOUR = 3600 * 1000
ARRIVAL_LIMIT = 24 * HOUR
"""How long an application may wait for its missing sections before it is rejected (ms)."""
SUPPLEMENT_WINDOW = 30 * 24 * HOUR
"""How long after the last deadline late answers still become supplements (ms)."""
LATE_START = "late_start"
"""Code of an acceptance that comes after its limit (Art. 10)."""


def section_received(office: Office, work: Casework, partition: int, record: SectionReceived) -> None:
    """A section has arrived; with the last one the whole application is judged.

    Raises InvalidMessage `sections_contradict` and `record_out_of_bounds`.
    """
    within(record, requester=WORDS, application_id=WORDS, person_count=PERSONS, received_at=TIMES)
    if not 1 <= record["section"] <= record["sections"] <= MOST_SECTIONS:
        raise InvalidMessage("sections_contradict", f"section {record['section']}")
    case = work.case(partition, record["requester"], record["application_id"])
    if case is None:
        requester, application_id = record["requester"], record["application_id"]
        filed = filed_state(requester, application_id, record["sections"], record["received_at"])
        case = Case(work, partition, application_key(requester, application_id), filed)
    state = case.state
    if state["state"] != "filed" or record["section"] in state["arrived"] or rechecking.is_closed(case):
        work.events.add(
            "section_repeated",
            subject=record["bundle_digest"],
            application_id=record["application_id"],
            section=record["section"],
            party=record["requester"],
        )
        if state["state"] == "withdrawn":
            withdrawing.arrived_after(case, record)
        elif state["state"] == "rejected" and record["section"] == 1:  # once for all sections that were sent again
            rejecting.tell_again(case)
        return
    if record["sections"] != state["sections"]:
        raise InvalidMessage("sections_contradict", f"section {record['section']}")
    if not state["arrived"]:
        case.set_expiry(state["expires_at"])
    state["arrived"].append(record["section"])
    state["person_count"] += record["person_count"]
    case.keep_section(record)
    if len(state["arrived"]) == state["sections"]:
        case.change(Event.ARRIVE, by=state["requester"])
        review(office, case)
    case.save()


def review(office: Office, case: Case) -> None:
    """The formal review of the whole (形式审查, Art. 9): rejected with every reason, or on to what the rules say of it."""
    state = case.state
    sections = _sections(case)
    mandate_raw = sections[0]["mandate"]
    mandate, digest = _mandate(mandate_raw) if mandate_raw else (None, b"")
    state["mandate_digest"] = digest
    state["person_count"] = sum(section["person_count"] for section in sections)
    release = office.reference.release(mandate["catalog_release"]) if mandate else None
    faults = admit.judge(sections, release)
    if mandate is not None and not faults:
        signed_at = cose.decode(mandate_raw).claims.issued_at
        faults = admit.superseded(office.reference, mandate["catalog_release"], signed_at)
    if faults or mandate is None:
        reject(case, faults, by=POLICY)
    elif rechecking.has_asked(case, mandate):
        decide(office, case, sections, mandate)


def recheck_judged(office: Office, work: Casework, partition: int, record: RecheckJudged) -> None:
    """The original has said whether a re-check may go on (复核, Art. 10): then it is judged as any other application."""
    case = work.known(partition, record["requester"], record["application_id"])
    if case.state["state"] != "under_review":  # withdrawn meanwhile
        return
    if record["faults"]:
        reject(case, record["faults"], by=POLICY)
    else:
        review(office, case)
    case.save()


def decide(office: Office, case: Case, sections: list[SectionReceived], mandate: Mandate) -> None:
    """What the rules say of an application without formal faults (Art. 9, 14): start it, hold it, or reject it."""
    verdict = office.rules.for_party(mandate["requester"]).verdict(admit.case_facts(sections, mandate))
    if verdict.kind == "reject":
        reject(case, verdict.faults, by=POLICY)
    elif faults := [*verdict.faults, *holding.count_start(office, case.state)]:
        holding.hold(office, case, faults, by=POLICY)
    else:
        accept(office, case, sections, mandate, by=POLICY)


def approve(office: Office, case: Case, *, by: str) -> None:
    """An officer, or the second of two, lets a held application pass. One whose mandate ran out meanwhile is rejected."""
    sections = _sections(case)
    mandate, _ = _mandate(sections[0]["mandate"])
    if mandate["not_after"] < case.work.now:
        reject(case, [fault("mandate_over")], by=POLICY)
    elif faults := holding.count_start(office, case.state):
        holding.hold(office, case, faults, by=POLICY)
    else:
        accept(office, case, sections, mandate, by=by)


def accept(office: Office, case: Case, sections: list[SectionReceived], mandate: Mandate, *, by: str) -> None:
    """Sign the acceptance and ask the providers, in one step (Art. 10: 启动查询). Later than promised, it says so.

    No deadline is guessed: where the working days ahead are not known, the application is held.
    """
    work, state = case.work, case.state
    release = office.reference.release(mandate["catalog_release"])
    if release is None:
        reject(case, [fault("release_unknown", release=mandate["catalog_release"])], by=POLICY)
        return
    trust = office.reference.trust
    try:
        acceptance = admit.accept(mandate, state["mandate_digest"], release, trust, office.calendar, work.now)
    except CalendarUnknown as unknown:
        holding.hold(office, case, [fault("calendar_unknown", year=unknown.year)], by=POLICY)
        return
    late = LATE_START if work.now > state["start_due"] else None
    case.change(Event.APPROVE if state["state"] == "held" else Event.ACCEPT, by=by, code=late)
    raw = case.sign("acceptance", "Acceptance", acceptance)
    state["acceptance"] = raw
    case.set_expiry(max(query["deadline"] for query in acceptance["sub_queries"]) + SUPPLEMENT_WINDOW)
    case.notify("acceptance", [raw])
    sending.start(office, case, sections, acceptance, raw)


def acceptance_of(state: ApplicationState) -> Acceptance:
    """The acceptance this stage has signed. Raises InvalidMessage `application_unknown` before there is one."""
    if state["acceptance"] is None:
        raise InvalidMessage("application_unknown", state["application_id"])
    return cast("Acceptance", framing.decode_as("Acceptance", cose.decode(state["acceptance"]).payload))


def filed_state(requester: str, application_id: str, sections: int, received_at: int) -> ApplicationState:
    """An application of which something has come, at `received_at` (ms), and nothing is judged."""
    return ApplicationState(
        application_id=application_id,
        requester=requester,
        state="filed",
        sections=sections,
        arrived=[],
        person_count=0,
        mandate_digest=b"",
        acceptance=None,
        expires_at=received_at + ARRIVAL_LIMIT,
        version=0,
        certified=[SectionResult(section=n, certificate=b"", bundles=[]) for n in range(1, sections + 1)],
        certified_versions=[0] * sections,
        awaiting=[],
        delivered=[],
        received_at=received_at,
        start_due=0,
        pressing=0,
        approvals=[],
        history=[],
        withdrawal=None,
        acknowledged=[],
        delays=[],
        attempts=1,
        certificate_digest=None,
        recheck=None,
        rechecks=[],
        owed=[],
        resumed=[],
        reminded=[],
    )


def _sections(case: Case) -> list[SectionReceived]:
    return [case.section(number) for number in range(1, case.state["sections"] + 1)]


def _mandate(raw: bytes) -> tuple[Mandate, bytes]:
    """The mandate intake has verified, and its digest."""
    sign1 = cose.decode(raw)
    return cast("Mandate", framing.decode_as("Mandate", sign1.payload)), sign1.digest
