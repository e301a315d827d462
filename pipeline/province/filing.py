"""Filing an application: the mandate, and one sealed bundle per section, ready for the outbox."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, roster, sealing, signed
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import CaseKeys, Identity, PublicSealingKey
from pipeline.crypto.trust import Trust
from pipeline.domain import members
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Application,
    Mandate,
    Person,
    PersonOrigin,
    RecheckOrigin,
    SectionHead,
    SectionRoot,
    Warrant,
)
from pipeline.domain.sections import split
from pipeline.domain.subqueries import attempt_of
from pipeline.stages.notices import SUITE, Entropy

MANDATE_VALIDITY = 90 * 24 * 3600 * 1000
"""ms: as long as requests are kept; feedback limits go up to 60 days."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Of a re-check: the original's mandate and acceptance, signed, and where each person (by number) stands in it."""

    mandate: bytes
    acceptance: bytes
    persons: Mapping[int, PersonOrigin]

    def of(self, section: Sequence[Person]) -> RecheckOrigin:
        """What travels beside one section."""
        proofs = [self.persons[person["number"]] for person in section]
        return RecheckOrigin(mandate=self.mandate, acceptance=self.acceptance, persons=proofs)


@dataclass(frozen=True, slots=True)
class Filing:
    """An application as filed: what is sent, and what only the requester keeps (reply key, salts, roster).

    `held_by_unit`: the mandate's reply key is not among `keys`, so that the entrusting unit alone opens the answers.
    """

    application: Application
    mandate_raw: bytes
    mandate_digest: bytes
    keys: CaseKeys
    locked_keys: bytes
    salts: list[bytes]
    sections: list[list[Person]]
    bundles: list[SealedBundle]
    held_by_unit: bool = False


def file_application(
    application: Application,
    persons: Sequence[Person],
    *,
    identity: Identity,
    trust: Trust,
    release: int,
    now: int,
    valid_for: int = MANDATE_VALIDITY,
    section_size: int = 500,
    reply_key: PublicSealingKey | None = None,
    evidence: Sequence[bytes] = (),
    origin: Origin | None = None,
    entropy: Entropy = os.urandom,
) -> Filing:
    """Split the roster into sections, sign the mandate, seal each section to the center.

    `release` is the number of the catalog release the schedule was written against; `valid_for` (ms): how
    long providers may act on the mandate; `reply_key`: the entrusting unit's, where it opens the answers itself, a key
    for this application alone; `evidence`: SHA-256 digests of the documents that the archive holds for it (Art. 9);
    `origin`: of a re-check, the proof of what it is of.
    """
    sections = split(persons, section_size)
    salts = [entropy(32) for _ in sections]
    encoded = [[framing.write("Person", person) for person in section] for section in sections]
    keys, locked_keys = identity.vault.create()
    mandate = _mandate(application, encoded, salts, reply_key or keys.reply_key, evidence, release, now + valid_for)
    mandate_signed = signed.sign(
        "mandate", framing.encode("Mandate", mandate), identity.signer, audience=CENTER, now=now
    )
    secret, seal = sealing.new_seal(identity.party, [trust.sealing_key(CENTER, now)], entropy)
    warrant = framing.encode("Warrant", Warrant(mandate=mandate_signed.raw, acceptance=None))
    written: list[SealedBundle] = []
    for number, (records, salt) in enumerate(zip(encoded, salts, strict=True), start=1):
        head = SectionHead(
            salt=salt,
            roster_date=application["roster_date"],
            roster_dataset=application["roster_dataset"],
            application=application,
            origin=None if origin is None else origin.of(sections[number - 1]),
        )
        header = Header(
            kind="application",
            bundle_id=entropy(16),
            sender=identity.party,
            to=CENTER,
            requester=identity.party,
            application_id=application["application_id"],
            mandate_digest=mandate_signed.digest,
            section=number,
            sections=len(sections),
            members=members.to_bytes(members.full(len(records))),
            release=release,
            version=attempt_of(application["recheck"]),
            suite=SUITE,
            schema=schemas.schema_id("Person"),
        )
        heads = [warrant, framing.encode("SectionHead", head)]
        written.append(bundles.seal_bundle(header, records, secret, seal, heads=heads))
    return Filing(
        application,
        mandate_signed.raw,
        mandate_signed.digest,
        keys,
        locked_keys,
        salts,
        sections,
        written,
        held_by_unit=reply_key is not None,
    )


def _mandate(
    application: Application,
    encoded: Sequence[Sequence[bytes]],
    salts: Sequence[bytes],
    reply_key: PublicSealingKey,
    evidence: Sequence[bytes],
    release: int,
    not_after: int,
) -> Mandate:
    roots = [
        SectionRoot(root=roster.section_root(salt, persons), count=len(persons))
        for salt, persons in zip(salts, encoded, strict=True)
    ]
    return Mandate(
        application_id=application["application_id"],
        requester=application["requester"],
        entrusting_unit=application["approving_authority"],
        approving_authority=application["approving_authority"],
        business_category=application["business_category"],
        purpose=application["purpose"],
        schedule=application["schedule"],
        reply_key=reply_key.point,
        suite=SUITE,
        sections=roots,
        evidence=list(evidence),
        catalog_release=release,
        not_after=not_after,
        seal_to_center=application["seal_to_center"],
        checkpoint=None,
        unit_consent=application["unit_consent"],
        recheck=application["recheck"],
    )
