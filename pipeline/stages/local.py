"""The port between a party's own stages (answer, deliver) and its store: one database transaction per step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.envelopes import VerifiedEnvelope
from pipeline.crypto.keys import Unsealer
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import Acceptance, ApplicationResult, Mandate, Rejection, SectionCertificate
from pipeline.stages.acts import Act
from pipeline.stages.effects import Message


@dataclass(frozen=True, slots=True)
class Filed:
    """An application of our own, as deliver needs it.

    `reply_key` None: what comes is not opened here, since the entrusting unit holds the key or ours was destroyed; then
    `mandate` says what the headers must fit.
    """

    application_id: str
    mandate_digest: bytes
    reply_key: Unsealer | None
    mandate: Mandate | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An envelope that has been worked on."""

    issuer: str
    id: bytes
    digest: bytes
    expires_at: int


@dataclass(frozen=True, slots=True)
class Posted:
    """A bundle for the center's `requests` or `responses`."""

    inbox: Literal["requests", "responses"]
    bundle: SealedBundle


@dataclass(frozen=True, slots=True)
class Delivered:
    """A provider's bundle. `answers`: roster index and the `Answer`'s Avro bytes as they came, checked.

    They are empty unless the outcome is done. Of a bundle that is not opened here `relay` is the center's relay record:
    the bundle, still sealed, with the provider's signature and the proof.
    """

    application_id: str
    section: int
    provider: str
    digest: bytes
    rows: tuple[int, ...]
    members: bytes
    outcome: str
    answers: list[tuple[int, bytes]]
    relay: bytes | None = None
    code: str | None = None  # why there are none, in the provider's word


