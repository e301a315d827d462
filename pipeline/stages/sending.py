"""sending: an accepted application goes out to its providers (Art. 7, 10), at once or a message at a time."""

from __future__ import annotations

from pipeline.codec import framing
from pipeline.domain import counting, pressing
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import Acceptance, DispatchDue, SectionReceived
from pipeline.stages import topics
from pipeline.stages.casework import POLICY, Case
from pipeline.stages.dispatch import batches, expectation
from pipeline.stages.effects import Output
from pipeline.stages.keys import section_key
from pipeline.stages.office import Office

SETTLING = 7 * 24 * 3600 * 1000
"""How long (ms) after its supplement window an application is kept: what came within it is still certified and receipted."""
STRAIGHT_THROUGH = 4 * 1024 * 1024
"""Bytes of request bundles an admission sends out itself; a larger application goes on a message at a time, so that no
transaction outgrows its limit."""


def start(
    office: Office, case: Case, sections: list[SectionReceived], acceptance: Acceptance, acceptance_raw: bytes
) -> None:
    """Tell join what to expect; send out at once what fits this transaction, and the rest one message a time."""
    work = case.work
    case.change(Event.START, by=POLICY)
    supplement_until = case.state["expires_at"]
    case.set_expiry(supplement_until + SETTLING)
    room = STRAIGHT_THROUGH
    warn_at = _warnings(office, acceptance)
    for section in sections:
        key = section_key(section["requester"], section["application_id"], section["section"])
        expected = expectation(section, acceptance, supplement_until, warn_at)
        work.outputs.append(Output(topics.JOIN, key, framing.encode("SectionExpected", expected)))
        for providers in batches(section, acceptance, STRAIGHT_THROUGH):
            room -= len(section["bundle"] or b"") * len(providers)
            if room >= 0:
                send(office, case, section, providers, acceptance, acceptance_raw)
            else:
                work.outputs.append(_due(case.key, section, providers))


def send(
    office: Office,
    case: Case,
    section: SectionReceived,
    providers: list[str],
    acceptance: Acceptance,
    acceptance_raw: bytes,
) -> None:
    """Seal one section to each of `providers`; an event says which of them could not be reached any more."""
    split = office.dispatcher.split(section, providers, acceptance, acceptance_raw, office.reference.trust)
    for provider, bundle in split:
        case.work.mailbag.add(provider, "requests", bundle)
        _note("dispatched", case, section, provider, acceptance)
    for provider in sorted(set(providers) - {provider for provider, _ in split}):
        _note("dispatch_missed", case, section, provider, acceptance, code="provider_unreachable")


def drop(case: Case, section: SectionReceived | None, providers: list[str], acceptance: Acceptance) -> None:
    """What was still to be sent of a withdrawn application is not, and events say so; None: it was let go of since."""
    if section is None:
        return
    for provider in providers:
        _note("dispatch_missed", case, section, provider, acceptance, code="withdrawn")


def _note(
    kind: str, case: Case, section: SectionReceived, provider: str, acceptance: Acceptance, code: str | None = None
) -> None:
    case.work.events.add(
        kind,
        application_id=section["application_id"],
        section=section["section"],
        party=section["requester"],
        provider=provider,
        count=section["person_count"],
        code=code,
        since=acceptance["accepted_at"],
        parts=counting.asked(acceptance["sub_queries"], provider, section["person_count"]),
    )


def _warnings(office: Office, acceptance: Acceptance) -> list[int]:
    """From when on (ms) each sub-query's deadline is near: by the release in force and the calendar of its acceptance."""
    release = office.reference.release(acceptance["catalog_release"])
    assert release is not None, "it was accepted under it a moment ago"
    return [
        pressing.warn_at(
            release.entry(query["provider"], query["category"]),
            acceptance["accepted_at"],
            query["deadline"],
            office.calendar,
        )
        for query in acceptance["sub_queries"]
    ]


def _due(key: bytes, section: SectionReceived, providers: list[str]) -> Output:
    record = DispatchDue(
        application_id=section["application_id"],
        requester=section["requester"],
        section=section["section"],
        providers=providers,
    )
    return Output(topics.APPLICATIONS, key, framing.encode("DispatchDue", record))
