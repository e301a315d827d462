"""What `hedx doctor` sees beyond the installation's own files: a fact a thing, gathered by the probes. Times are ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["notice", "warning", "alarm"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know. `code` is stable; `args` fill the words for it (`ops.health_words`)."""

    code: str
    severity: Severity
    subject: str
    args: Mapping[str, object] = field(default_factory=dict)


Handshake = Literal[
    "ok", "wrong_name", "not_a_broker", "expired", "not_yet_valid", "unknown_authority", "failed", "plaintext"
]


@dataclass(frozen=True, slots=True)
class BrokerSeen:
    """One address of a broker, as given (`bootstrap`) or as the cluster names it. `handshake` None: there was no connection.

    `not_after`: of its certificate; `said`: what the machine said where something failed.
    """

    address: str
    advertised: bool
    resolves: bool
    connects: bool
    handshake: Handshake | None
    not_after: int | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """Whether any Kafka answered at `bootstrap`, asked as `principal`."""

    bootstrap: str
    principal: str
    answers: bool
    said: str = ""


@dataclass(frozen=True, slots=True)
class RightsSeen:
    """What a principal lacks of what topics.yaml says, and what it has beyond: `read hedx.events`. `topics`: how many were asked."""

    principal: str
    topics: int
    missing: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """What differs between topics.yaml and the cluster, as `hedx topics plan` says it."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemasSeen:
    """The schemas of this code against the released ones, and topics whose newest records are of none that is known here."""

    unreleased: tuple[str, ...] = ()
    faults: int = 0
    looked: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """Our clock minus another's, in ms, give or take `error`; `skew` None: nobody to compare with.

    `by`: `controller`, or `appended` for the newest append time, which tells only that we are behind. `disciplined`: whether the
    kernel says that something keeps the clock right; None where it does not say. `simulated`: commands go by made-up time.
    """

    skew: int | None = None
    error: int = 0
    by: Literal["controller", "appended"] | None = None
    disciplined: bool | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """A disk: `place` is what is kept there, sizes in bytes."""

    place: str
    total: int
    free: int


@dataclass(frozen=True, slots=True)
class VersionsSeen:
    """Versions here: `packages` that are not what the lock says (name → (locked, here)); brokers' metadata versions."""

    python: str
    client: str
    library: str
    packages: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    agreed: Mapping[str, int | None] = field(default_factory=dict)
    newest: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class YearsSeen:
    """What is known of this year and the next: `published`, `estimated` or None. `month`: of today, in China."""

    year: int
    month: int
    this: str | None
    following: str | None


@dataclass(frozen=True, slots=True)
class DeskSeen:
    """What waits for an officer past its limit, and on its last day."""

    overdue: int
    due_today: int


@dataclass(frozen=True, slots=True)
class LettersSeen:
    """Open dead letters since `since`; `more`: there are more than were counted."""

    since: int
    by_code: Mapping[str, int]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Unlooked:
    """A probe without a result: `too_slow`, or `failed` with what was said."""

    probe: str
    why: Literal["too_slow", "failed"]
    said: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it; what nobody looked at is empty or None."""

    cluster: ClusterSeen | None = None
    brokers: tuple[BrokerSeen, ...] = ()
    rights: tuple[RightsSeen, ...] = ()
    drift: DriftSeen | None = None
    schemas: SchemasSeen | None = None
    clock: ClockSeen | None = None
    disks: tuple[DiskSeen, ...] = ()
    versions: VersionsSeen | None = None
    years: YearsSeen | None = None
    desk: DeskSeen | None = None
    letters: LettersSeen | None = None
    memory_lockable: bool | None = None
    unlooked: tuple[Unlooked, ...] = ()
    looked: tuple[str, ...] = ()
