"""Clear bundles that carry signed objects: receipts, rejections, acceptances, certificates.

The records of such a bundle are COSE_Sign1 objects of their own type; nothing in them is personal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, signed
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.headers import Header, Kind
from pipeline.crypto.keys import Signer

Entropy = Callable[[int], bytes]

SUITE = 1


@dataclass(frozen=True, slots=True)
class Notice:
    """Where a signed object is going and what it is about."""

    kind: Kind
    to: str
    requester: str
    application_id: str = ""
    mandate_digest: bytes = b""
    section: int = 0
    sections: int = 0


def sign_record(typ: str, name: str, record: Mapping[str, object], signer: Signer, audience: str, now: int) -> bytes:
    """A COSE_Sign1 `hedx/1/<typ>` over the framed Avro record `name`."""
    return signed.sign(typ, framing.encode(name, record), signer, audience=audience, now=now).raw


def post(notice: Notice, objects: list[bytes], sender: str, entropy: Entropy = os.urandom) -> SealedBundle:
    """A clear bundle holding the signed `objects`."""
    header = Header(
        kind=notice.kind,
        bundle_id=entropy(16),
        sender=sender,
        to=notice.to,
        requester=notice.requester,
        application_id=notice.application_id,
        mandate_digest=notice.mandate_digest,
        section=notice.section,
        sections=notice.sections,
        version=1,
        suite=SUITE,
        schema=schemas.schema_id("Receipt") if notice.kind == "receipt" else b"\0" * 8,
    )
    return bundles.clear_bundle(header, objects)
