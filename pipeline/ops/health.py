"""What is wrong, or will be soon, and the cure for it: a list of pure checks over facts that somebody else gathered.

A check takes `Facts` and yields findings; `CHECKS` is the list of them, in the order in which they are told. Times are ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.ops.health_checks import DAY, LIMITS, SEEN_CHECKS
from pipeline.ops.health_seen import Finding, Seen, Severity

__all__ = [
    "CHECKS",
    "CRL_AGE",
    "DAY",
    "LIMITS",
    "ROTATION",
    "SEEN_CHECKS",
    "Facts",
    "Finding",
    "Seen",
    "Severity",
    "examine",
    "is_healthy",
]

ROTATION = 3 * DAY
"""A seal key's successor is made so long before its end: one that is nearer to its end has not been rotated."""
CRL_AGE = 2 * DAY
"""A revocation list is made every day: one older than this was forgotten."""


@dataclass(frozen=True, slots=True)
class HeldCertificate:
    """A certificate that is in use here, the newest of its holder and usage. `usage`: also `root` and `issuing`."""

    party: str
    usage: str
    serial: str
    not_after: int
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class HeldList:
    """The newest revocation list known here."""

    number: int
    made_at: int
    next_update: int


@dataclass(frozen=True, slots=True)
class HeldSealKey:
    """A party's newest seal key."""

    party: str
    number: int
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file or folder that holds secrets: its path within the installation, its mode bits, whether it is its owner's."""

    path: str
    mode: int
    own: bool = True
    folder: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A request that waits for its certificate."""

    party: str
    usage: str
    since: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the checks look at; `seen`: what the probes of `hedx doctor` saw beyond this folder."""

    now: int
    certificates: Sequence[HeldCertificate] = ()
    revocation_list: HeldList | None = None
    seal_keys: Sequence[HeldSealKey] = ()
    files: Sequence[HeldFile] = ()
    pending: Sequence[Pending] = ()
    seen: Seen = field(default_factory=Seen)


Check = Callable[[Facts], Iterable[Finding]]


def certificate_expiry(facts: Facts) -> Iterator[Finding]:
    """60, 30 and 7 days before a certificate ends, and once it has."""
    for each in facts.certificates:
        if each.revoked:
            continue
        subject = f"{each.party} {each.usage}"
        code = f"{each.usage}_expires" if each.usage in ("root", "issuing") else "certificate_expires"
        args = {"party": each.party, "usage": each.usage, "serial": each.serial}
        left = each.not_after - facts.now
        if left < 0:
            yield Finding(code.replace("expires", "expired"), "alarm", subject, {**args, "days": -left // DAY})
            continue
        severity = next((severity for days, severity in LIMITS if left <= days * DAY), None)
        if severity is not None:
            yield Finding(code, severity, subject, {**args, "days": left // DAY})


def certificate_revoked(facts: Facts) -> Iterator[Finding]:
    """The newest certificate of a holder and usage is revoked: there is nothing to go on with."""
    for each in facts.certificates:
        if each.revoked:
            args = {"party": each.party, "usage": each.usage, "serial": each.serial}
            yield Finding("certificate_revoked", "alarm", f"{each.party} {each.usage}", args)


def crl_freshness(facts: Facts) -> Iterator[Finding]:
    """A revocation list that was not made again; once it is past its next update, all parties refuse everything new."""
    held = facts.revocation_list
    if held is None:
        return
    if facts.now > held.next_update:
        days = (facts.now - held.next_update) // DAY
        yield Finding("crl_stale", "alarm", f"crl {held.number}", {"number": held.number, "days": days})
    elif facts.now - held.made_at > CRL_AGE:
        args = {"number": held.number, "days": (held.next_update - facts.now) // DAY}
        yield Finding("crl_old", "warning", f"crl {held.number}", args)


def seal_key_age(facts: Facts) -> Iterator[Finding]:
    """A seal key without a successor although it is due: nobody runs that would make it."""
    for each in facts.seal_keys:
        left = each.not_after - facts.now
        args = {"party": each.party, "number": each.number, "days": abs(left) // DAY}
        if left < 0:
            yield Finding("seal_key_expired", "alarm", f"{each.party} seal key", args)
        elif left < ROTATION - DAY:  # a day's grace: the adapter looks every hour
            yield Finding("seal_key_old", "warning", f"{each.party} seal key", args)


def file_modes(facts: Facts) -> Iterator[Finding]:
    """Keys, passphrases and their folders that others than their owner may read or change."""
    for each in facts.files:
        if not each.own:
            yield Finding("file_foreign", "alarm", each.path)
        elif each.mode & 0o077:
            severity: Severity = "warning" if each.folder else "alarm"
            yield Finding("file_open", severity, each.path, {"mode": f"{each.mode & 0o777:o}"})


def waiting_requests(facts: Facts) -> Iterator[Finding]:
    """A request that has waited for its certificate for a week."""
    for each in facts.pending:
        days = (facts.now - each.since) // DAY
        if days >= 7:
            args = {"party": each.party, "usage": each.usage, "days": days}
            yield Finding("request_waits", "notice", f"{each.party} {each.usage}", args)


CHECKS: tuple[Check, ...] = (
    certificate_expiry,
    certificate_revoked,
    crl_freshness,
    seal_key_age,
    file_modes,
    waiting_requests,
)


def examine(facts: Facts, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """All findings, the gravest first; `checks`: those over the installation's own files."""
    order = {"alarm": 0, "warning": 1, "notice": 2}
    found = [finding for check in checks for finding in check(facts)]
    found += [finding for look in SEEN_CHECKS for finding in look(facts.seen, facts.now)]
    return sorted(found, key=lambda finding: order[finding.severity])


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing needs doing now: notices are for the calendar."""
    return all(finding.severity == "notice" for finding in findings)
