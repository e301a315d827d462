"""The join of one section as pure data: what was expected, what came, when it is whole (design 3).

A sub-query is one person x one schedule row x one provider. A section opens with an expectation, takes bundles as
they come, and closes into a certificate in which every sub-query stands exactly once. Deadlines may move by agreement,
rows may be closed by it, and the whole may be withdrawn (Art. 10).
"""

from __future__ import annotations

from collections.abc import Sequence
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
FORCE_MAJEURE = "force_majeure"
"""Code of the `unavailable` status of what requester and center closed after a provider's delay (不可抗力, Art. 10)."""


class Arrival(Enum):
    """What a bundle turned out to be when it met the expectation."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # this very bundle is already here
    CONFLICT = "conflict"  # another bundle already answers some of it: the first one stands
    OUT_OF_SCOPE = "out_of_scope"  # answers what was not asked of this provider
    WITHDRAWN = "withdrawn"  # came after the requester withdrew: nobody gets it
    TOO_LATE = "too_late"  # appended after the end of the supplement window
    CLOSED = "closed"  # answers nothing but rows that were closed by agreement: nobody gets it
    PARTLY_CLOSED = "partly_closed"  # answers closed rows among others: nobody gets it, the others are asked for again


def open_section(expected: SectionExpected, asked_at: int = 0) -> JoinState:
    """A section of which nothing has arrived yet; its providers were asked at `asked_at` (ms)."""
    lines = [
        JoinLine(
            provider=query["provider"],
            row=query["row"],
            category=query["category"],
            deadline=query["deadline"],
            punctual=b"",
            answered=b"",
            closed_until=None,
            warn_at=warn_at,
            pressed=0,
        )
        for query, warn_at in zip(expected["sub_queries"], expected["warn_at"], strict=True)
    ]
    return JoinState(
        expected=expected,
        lines=lines,
        bundles=[],
        version=0,
        closed_at=0,
        withdrawn_at=0,
        asked_at=asked_at,
        resumed=[],
    )


def receive(state: JoinState, bundle: BundleRef) -> Arrival:
    """Add `bundle` to the section, in place, unless it is none of its business, comes too late for it or is answered."""
    if any(known["digest"] == bundle["digest"] for known in state["bundles"]):
        return Arrival.DUPLICATE
    if bundle["provider"] in state["expected"]["suspended"] and bundle["provider"] not in state["resumed"]:
        return Arrival.OUT_OF_SCOPE
    mask = members.from_bytes(bundle["members"])
    if not mask or mask & ~members.full(state["expected"]["person_count"]):
        return Arrival.OUT_OF_SCOPE
    lines = _lines_of(state, bundle["provider"], bundle["rows"])
    if not lines or len(lines) != len(bundle["rows"]):
        return Arrival.OUT_OF_SCOPE
    if state["withdrawn_at"]:
        return Arrival.WITHDRAWN
    if bundle["appended_at"] > state["expected"]["supplement_until"]:
        return Arrival.TOO_LATE
    wanted = [line for line in lines if line["closed_until"] is None]
    if not wanted:
        return Arrival.CLOSED
    if any(members.from_bytes(line["answered"]) & mask for line in wanted):
        return Arrival.CONFLICT
    if len(wanted) != len(lines):
        return Arrival.PARTLY_CLOSED
    for line in wanted:
        line["answered"] = members.to_bytes(members.from_bytes(line["answered"]) | mask)
        if bundle["appended_at"] <= line["deadline"]:
            line["punctual"] = members.to_bytes(members.from_bytes(line["punctual"]) | mask)
    state["bundles"].append(bundle)
    return Arrival.ACCEPTED


def withdraw(state: JoinState, at: int) -> None:
    """Call the section off (撤销), in place: what is answered stays answered, nothing is added any more. `at`: ms.

    Its first certificate is due at once. One that has it already keeps it: what expired stays expired.
    """
    if not state["withdrawn_at"]:
        state["withdrawn_at"] = at


def resume(state: JoinState, provider: str) -> None:
    """A `provider` that was suspended at acceptance is asked after all, in place: what it answers counts.

    Nobody waits for it: what it does not answer stays unavailable.
    """
    if provider in state["expected"]["suspended"] and provider not in state["resumed"]:
        state["resumed"].append(provider)


def extend(state: JoinState, provider: str, rows: Sequence[int], until: int, warn_at: int = 0) -> None:
    """Move the deadline of `rows` of `provider` to `until` (ms), in place, and the supplement window with it.

    `warn_at` (ms): from when on it is near, 0 for no warning. Never backwards. What came between the old deadline and the new one was in time after all; a section that has its
    first certificate keeps that, and what comes is a supplement as before.
    """
    last = _last_deadline(state)
    for line in _lines_of(state, provider, rows):
        if until > line["deadline"]:
            line["deadline"], line["warn_at"], line["pressed"] = until, warn_at, 0
        line["punctual"] = members.to_bytes(_punctual(state, line))
    state["expected"]["supplement_until"] += _last_deadline(state) - last


def close(state: JoinState, provider: str, rows: Sequence[int], until: int) -> None:
    """Close `rows` of `provider` as unavailable until `until` (ms), in place: what is not answered stays so.

    A section that has its first certificate, or is withdrawn, is left as it is.
    """
    if state["version"] or state["withdrawn_at"]:
        return
    for line in _lines_of(state, provider, rows):
        if line["closed_until"] is None:
            line["closed_until"] = until


def closes_at(state: JoinState) -> int | None:
    """The deadline (ms) the lowest watermark must pass before the section closes; None: there is nothing to wait for."""
    if state["withdrawn_at"]:
        return None
    everyone = members.full(state["expected"]["person_count"])
    missing = [
        line["deadline"]
        for line in _open_lines(state)
        if line["closed_until"] is None and members.from_bytes(line["punctual"]) != everyone
    ]
    return max(missing, default=None)


def is_answered_in_full(state: JoinState) -> bool:
    """Whether every sub-query has an answer, punctual or late; those of parties suspended at acceptance left aside."""
    everyone = members.full(state["expected"]["person_count"])
    return all(members.from_bytes(line["answered"]) == everyone for line in _open_lines(state))


def is_over(state: JoinState) -> bool:
    """Whether nothing can arrive any more that is not a duplicate: a party that was suspended may still be asked."""
    everyone = members.full(state["expected"]["person_count"])
    if state["withdrawn_at"]:
        return is_answered_in_full(state)
    return all(members.from_bytes(line["answered"]) == everyone for line in state["lines"])


def has_late_answers(state: JoinState) -> bool:
    """Whether some answers came after their deadline: they make a supplement, unless one certificate says all."""
    return not state["withdrawn_at"] and any(line["punctual"] != line["answered"] for line in state["lines"])


def certify(state: JoinState, version: int, closed_at: int) -> SectionCertificate:
    """The certificate of the section as it stands.

    Version 1 counts late answers as expired; supplements count them, and so does a withdrawn section's, since no
    supplement follows it.
    """
    expected = state["expected"]
    with_late = version > 1 or bool(state["withdrawn_at"])
    return SectionCertificate(
        application_id=expected["application_id"],
        requester=expected["requester"],
        mandate_digest=expected["mandate_digest"],
        section=expected["section"],
        sections=expected["sections"],
        version=version,
        person_count=expected["person_count"],
        lines=[_certify_line(state, line, with_late=with_late) for line in state["lines"]],
        bundles=[b for b in state["bundles"] if with_late or _is_punctual(state, b)],
        closed_at=closed_at,
    )


def _lines_of(state: JoinState, provider: str, rows: Sequence[int]) -> list[JoinLine]:
    wanted = set(rows)
    return [line for line in state["lines"] if line["provider"] == provider and line["row"] in wanted]


def _last_deadline(state: JoinState) -> int:
    return max((line["deadline"] for line in state["lines"]), default=0)


def _punctual(state: JoinState, line: JoinLine) -> int:
    """Who of `line` was answered by its deadline as it is now."""
    given = _given(state, line)
    return sum(
        mask for bundle, mask in given if bundle["appended_at"] <= line["deadline"]
    )  # no person is in two of them


def _given(state: JoinState, line: JoinLine) -> list[tuple[BundleRef, int]]:
    """The bundles about `line`, each with whom it answered: the first stands, also where a later one names a closed row."""
    given: list[tuple[BundleRef, int]] = []
    left = members.from_bytes(line["answered"])
    for bundle in state["bundles"]:
        if _answers(bundle, line):
            mask = members.from_bytes(bundle["members"]) & left
            left &= ~mask
            given.append((bundle, mask))
    return given


def _answers(bundle: BundleRef, line: JoinLine) -> bool:
    return bundle["provider"] == line["provider"] and line["row"] in bundle["rows"]


def _open_lines(state: JoinState) -> list[JoinLine]:
    suspended = state["expected"]["suspended"]
    return [line for line in state["lines"] if line["provider"] not in suspended]


def _is_punctual(state: JoinState, bundle: BundleRef) -> bool:
    """Whether at least one of the bundle's rows was answered in time."""
    return any(_answers(bundle, line) and bundle["appended_at"] <= line["deadline"] for line in state["lines"])


