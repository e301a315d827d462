"""Opening what came sealed: the steps of envelope.md from policy to Avro, the same for whoever may read it.

Record 0 (the warrant) is opened and verified before anything else of the bundle is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.codec import framing
from pipeline.crypto import bundles, roster, signed
from pipeline.crypto.bundles import Bundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Unsealer
from pipeline.crypto.sealing import SealCache
from pipeline.crypto.signed import Signed
from pipeline.crypto.trust import Trust
from pipeline.domain import members
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import Answer, Mandate, SectionHead, Warrant
from pipeline.domain.subqueries import attempt_of

HEADS = 2
"""Records of a section bundle before its persons: the warrant, the section head."""
SALT_SIZE = 32
"""Bytes of a section's salt."""


@dataclass(frozen=True, slots=True)
class OpenedWarrant:
    """A verified record 0: the mandate in force and, towards providers, the signed acceptance still to be checked."""

    mandate: Mandate
    mandate_raw: bytes
    digest: bytes
    acceptance_raw: bytes | None


@dataclass(frozen=True, slots=True)
class OpenedSection:
    """A section whose root is the mandate's: persons verbatim, in roster order."""

    warrant: OpenedWarrant
    head: SectionHead
    head_raw: bytes
    persons: list[bytes]


def answers_in(bundle: Bundle, secret: bytes) -> list[tuple[Answer, bytes]]:
    """The answers of a provider's bundle under its unsealed `secret`, each with its bytes as the provider wrote them.

    Raises InvalidMessage `answer_out_of_scope` when they are not of the persons and rows that the header names.
    """
    records = bundles.open_records(bundle, secret)
    indexes = members.indexes(members.from_bytes(bundle.header.members))
    rows = list(bundle.header.rows)
    if len(records) != len(indexes):
        raise InvalidMessage("answer_out_of_scope", "as many answers as members")
    found: list[tuple[Answer, bytes]] = []
    for index, record in zip(indexes, records, strict=True):
        answer: Answer = framing.read("Answer", record)  # type: ignore[assignment]
        if answer["index"] != index or [result["row"] for result in answer["results"]] != rows:
            raise InvalidMessage("answer_out_of_scope")
        found.append((answer, record))
    return found


class SectionOpener:
    """Opens section bundles sealed to one party; keeps the seals of recent envelopes."""

    def __init__(self, sealing: Unsealer) -> None:
        self._seals = SealCache(sealing)

    def warrant(
        self, bundle: Bundle, trust: Trust, now: int | None = None, *, seen_at: int | None = None
    ) -> OpenedWarrant:
        """Record 0 of `bundle`: unsealed, its mandate verified against the requester of the header.

        At its first receipt, by intake, the mandate must be valid `now`. Later readers give `seen_at` instead, when it
        was there at the latest; the acceptance, where there is one, says that it was there earlier. Its own `not_after`
        says how long it may be used, and a request may lie in an inbox for weeks. Raises InvalidMessage:
        `count_mismatch`, `mandate_invalid` and the codes of `crypto.bundles` and `crypto.sealing`.
        """
        header = bundle.header
        secret = self._secret(bundle)
        if bundle.heads != HEADS:
            raise InvalidMessage("count_mismatch", "warrant and section head stand before the persons")
        [record] = bundles.open_records(bundle, secret, 0, 1)
        warrant: Warrant = framing.decode_as("Warrant", record)  # type: ignore[assignment]
        verified = _verify_mandate(warrant, header, trust, now, seen_at)
        mandate: Mandate = framing.decode_as("Mandate", verified.payload)  # type: ignore[assignment]
        return OpenedWarrant(mandate, warrant["mandate"], verified.digest, warrant["acceptance"])

    def section(self, bundle: Bundle, warrant: OpenedWarrant) -> OpenedSection:
        """The rest of `bundle`: its clear header held against the mandate, then its persons against the section's root.

        Raises InvalidMessage `header_contradicts_mandate`, and `section_root_mismatch` when a person was altered.
        """
        _match(bundle.header, warrant)
        records = bundles.open_records(bundle, self._secret(bundle), 1)
        head: SectionHead = framing.decode_as("SectionHead", records[0])  # type: ignore[assignment]
        if len(head["salt"]) != SALT_SIZE:
            raise InvalidMessage("section_root_mismatch", "the salt has 32 bytes")
        persons = records[1:]
        stated = warrant.mandate["sections"][bundle.header.section - 1]
        if len(persons) != stated["count"] or roster.section_root(head["salt"], persons) != stated["root"]:
            raise InvalidMessage("section_root_mismatch", f"section {bundle.header.section}")
        return OpenedSection(warrant, head, records[0], persons)

    def _secret(self, bundle: Bundle) -> bytes:
        if bundle.seal is None:
            raise InvalidMessage("seal_missing")
        return self._seals.unseal(bundle.seal, bundle.header.sender)


def _verify_mandate(warrant: Warrant, header: Header, trust: Trust, now: int | None, seen_at: int | None) -> Signed:
    raw, acceptance = warrant["mandate"], warrant["acceptance"]
    try:
        if now is not None:
            return signed.verify(raw, "mandate", trust, now=now, issuer=header.requester)
        times = [] if seen_at is None else [seen_at]
        if acceptance is not None:
            times.append(signed.peek(acceptance).claims.issued_at)  # the acceptance itself is verified by the reader
        witness = min(times, default=signed.peek(raw).claims.issued_at)
        return signed.verify_kept(raw, "mandate", trust, witness=witness, issuer=header.requester)
    except InvalidMessage as error:
        raise InvalidMessage("mandate_invalid", str(error)) from error


def _match(header: Header, warrant: OpenedWarrant) -> None:
    """The clear header must say what the mandate says."""
    mandate = warrant.mandate
    checks: list[tuple[str, Callable[[], bool]]] = [
        ("requester", lambda: header.requester == mandate["requester"]),
        ("application_id", lambda: header.application_id == mandate["application_id"]),
        ("mandate_digest", lambda: header.mandate_digest == warrant.digest),
        ("sections", lambda: header.sections == len(mandate["sections"])),
        ("section", lambda: 1 <= header.section <= header.sections),
        ("count", lambda: header.count == mandate["sections"][header.section - 1]["count"]),
        ("members", lambda: members.from_bytes(header.members) == members.full(header.count)),
        ("release", lambda: header.release == mandate["catalog_release"]),
        ("suite", lambda: header.suite == mandate["suite"]),
        ("version", lambda: header.version == attempt_of(mandate["recheck"])),
    ]
    for name, holds in checks:
        if not holds():
            raise InvalidMessage("header_contradicts_mandate", name)
