"""Who asked what, and who opened what, for which purpose (Art. 11): counted from the mandates and the access log.

No person, no application and no officer is named: units, businesses, purposes, categories and counts. The report says which
rows of the log it covers and their digest, so that it can be held against the log later.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.records import Acceptance
from pipeline.province import access
from pipeline.province.access import AccessEntry
from pipeline.province.store import mandate_in

COUNTED: Final[dict[str, str]] = {
    "opened": "openings",
    "read": "readings",
    "exported": "exports",
    "exported_partial": "exports",
    "sealed_pack": "exports",
    "form_exported": "exports",
    "export_refused": "refusals",
    "refused": "refusals",
}
"""Act of the access log → where it is counted; any other act is counted under its own name in `other`."""


@dataclass(slots=True)
class Use:
    """What one unit did for one business and purpose, of one requester's applications."""

    requester: str
    unit: str
    business_category: str
    purpose: str
    applications: int = 0
    persons: int = 0
    sub_queries: Counter[str] = field(default_factory=Counter)
    """Category → persons x providers asked, of accepted applications."""
    openings: int = 0
    readings: int = 0
    exports: int = 0
    refusals: int = 0
    other: Counter[str] = field(default_factory=Counter)

    def count(self, act: str) -> None:
        """Count one row of the access log."""
        if act in COUNTED:
            setattr(self, COUNTED[act], getattr(self, COUNTED[act]) + 1)
        else:
            self.other[act] += 1


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The report of a time span. `first`, `last`: numbers of the log's rows covered, 0 when none is; `digest`: SHA-256."""

    uses: list[Use]
    first: int
    last: int
    rows: int
    digest: bytes


def usage(connection: sqlite3.Connection, start: int, end: int) -> UsageReport:
    """The report of a party's store for [start, end) (ms): its own applications, and whatever its log has."""
    uses: dict[tuple[str, str, str, str], Use] = {}
    business: dict[str, str] = {}
    rows = connection.execute("SELECT application_id, mandate, acceptance, filed_at FROM application")
    for application_id, raw, acceptance, filed_at in rows:
        mandate = mandate_in(raw)
        business[application_id] = mandate["business_category"]
        if not start <= filed_at < end:
            continue
        place = (mandate["requester"], mandate["entrusting_unit"], mandate["business_category"], mandate["purpose"])
        use = uses.setdefault(place, Use(*place))
        persons = sum(section["count"] for section in mandate["sections"])
        use.applications += 1
        use.persons += persons
        for category in [] if acceptance is None else _categories(acceptance):
            use.sub_queries[category] += persons
    return _report(uses, business, access.entries(connection), start, end)


def usage_of_log(connection: sqlite3.Connection, start: int, end: int) -> UsageReport:
    """The report of a log that stands alone, as the center's does: what was opened; the mandates are not there."""
    return _report({}, {}, access.entries(connection), start, end)


def log_digest(entries: Iterable[AccessEntry]) -> bytes:
    """SHA-256 over the rows in order, each in its canonical form."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(entry.canonical())
    return digest.digest()


def _report(
    uses: dict[tuple[str, str, str, str], Use],
    business: dict[str, str],
    entries: Iterable[AccessEntry],
    start: int,
    end: int,
) -> UsageReport:
    covered = [entry for entry in entries if start <= entry.at < end]
    for entry in covered:
        place = (entry.requester, entry.unit, business.get(entry.application_id, ""), entry.purpose)
        uses.setdefault(place, Use(*place)).count(entry.act)
    numbers: Sequence[int] = [entry.number for entry in covered] or [0]
    ordered = [uses[place] for place in sorted(uses)]
    return UsageReport(ordered, min(numbers), max(numbers), len(covered), log_digest(covered))


def _categories(raw: bytes) -> list[str]:
    """The category of each sub-query that the center accepted. It was verified when it came."""
    acceptance = cast("Acceptance", framing.decode_as("Acceptance", cose.decode(raw).payload))
    return [query["category"] for query in acceptance["sub_queries"]]
