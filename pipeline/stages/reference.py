"""What stages look up but do not own: parties and catalog releases, as hedx.trust and hedx.catalog tell them.

Every entry is signed by the center. A release counts once its manifest is there and matches its entries; releases are
kept by number, so that an application is served under the one it was accepted with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.keys import Signer
from pipeline.crypto.trust import Trust
from pipeline.domain.catalog import Release
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry, CatalogManifest, TrustEntry
from pipeline.stages import topics
from pipeline.stages.effects import Output

EVERYONE = "all"
"""Audience of what is published to all parties."""
MANIFEST = "manifest"
_KEY = re.compile(rb"([0-9]{1,9})/([0-9a-z_/]+)")


class Reference(Protocol):
    """A live view; a process makes it ready before its first step (at the end offset of both topics)."""

    @property
    def trust(self) -> Trust:
        """The parties and their certificates, newest state."""

    @property
    def current(self) -> Release | None:
        """The newest complete catalog release, None before the first."""

    def release(self, number: int) -> Release | None:
        """Release `number`, if it can still be rebuilt."""


class ReferenceTables:
    """The `Reference` of a process, fed record by record. `center` is the entry a party was given when it joined."""

    def __init__(self, roots: Sequence[bytes], center: TrustEntry) -> None:
        self.trust = Trust(roots, [center])
        self._entries: dict[int, dict[str, tuple[CatalogEntry, bytes]]] = {}
        self._releases: dict[int, Release] = {}

    @property
    def current(self) -> Release | None:
        """The newest complete release."""
        return self._releases[max(self._releases)] if self._releases else None

    def release(self, number: int) -> Release | None:
        """Release `number`, complete, or None."""
        return self._releases.get(number)

    def releases(self) -> list[int]:
        """Numbers of the complete releases, ascending."""
        return sorted(self._releases)

    def apply(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Take one record of hedx.trust or hedx.catalog in.

        Raises InvalidMessage when its signature does not hold, or a manifest does not match its entries.
        """
        if topic == topics.TRUST and value is not None:
            entry: TrustEntry = self._verified(value, "trust", "TrustEntry")  # type: ignore[assignment]
            if entry["party"].encode() != key:
                raise InvalidMessage("key_contradicts_entry", topic)
            self.trust.update(entry)
        elif topic == topics.CATALOG:
            match = _KEY.fullmatch(key)
            if match is None:
                raise InvalidMessage("key_contradicts_entry", topic)
            self._catalog(int(match[1]), match[2].decode(), value)

    def _catalog(self, number: int, name: str, value: bytes | None) -> None:
        if value is None:
            self._releases.pop(number, None)
            self._entries.get(number, {}).pop(name, None)
        elif name == MANIFEST:
            manifest: CatalogManifest = self._verified(value, "catalog", "CatalogManifest")  # type: ignore[assignment]
            entries = self._entries.get(number, {})
            digest = manifest_digest({key: signed.peek(raw).digest for key, (_, raw) in entries.items()})
            if manifest["release"] != number or len(entries) != manifest["entries"] or digest != manifest["digest"]:
                raise InvalidMessage("manifest_mismatch", f"release {number}")
            self._releases[number] = Release.of(number, [entry for entry, _ in entries.values()])
        else:
            offer: CatalogEntry = self._verified(value, "catalog", "CatalogEntry")  # type: ignore[assignment]
            if f"{offer['provider']}/{offer['category']}" != name or offer["release"] != number:
                raise InvalidMessage("key_contradicts_entry", topics.CATALOG)
            self._entries.setdefault(number, {})[name] = (offer, value)

    def _verified(self, raw: bytes, typ: str, name: str) -> object:
        """Published entries stay in force until replaced: verified as of when they were signed."""
        at = signed.peek(raw).claims.issued_at
        payload = signed.verify(raw, typ, self.trust, now=at, audience=EVERYONE, issuer=CENTER).payload
        return framing.decode_as(name, payload)


def manifest_digest(digests: Mapping[str, bytes]) -> bytes:
    """SHA-256 over `<provider>/<category>` NUL digest of every entry, by key in order."""
    content = b"".join(key.encode() + b"\0" + digest for key, digest in sorted(digests.items()))
    return hashlib.sha256(content).digest()


def publish_trust(entries: Iterable[TrustEntry], signer: Signer, now: int) -> list[Output]:
    """Records for hedx.trust, signed by the center."""
    return [
        Output(topics.TRUST, entry["party"].encode(), _sign("trust", "TrustEntry", entry, signer, now))
        for entry in entries
    ]


def publish_catalog(number: int, entries: Iterable[CatalogEntry], signer: Signer, now: int) -> list[Output]:
    """Records for hedx.catalog that make release `number`: its entries, then the manifest; for one transaction."""
    outputs: list[Output] = []
    digests: dict[str, bytes] = {}
    for entry in entries:
        numbered = entry.copy()
        numbered["release"] = number
        name = f"{entry['provider']}/{entry['category']}"
        raw = _sign("catalog", "CatalogEntry", numbered, signer, now)
        digests[name] = signed.peek(raw).digest
        outputs.append(Output(topics.CATALOG, f"{number}/{name}".encode(), raw))
    manifest = CatalogManifest(release=number, entries=len(outputs), digest=manifest_digest(digests), published_at=now)
    raw = _sign("catalog", "CatalogManifest", manifest, signer, now)
    return [*outputs, Output(topics.CATALOG, f"{number}/{MANIFEST}".encode(), raw)]


def _sign(typ: str, name: str, record: Mapping[str, object], signer: Signer, now: int) -> bytes:
    return signed.sign(typ, framing.encode(name, record), signer, audience=EVERYONE, now=now).raw
