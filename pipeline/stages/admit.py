"""admit: the whole application is judged once all its sections are there; accepted, or rejected with every reason."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.crypto.trust import Trust
from pipeline.domain import dispatching
from pipeline.domain.calendar import Calendar
from pipeline.domain.catalog import Release
from pipeline.domain.faults import fault
from pipeline.domain.records import Acceptance, Fault, Mandate, SectionReceived
from pipeline.domain.rules import CaseFacts
from pipeline.stages.intake import TAG_SIZE
from pipeline.stages.reasons import listed
from pipeline.stages.reference import Reference


def judge(sections: Sequence[SectionReceived], release: Release | None) -> list[Fault]:
    """Every reason against the application; empty when it can be accepted. `sections` are all of them, in order.

    Reasons that intake found in each section's copy of the same form are listed once.
    """
    faults = listed(reason for section in sections for reason in section["faults"])
    if faults:
        return faults
    if release is None:
        faults.append(fault("release_unknown", release="?"))
    if len({section["mandate"] for section in sections}) != 1:
        faults.append(fault("mandate_differs", key="mandate"))
    stated, counted = sections[0]["stated_count"], sum(section["person_count"] for section in sections)
    if stated != counted:
        faults.append(fault("roster_count", form=stated, roster=counted))
    if not any(section["lead_present"] for section in sections):
        faults.append(fault("lead_person_absent"))
    if len({section["form_tag"] for section in sections}) != 1:
        faults.append(fault("sections_differ"))
    return listed(faults + _doubles(sections) + _repeated_numbers(sections))


SUPERSEDED_GRACE = 7 * 24 * 3600 * 1000
"""How long before an application was signed its catalog release may have been replaced (ms): it was being written then."""


def superseded(reference: Reference, number: int, signed_at: int) -> list[Fault]:
    """The fault of an application signed at `signed_at` (ms) against a release that was no longer in force (Art. 8, 12)."""
    current = reference.current
    if current is None or number >= current.number:
        return []
    later = [release for n in range(number + 1, current.number + 1) if (release := reference.release(n))]
    replaced_at = min(release.published_at for release in later)
    if replaced_at > signed_at - SUPERSEDED_GRACE:
        return []
    return [fault("release_superseded", release=number, current=current.number)]


def case_facts(sections: Sequence[SectionReceived], mandate: Mandate) -> CaseFacts:
    """What the rules look at: counts as intake found them, the rest as the requester signed it."""
    consent = mandate["unit_consent"]
    return CaseFacts(
        requester=mandate["requester"],
        business_category=mandate["business_category"],
        purpose=mandate["purpose"],
        schedule=mandate["schedule"],
        person_count=sum(section["person_count"] for section in sections),
        unit_level="province" if consent is None else consent["level"],
        seal_to_center=mandate["seal_to_center"],
        is_recheck=mandate["recheck"] is not None,
        guarded=sum(section["guarded_count"] for section in sections),
        undocumented=sum(section["undocumented_count"] for section in sections),
    )


def accept(
    mandate: Mandate, mandate_digest: bytes, release: Release, trust: Trust, calendar: Calendar, now: int
) -> Acceptance:
    """What the center promises: which provider is asked what, and by when (Art. 10).

    A provider that the catalog names and that has no trust entry, or no certificate in force to be sealed to, cannot be
    asked: it counts as suspended. Raises CalendarUnknown when a deadline lies in a year whose working days are not known.
    """
    queries = dispatching.sub_queries(mandate["schedule"], release, now, calendar)
    providers = sorted({query["provider"] for query in queries})
    return Acceptance(
        application_id=mandate["application_id"],
        requester=mandate["requester"],
        mandate_digest=mandate_digest,
        catalog_release=release.number,
        sub_queries=queries,
        suspended=[provider for provider in providers if not trust.reaches(provider, now)],
        accepted_at=now,
        calendar=dispatching.calendar_basis(mandate["schedule"], release, now, calendar),
    )


def _repeated_numbers(sections: Sequence[SectionReceived]) -> list[Fault]:
    """Roster numbers that two sections have; those that are twice in one section were found by intake."""
    seen: dict[int, int] = {}
    return [
        fault("number_in_two_sections", number=number, first=first, second=section["section"])
        for section in sections
        for number in section["numbers"]
        if (first := seen.setdefault(number, section["section"])) != section["section"]
    ]


def _doubles(sections: Sequence[SectionReceived]) -> list[Fault]:
    """Persons who stand in two sections; doubles inside one section were found by intake."""
    seen: dict[bytes, int] = {}
    faults: list[Fault] = []
    for section in sections:
        tags = section["person_tags"]
        for position in range(0, len(tags), TAG_SIZE):
            first = seen.setdefault(tags[position : position + TAG_SIZE], section["section"])
            if first != section["section"]:
                faults.append(
                    fault(
                        "person_in_two_sections",
                        first=first,
                        second=section["section"],
                        position=position // TAG_SIZE + 1,
                    )
                )
    return faults
