"""The join of one section as pure data: what was expected, what came, when it is whole (design 3).

A sub-query is one person x one schedule row x one provider. A section opens with an expectation, takes bundles as
they come, and closes into a certificate in which every sub-query stands exactly once.
"""

from __future__ import annotations

from enum import Enum

from pipeline.domain import members
from pipeline.domain.records import (
    BundleRef,
    CertificateLine,
    CertificatePart,
    JoinLine,
    JoinState,
    SectionCertificate,
    SectionExpected,
)

SUSPENDED = "provider_suspended"
"""Code of the `unavailable` status of a party that offers a category but is suspended."""


class Arrival(Enum):
    """What a bundle turned out to be when it met the expectation."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # this very bundle is already here
    CONFLICT = "conflict"  # another bundle already answers some of it: the first one stands
    OUT_OF_SCOPE = "out_of_scope"  # answers what was not asked of this provider


def open_section(expected: SectionExpected) -> JoinState:
    """A section of which nothing has arrived yet."""
    lines = [
        JoinLine(
            provider=query["provider"],
            row=query["row"],
            category=query["category"],
            deadline=query["deadline"],
            punctual=b"",
            answered=b"",
            closed_until=None,
        )
        for query in expected["sub_queries"]
    ]
    return JoinState(expected=expected, lines=lines, bundles=[], version=0, closed_at=0, withdrawn_at=0)


def receive(state: JoinState, bundle: BundleRef) -> Arrival:
    """Add `bundle` to the section, in place, unless it is none of its business or already answered."""
    if any(known["digest"] == bundle["digest"] for known in state["bundles"]):
        return Arrival.DUPLICATE
    if bundle["provider"] in state["expected"]["suspended"]:
        return Arrival.OUT_OF_SCOPE
    mask = members.from_bytes(bundle["members"])
    if not mask or mask & ~members.full(state["expected"]["person_count"]):
        return Arrival.OUT_OF_SCOPE
    wanted = set(bundle["rows"])
    lines = [line for line in state["lines"] if line["provider"] == bundle["provider"] and line["row"] in wanted]
    if not wanted or len(lines) != len(bundle["rows"]):
        return Arrival.OUT_OF_SCOPE
    if any(members.from_bytes(line["answered"]) & mask for line in lines):
        return Arrival.CONFLICT
    for line in lines:
        line["answered"] = members.to_bytes(members.from_bytes(line["answered"]) | mask)
        if bundle["appended_at"] <= line["deadline"]:
            line["punctual"] = members.to_bytes(members.from_bytes(line["punctual"]) | mask)
    state["bundles"].append(bundle)
    return Arrival.ACCEPTED


def closes_at(state: JoinState) -> int | None:
    """The deadline (ms) the lowest watermark must pass before the section closes; None: it is whole already."""
    everyone = members.full(state["expected"]["person_count"])
    missing = [line["deadline"] for line in _open_lines(state) if members.from_bytes(line["punctual"]) != everyone]
    return max(missing, default=None)


def is_answered_in_full(state: JoinState) -> bool:
    """Whether every sub-query has an answer, punctual or late: nothing can be added by a supplement."""
    everyone = members.full(state["expected"]["person_count"])
    return all(members.from_bytes(line["answered"]) == everyone for line in _open_lines(state))


def has_late_answers(state: JoinState) -> bool:
    """Whether some answers came after their deadline: they make a supplement."""
    return any(line["punctual"] != line["answered"] for line in state["lines"])


def certify(state: JoinState, version: int, closed_at: int) -> SectionCertificate:
    """The certificate of the section as it stands. Version 1 counts late answers as expired; supplements count them."""
    expected = state["expected"]
    return SectionCertificate(
        application_id=expected["application_id"],
        requester=expected["requester"],
        mandate_digest=expected["mandate_digest"],
        section=expected["section"],
        sections=expected["sections"],
        version=version,
        person_count=expected["person_count"],
        lines=[_certify_line(state, line, with_late=version > 1) for line in state["lines"]],
        bundles=[b for b in state["bundles"] if version > 1 or _is_punctual(state, b)],
        closed_at=closed_at,
    )


def _open_lines(state: JoinState) -> list[JoinLine]:
    suspended = state["expected"]["suspended"]
    return [line for line in state["lines"] if line["provider"] not in suspended]


def _is_punctual(state: JoinState, bundle: BundleRef) -> bool:
    """Whether at least one of the bundle's rows was answered in time."""
    return any(
        line["provider"] == bundle["provider"]
        and line["row"] in bundle["rows"]
        and bundle["appended_at"] <= line["deadline"]
        for line in state["lines"]
    )


def _certify_line(state: JoinState, line: JoinLine, *, with_late: bool) -> CertificateLine:
    count = state["expected"]["person_count"]
    if line["provider"] in state["expected"]["suspended"]:
        parts = [_part("unavailable", SUSPENDED, None, members.full(count), count)]
    else:
        parts = _parts(state, line, with_late=with_late)
    return CertificateLine(provider=line["provider"], row=line["row"], category=line["category"], parts=parts)


def _parts(state: JoinState, line: JoinLine, *, with_late: bool) -> list[CertificatePart]:
    count = state["expected"]["person_count"]
    masks: dict[tuple[str, str | None, int | None], int] = {}
    for bundle in state["bundles"]:
        if bundle["provider"] != line["provider"] or line["row"] not in bundle["rows"]:
            continue
        if bundle["appended_at"] > line["deadline"] and not with_late:
            continue
        key = (bundle["outcome"], bundle["code"], bundle["until"])
        masks[key] = masks.get(key, 0) | members.from_bytes(bundle["members"])
    missing = members.full(count)
    for mask in masks.values():
        missing &= ~mask
    if missing:
        masks["expired", None, None] = missing
    return [_part(status, code, until, mask, count) for (status, code, until), mask in masks.items()]


def _part(status: str, code: str | None, until: int | None, mask: int, count: int) -> CertificatePart:
    whole = mask == members.full(count)
    return CertificatePart(
        status=status,  # type: ignore[typeddict-item]  # an outcome is a status
        code=code,
        until=until,
        members=None if whole else members.to_bytes(mask),
        count=mask.bit_count(),
    )
