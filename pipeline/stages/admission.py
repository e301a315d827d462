"""admission: from a section's arrival to acceptance or rejection (Art. 8, 9). Handlers of the `applications` stage."""

from __future__ import annotations

from typing import cast

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import (
    Acceptance,
    ApplicationState,
    Fault,
    Mandate,
    Rejection,
    SectionReceived,
    SectionResult,
)
from pipeline.domain.sections import MOST_SECTIONS
from pipeline.stages import admit, sending
from pipeline.stages.bounds import PERSONS, TIMES, WORDS, within
from pipeline.stages.casework import CLOCK, POLICY, Case, Casework
from pipeline.stages.keys import application_key
from pipeline.stages.office import Office
from pipeline.stages.reasons import listed

HOUR = 3600 * 1000
ARRIVAL_LIMIT = 24 * HOUR
"""How long an application may wait for its missing sections before it is rejected (ms)."""
SUPPLEMENT_WINDOW = 30 * 24 * HOUR
"""How long after the last deadline late answers still become supplements (ms)."""


def section_received(office: Office, work: Casework, partition: int, record: SectionReceived) -> None:
    """A section has arrived; with the last one the whole application is judged.

    Raises InvalidMessage `sections_contradict` and `record_out_of_bounds`.
    """
    within(record, requester=WORDS, application_id=WORDS, person_count=PERSONS, received_at=TIMES)
    if not 1 <= record["section"] <= record["sections"] <= MOST_SECTIONS:
        raise InvalidMessage("sections_contradict", f"section {record['section']}")
    case = work.case(partition, record["requester"], record["application_id"])
    if case is None:
        case = Case(work, partition, application_key(record["requester"], record["application_id"]), _filed(record))
        case.set_expiry(case.state["expires_at"])
    state = case.state
    if state["state"] != "filed" or record["section"] in state["arrived"]:
        work.events.add(
            "section_repeated",
            subject=record["bundle_digest"],
            application_id=record["application_id"],
            section=record["section"],
            party=record["requester"],
        )
        return
    if record["sections"] != state["sections"]:
        raise InvalidMessage("sections_contradict", f"section {record['section']}")
    state["arrived"].append(record["section"])
    case.keep_section(record)
    if len(state["arrived"]) == state["sections"]:
        case.change(Event.ARRIVE, by=state["requester"])
        review(office, case)
    case.save()


def review(office: Office, case: Case) -> None:
    """The formal review of the whole (形式审查, Art. 9): accepted and started, or rejected."""
    state = case.state
    sections = [case.section(number) for number in range(1, state["sections"] + 1)]
    mandate_raw = sections[0]["mandate"]
    mandate, digest = _mandate(mandate_raw) if mandate_raw else (None, b"")
    state["mandate_digest"] = digest
    state["person_count"] = sum(section["person_count"] for section in sections)
    release = office.reference.release(mandate["catalog_release"]) if mandate else None
    faults = admit.judge(sections, release)
    if faults or mandate is None or release is None:
        reject(case, faults, by=POLICY)
        return
    accept(office, case, sections, mandate, by=POLICY)


def accept(
    office: Office, case: Case, sections: list[SectionReceived], mandate: Mandate, *, by: str, code: str | None = None
) -> None:
    """Sign the acceptance and ask the providers (Art. 10: 启动查询)."""
    work, state = case.work, case.state
    release = office.reference.release(mandate["catalog_release"])
    if release is None:
        reject(case, [fault("release_unknown", release=mandate["catalog_release"])], by=POLICY)
        return
    case.change(Event.APPROVE if state["state"] == "held" else Event.ACCEPT, by=by, code=code)
    acceptance = admit.accept(mandate, state["mandate_digest"], release, office.reference.trust, work.now)
    raw = case.sign("acceptance", "Acceptance", acceptance)
    state["acceptance"] = raw
    case.set_expiry(max(query["deadline"] for query in acceptance["sub_queries"]) + SUPPLEMENT_WINDOW)
    case.notify("acceptance", [raw])
    sending.start(office, case, sections, acceptance, raw)


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
    case.set_expiry(work.now + ARRIVAL_LIMIT)
    case.notify("rejection", [raw])


def missed(case: Case) -> None:
    """Sections are missing a day after the first one: rejected, with the reasons found so far."""
    state = case.state
    missing = sorted(set(range(1, state["sections"] + 1)) - set(state["arrived"]))
    faults = [fault("sections_missing", sections=", ".join(map(str, missing)))]
    faults += [reason for number in state["arrived"] for reason in case.section(number)["faults"]]
    reject(case, listed(faults), by=CLOCK)


def acceptance_of(state: ApplicationState) -> Acceptance:
    """The acceptance this stage has signed. Raises InvalidMessage `application_unknown` before there is one."""
    if state["acceptance"] is None:
        raise InvalidMessage("application_unknown", state["application_id"])
    return cast("Acceptance", framing.decode_as("Acceptance", cose.decode(state["acceptance"]).payload))


def _filed(record: SectionReceived) -> ApplicationState:
    return ApplicationState(
        application_id=record["application_id"],
        requester=record["requester"],
        state="filed",
        sections=record["sections"],
        arrived=[],
        person_count=0,
        mandate_digest=b"",
        acceptance=None,
        expires_at=record["received_at"] + ARRIVAL_LIMIT,
        version=0,
        certified=[SectionResult(section=n, certificate=b"", bundles=[]) for n in range(1, record["sections"] + 1)],
        certified_versions=[0] * record["sections"],
        awaiting=[],
        delivered=[],
        received_at=record["received_at"],
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
    )


def _mandate(raw: bytes) -> tuple[Mandate, bytes]:
    """The mandate intake has verified, and its digest."""
    sign1 = cose.decode(raw)
    return cast("Mandate", framing.decode_as("Mandate", sign1.payload)), sign1.digest
