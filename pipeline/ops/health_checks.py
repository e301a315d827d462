"""Checks over what the probes have seen: brokers, rights, drift, schemas, clock, disks, versions, years, desk, letters. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from pipeline.ops.health_seen import Finding, Seen, Severity

DAY = 24 * 3600 * 1000
LIMITS: Final[tuple[tuple[int, Severity], ...]] = ((7, "alarm"), (30, "warning"), (60, "notice"))
"""Days left of a certificate, from which on it is told, and how loudly."""
SKEW_WARNING, SKEW_ALARM = 2_000, 60_000
"""ms that the clock may be off: deadlines are judged by the brokers' time, and five minutes ahead nobody is heard any more."""
DISK_WARNING, DISK_ALARM = 0.15, 0.05
"""Share of a disk that is free."""
OLDEST_PYTHON: Final = (3, 11)
ASK_NEXT_YEAR, NEED_NEXT_YEAR = 11, 12
"""Months from which on the next year's arrangement of holidays is asked for, and missed: it is published in October or November."""
MOST_NAMED: Final = 3

SeenCheck = Callable[[Seen, int], Iterable[Finding]]
"""(what was seen, now in ms) → findings."""


def cluster(seen: Seen, now: int) -> Iterator[Finding]:
    """No Kafka answers: nothing of it could be looked at."""
    if seen.cluster is not None and not seen.cluster.answers:
        args = {"bootstrap": seen.cluster.bootstrap, "principal": seen.cluster.principal, "said": seen.cluster.said}
        yield Finding("kafka_silent", "alarm", seen.cluster.bootstrap, args)


def broker_addresses(seen: Seen, now: int) -> Iterator[Finding]:
    """Each address resolves and takes connections."""
    for each in seen.brokers:
        args = {"address": each.address, "said": each.said}
        if not each.resolves:
            yield Finding("broker_unresolved", "alarm", each.address, args)
        elif not each.connects:
            yield Finding("broker_unreachable", "alarm", each.address, args)