@dataclass(frozen=True, slots=True)
class Access:
    """What the access log is to say (Art. 11). `detail`: counts, digests and codes, never a person's datum.

    `act` is `opened`, `refused` (a request that its provider does not answer), `read`, `exported`, `export_refused`,
    `sealed_pack`, `shredded`, or one that begins with `evidence_` (docs/purpose.md); unit and purpose are the mandate's.
    """

    act: str
    application_id: str
    requester: str
    unit: str
    purpose: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Witness:
    """A signing certificate (DER) under which something that is kept was verified."""

    thumbprint: bytes
    party: str
    certificate: bytes


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A schedule row that waits for its register: until when (ms) that is away, and why, in the provider's words.

    `deadline` (ms): that of the acceptance.
    """

    row: int
    category: str
    until: int
    reason: str
    deadline: int


@dataclass(frozen=True, slots=True)
class Parked:
    """A request some of whose rows wait (Art. 10). `bundle`: as it came, sealed; what it holds was valid `at` (ms).

    `not_after` (ms): the end of the mandate, after which it is not answered any more.
    """

    requester: str
    application_id: str
    mandate_digest: bytes
    section: int
    version: int
    bundle: bytes
    at: int
    not_after: int
    rows: list[ParkedRow]


@dataclass(frozen=True, slots=True)
class CalledOff:
    """What is not to be answered any more: all of a mandate (`rows` None: it is withdrawn), or rows that were closed."""

    requester: str
    mandate_digest: bytes
    rows: tuple[int, ...] | None = None


@dataclass(slots=True)
class LocalEffects:
    """What a step of a party's stage wants done, in one database transaction with its offsets.

    `refused`: what is answered with a refusal instead of being put aside, only to be logged.
    """

    seen: list[Seen] = field(default_factory=list)
    posts: list[Posted] = field(default_factory=list)
    dead: list[tuple[Message, InvalidMessage]] = field(default_factory=list)
    refused: list[tuple[Message, InvalidMessage]] = field(default_factory=list)
    receipted: list[bytes] = field(default_factory=list)  # envelope ids the center has receipted
    settled: list[bytes] = field(default_factory=list)  # digests of bundles a requester has receipted
    reply_keys: list[tuple[str, bytes, bytes]] = field(default_factory=list)  # (requester, reply key, mandate digest)
    answered: list[tuple[bytes, int, int]] = field(default_factory=list)  # (mandate digest, section, version)
    delivered: list[Delivered] = field(default_factory=list)
    acceptances: list[tuple[Acceptance, bytes]] = field(default_factory=list)
    rejections: list[tuple[Rejection, bytes]] = field(default_factory=list)
    certificates: list[tuple[SectionCertificate, bytes]] = field(default_factory=list)
    results: list[tuple[ApplicationResult, bytes]] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)  # of the center or another party, to be kept
    accesses: list[Access] = field(default_factory=list)
    witnesses: set[Witness] = field(default_factory=set)
    parked: list[Parked] = field(default_factory=list)  # their rows replace what is kept of these rows
    unparked: list[tuple[bytes, int, int, tuple[int, ...]]] = field(default_factory=list)  # request, rows answered
    resealed: list[tuple[tuple[bytes, int, int], bytes, int]] = field(
        default_factory=list
    )  # parked; as it came anew, at
    told: list[tuple[bytes, int, int]] = field(default_factory=list)  # (mandate digest, row, until): said in a delay
    called_off: list[CalledOff] = field(default_factory=list)
    reanswered: list[tuple[bytes, int, int]] = field(
        default_factory=list
    )  # sections of which closed rows are left out now


class View(Protocol):
    """What a party's stages read of its store."""

    def seen(self, issuer: str, envelope_id: bytes) -> bytes | None:
        """The digest of the envelope with this id, if it was worked on."""

    def mandate_of(self, requester: str, reply_key: bytes) -> bytes | None:
        """The digest of the requester's mandate this reply key was first seen under."""

    def has_answered(self, mandate_digest: bytes, section: int, version: int) -> bool:
        """Whether this section was answered already."""

    def filed(self, application_id: str) -> Filed | None:
        """Our own application with this id."""

    def is_withdrawn(self, requester: str, mandate_digest: bytes) -> bool:
        """Whether the requester has withdrawn what it mandated."""

    def closed_rows(self, requester: str, mandate_digest: bytes) -> frozenset[int]:
        """Rows of a mandate that were closed by agreement: they are not answered any more."""

    def crossed_rows(self, mandate_digest: bytes, section: int, version: int) -> frozenset[int]:
        """Open rows of answers that name closed rows beside them, and that no requester has receipted."""

    def act(self, typ: str, digest: bytes) -> Mapping[str, Any] | None:
        """The record of an act that is kept, of this type and with this digest."""

    def has_withdrawn(self, application_id: str) -> bool:
        """Whether we signed a withdrawal of our own application."""

    def sections_taken(self, requester: str, mandate_digest: bytes) -> tuple[set[int], set[int]]:
        """Sections of a mandate that were taken in: (answered, with rows that are parked)."""

    def is_parked(self, mandate_digest: bytes, section: int, version: int) -> bool:
        """Whether some of this section waits for a register."""

    def told_until(self, mandate_digest: bytes, row: int) -> int | None:
        """Until when (ms) the requester was last told that a row will wait; None when it was not told."""


def is_repeated(view: View, effects: LocalEffects, envelope: VerifiedEnvelope) -> bool:
    """Whether the envelope was worked on before (or twice in this step); notes it when it is new.

    Raises InvalidMessage `envelope_conflict` when the id is known with another digest.
    """
    known = view.seen(envelope.issuer, envelope.id)
    for seen in effects.seen:
        if (seen.issuer, seen.id) == (envelope.issuer, envelope.id):
            known = seen.digest
    if known is None:
        effects.seen.append(Seen(envelope.issuer, envelope.id, envelope.digest, envelope.expires_at))
        return False
    if known != envelope.digest:
        raise InvalidMessage("envelope_conflict", f"envelope {envelope.id.hex()} of {envelope.issuer}")
    return True