def _certify_line(state: JoinState, line: JoinLine, *, with_late: bool) -> CertificateLine:
    parts = _parts(state, line, with_late=with_late)
    return CertificateLine(provider=line["provider"], row=line["row"], category=line["category"], parts=parts)


def _parts(state: JoinState, line: JoinLine, *, with_late: bool) -> list[CertificatePart]:
    count = state["expected"]["person_count"]
    answered = members.from_bytes(line["answered"] if with_late else line["punctual"])
    masks: dict[tuple[str, str | None, int | None], int] = {}
    for bundle, whom in _given(state, line):
        if mask := whom & answered:
            said = (bundle["outcome"], bundle["code"], bundle["until"])
            masks[said] = masks.get(said, 0) | mask
    if missing := members.full(count) & ~answered:
        unsaid = _unanswered(state, line)
        masks[unsaid] = masks.get(unsaid, 0) | missing
    return [_part(status, code, until, mask, count) for (status, code, until), mask in masks.items()]


def _unanswered(state: JoinState, line: JoinLine) -> tuple[str, str | None, int | None]:
    """(status, code, until) of what of `line` has no answer."""
    if line["provider"] in state["expected"]["suspended"]:
        return "unavailable", SUSPENDED, None
    if line["closed_until"] is not None:
        return "unavailable", FORCE_MAJEURE, line["closed_until"]
    return ("withdrawn" if state["withdrawn_at"] else "expired"), None, None


def _part(status: str, code: str | None, until: int | None, mask: int, count: int) -> CertificatePart:
    whole = mask == members.full(count)
    return CertificatePart(
        status=status,  # type: ignore[typeddict-item]  # an outcome is a status
        code=code,
        until=until,
        members=None if whole else members.to_bytes(mask),
        count=mask.bit_count(),
    )