def broker_certificates(seen: Seen, now: int) -> Iterator[Finding]:
    """Each broker's certificate is the exchange's, carries the broker's name, and is in its time for long enough."""
    codes = {
        "wrong_name": "broker_name_wrong",
        "not_a_broker": "broker_impostor",
        "expired": "broker_certificate_expired",
        "not_yet_valid": "broker_certificate_early",
        "unknown_authority": "broker_certificate_unknown",
        "failed": "broker_tls_failed",
    }
    for each in seen.brokers:
        args: dict[str, object] = {"address": each.address, "said": each.said}
        if each.handshake in codes:
            yield Finding(codes[each.handshake], "alarm", each.address, args)
        elif each.not_after is not None:
            left = each.not_after - now
            severity = next((severity for days, severity in LIMITS if left <= days * DAY), None)
            if severity is not None:
                yield Finding("broker_certificate_expires", severity, each.address, {**args, "days": left // DAY})


def rights(seen: Seen, now: int) -> Iterator[Finding]:
    """Each principal here may do what topics.yaml says, and nothing else."""
    for each in seen.rights:
        if each.missing:
            yield Finding("rights_missing", "alarm", each.principal, _named(each.principal, each.missing))
        if each.beyond:
            yield Finding("rights_beyond", "alarm", each.principal, _named(each.principal, each.beyond))


def _named(principal: str, what: tuple[str, ...]) -> dict[str, object]:
    more = f" … ({len(what)})" if len(what) > MOST_NAMED else ""
    return {"principal": principal, "what": ", ".join(what[:MOST_NAMED]) + more, "count": len(what)}


def drift(seen: Seen, now: int) -> Iterator[Finding]:
    """The cluster is as declared."""
    if seen.drift is not None and seen.drift.lines:
        lines = seen.drift.lines
        yield Finding("topics_drift", "warning", "topics.yaml", {"count": len(lines), "first": lines[0].strip()})


def schemas(seen: Seen, now: int) -> Iterator[Finding]:
    """What this code writes is released, and what is in use can be read here."""
    found = seen.schemas
    if found is None:
        return
    if found.faults or found.unreleased:
        args = {
            "count": len(found.unreleased),
            "faults": found.faults,
            "names": ", ".join(found.unreleased[:MOST_NAMED]),
        }
        yield Finding("schemas_unreleased", "alarm" if found.faults else "warning", "avro", args)
    for topic, count in sorted(found.unknown.items()):
        yield Finding("schema_unknown", "alarm", topic, {"topic": topic, "count": count})


def clock(seen: Seen, now: int) -> Iterator[Finding]:
    """Our clock is the brokers', as far as it can be told."""
    found = seen.clock
    if found is None:
        return
    if found.simulated:
        yield Finding("clock_simulated", "warning", "clock")
    if found.skew is not None:
        off = abs(found.skew) - found.error
        if off >= SKEW_WARNING:
            seconds = {"seconds": round(abs(found.skew) / 1000, 1), "error": round(found.error / 1000, 3)}
            code = "clock_ahead" if found.skew > 0 else "clock_behind"
            yield Finding(code, "alarm" if off >= SKEW_ALARM else "warning", "clock", seconds)
    if found.disciplined is False:
        yield Finding("clock_undisciplined", "notice", "clock")


def disks(seen: Seen, now: int) -> Iterator[Finding]:
    """Room on each disk."""
    for each in seen.disks:
        share = each.free / each.total if each.total else 0.0
        if share < DISK_WARNING:
            severity: Severity = "alarm" if share < DISK_ALARM else "warning"
            args = {"place": each.place, "percent": int(share * 100), "gib": round(each.free / 2**30, 1)}
            yield Finding("disk_full", severity, each.place, args)


def versions(seen: Seen, now: int) -> Iterator[Finding]:
    """Python, packages and brokers of versions that were tried together."""
    found = seen.versions
    if found is None:
        return
    if tuple(int(part) for part in found.python.split(".")[:2]) < OLDEST_PYTHON:
        yield Finding("python_old", "alarm", "python", {"version": found.python})
    if found.packages:
        names = [f"{name} {here} ({locked})" for name, (locked, here) in sorted(found.packages.items())]
        more = " …" if len(names) > MOST_NAMED else ""
        args = {"count": len(names), "names": ", ".join(names[:MOST_NAMED]) + more}
        yield Finding("packages_differ", "notice", "packages", args)
    behind = [name for name, level in found.agreed.items() if level is not None and level < (found.newest[name] or 0)]
    if behind:
        yield Finding("metadata_version_behind", "notice", behind[0], {"address": behind[0]})
    if len({level for level in found.newest.values() if level is not None}) > 1:
        yield Finding("brokers_differ", "warning", "brokers", {"brokers": ", ".join(sorted(found.newest))})


def years(seen: Seen, now: int) -> Iterator[Finding]:
    """The working days of this year, and near its end of the next, are known and published."""
    found = seen.years
    if found is None:
        return
    if found.this is None:
        yield Finding("year_unknown", "alarm", str(found.year), {"year": found.year})
    elif found.this != "published":
        yield Finding("year_estimated", "warning", str(found.year), {"year": found.year})
    following = {"year": found.year + 1}
    late: Severity = "warning" if found.month >= NEED_NEXT_YEAR else "notice"
    if found.month >= ASK_NEXT_YEAR and found.following is None:
        yield Finding(
            "year_unknown", "alarm" if found.month >= NEED_NEXT_YEAR else "warning", str(found.year + 1), following
        )
    elif found.month >= ASK_NEXT_YEAR and found.following != "published":
        yield Finding("year_estimated", late, str(found.year + 1), following)


def desk(seen: Seen, now: int) -> Iterator[Finding]:
    """Nothing waits for an officer past its limit (Art. 10)."""
    if seen.desk is not None and seen.desk.overdue:
        yield Finding("holds_overdue", "alarm", "desk", {"count": seen.desk.overdue})
    if seen.desk is not None and seen.desk.due_today:
        yield Finding("holds_due", "warning", "desk", {"count": seen.desk.due_today})


def letters(seen: Seen, now: int) -> Iterator[Finding]:
    """No dead letter is left undecided."""
    if seen.letters is not None and seen.letters.by_code:
        counts = sorted(seen.letters.by_code.items(), key=lambda pair: -pair[1])
        total = sum(seen.letters.by_code.values())
        args = {
            "count": f"{total}+" if seen.letters.more else str(total),
            "codes": ", ".join(f"{code} {count}" for code, count in counts[:MOST_NAMED]),
        }
        yield Finding("letters_open", "warning", "hedx.deadletters", args)


def memory(seen: Seen, now: int) -> Iterator[Finding]:
    """The signer can keep its keys out of swap."""
    if seen.memory_lockable is False:
        yield Finding("memory_swappable", "notice", "signer")


def unlooked(seen: Seen, now: int) -> Iterator[Finding]:
    """What was to be looked at and could not be."""
    for each in seen.unlooked:
        code = "probe_too_slow" if each.why == "too_slow" else "probe_failed"
        yield Finding(code, "warning", each.probe, {"probe": each.probe, "said": each.said})


SEEN_CHECKS: Final[tuple[SeenCheck, ...]] = (
    cluster,
    broker_addresses,
    broker_certificates,
    rights,
    drift,
    schemas,
    clock,
    disks,
    versions,
    years,
    desk,
    letters,
    memory,
    unlooked,
)
