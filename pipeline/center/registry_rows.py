"""What the registry hands out: certificates, parties, the trail, made from its rows."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from pipeline.center.addresses import DAY, Address, from_json
from pipeline.crypto.certificates import party_of_principal
from pipeline.crypto.requests import Usage
from pipeline.domain.records import LogLeaf

Reason = Literal["unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation"]
"""Why a certificate is revoked (RFC 5280, section 5.3.1)."""

State = Literal["valid", "not yet valid", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as the registry keeps it."""

    serial: str  # hex, as openssl prints it
    principal: str
    usage: Usage
    der: bytes
    digest: bytes  # SHA-256 over `der`
    request: bytes  # SHA-256 over the request
    issued_at: int
    not_before: int
    not_after: int
    revoked_at: int | None
    reason: Reason | None

    @property
    def owner(self) -> str:
        """The party's code, or the principal of a service of the exchange, such as `ops`."""
        return owner_of(self.principal)

    def state(self, at: int) -> State:
        """What it is worth `at`."""
        if self.revoked_at is not None and self.revoked_at <= at:
            return "revoked"
        return "expired" if at > self.not_after else "valid" if at >= self.not_before else "not yet valid"

    def days_left(self, at: int) -> int:
        """Whole days until it expires; negative when it has."""
        return (self.not_after - at) // DAY


@dataclass(frozen=True, slots=True)
class Member:
    """A registered party."""

    party: str
    name: str
    number: int
    suspended: bool
    minimum_suite: int
    addresses: list[Address]


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the trail: what was done to whom, and when."""

    at: int
    subject: str
    kind: str
    detail: str


def owner_of(principal: str) -> str:
    """The party behind a principal, else the principal itself."""
    return party_of_principal(principal) or principal


def member_of(row: sqlite3.Row) -> Member:
    """A registered party."""
    return Member(
        row["party"],
        row["name"],
        row["number"],
        bool(row["suspended"]),
        row["minimum_suite"],
        from_json(row["addresses"]),
    )


def certificate_of(row: sqlite3.Row) -> Certificate:
    """A certificate."""
    return Certificate(**{name: row[name] for name in Certificate.__slots__})


def leaf_of(row: sqlite3.Row) -> LogLeaf:
    """A line of the trust log."""
    return LogLeaf(
        index=row["idx"],
        kind=row["kind"],
        party=row["party"],
        digest=row["digest"],
        request=row["request"],
        at=row["at"],
    )
