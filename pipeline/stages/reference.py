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
from pipeline.crypto.trust_log import TrustLog, log_head
from pipeline.domain.catalog import Release
from pipeline.domain.dispatching import has_one_limit
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry, CatalogManifest, LogHead, LogLeaf, RevocationList, TrustEntry
from pipeline.stages import topics
from pipeline.stages.anchor import EVERYONE, Anchor, Seen, verified
from pipeline.stages.effects import Output
from pipeline.stages.trust_tables import CRL, HEAD, Alarm, Requests, TrustTables, framed_leaf, leaf_key

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
    """The `Reference` of a process, fed record by record.

    `anchor` is what a party was given when it joined, `seen` what its process believed before it was restarted. With a
    `party` it is that party's own, which watches its name: a certificate in it whose request is none of `requests` is an
    alarm.
    """

    def __init__(
        self, anchor: Anchor, seen: Seen | None = None, *, party: str | None = None, requests: Requests = dict
    ) -> None:
        """Raises InvalidMessage when the anchor does not hold by itself, or contradicts what was seen."""
        self._seen = seen or Seen()
        self._parties = TrustTables(anchor, self._seen, party, requests)
        self._entries: dict[int, dict[str, tuple[CatalogEntry, bytes]]] = {}
        self._releases: dict[int, Release] = {}

    @property
    def trust(self) -> Trust:
        """The parties and their certificates, newest state."""
        return self._parties.trust

    @property
    def log(self) -> TrustLog:
        """The trust log, as far as it is known and believed."""
        return self._parties.log

    @property
    def current(self) -> Release | None:
        """The newest complete release; None also while an older one is all there is of what was seen before."""
        newest = max(self._releases, default=0)
        return self._releases[newest] if newest and newest >= self._seen.release else None

    def release(self, number: int) -> Release | None:
        """Release `number`, complete, or None."""
        return self._releases.get(number)

    def releases(self) -> list[int]:
        """Numbers of the complete releases, ascending."""
        return sorted(self._releases)

    def apply(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Take one record of hedx.trust, hedx.checkpoints or hedx.catalog in.

        Raises InvalidMessage when its signature does not hold, when it is older than what is held, contradicts it, or
        is not to be believed yet; when a manifest does not match its entries; and when a tombstone, which nobody signs, is
        of the newest complete release: that stays in force, so `current` never goes back.
        """
        if topic == topics.CATALOG:
            match = _KEY.fullmatch(key)
            if match is None:
                raise InvalidMessage("key_contradicts_entry", topic)
            self._catalog(int(match[1]), match[2].decode(), value)
        elif value is not None:
            self._parties.apply(topic, key, value)

    def alarms(self) -> list[Alarm]:
        """What came up since the last call and a person must look into."""
        return self._parties.alarms()

    def missing(self) -> list[InvalidMessage]:
        """What was there before a restart and is not now, though the topics have been read to their ends."""
        newest = max(self._releases, default=0)
        lost = newest < self._seen.release
        release = [InvalidMessage("release_rollback", f"{newest} after {self._seen.release}")] if lost else []
        return self._parties.missing() + release

    def waiting(self) -> list[InvalidMessage]:
        """Parties with certificates that do not count yet: not logged, or not witnessed."""
        return self._parties.waiting()

    def seen(self) -> Seen:
        """What must not be forgotten over a restart."""
        return self._parties.seen().merged(Seen(release=max(self._releases, default=0)))

    def uncosigned(self) -> LogHead | None:
        """The center's newest head, when this party has seen the log grow to it and has not signed it yet."""
        return self._parties.uncosigned()

    def _catalog(self, number: int, name: str, value: bytes | None) -> None:
        if value is None and number == max(self._releases, default=0):
            raise InvalidMessage("release_rollback", f"nobody signed that release {number} is gone")
        if value is None:
            self._releases.pop(number, None)
            self._entries.get(number, {}).pop(name, None)
        elif name == MANIFEST:
            manifest: CatalogManifest = self._verified(value, "catalog", "CatalogManifest")  # type: ignore[assignment]
            entries = self._entries.get(number, {})
            digest = manifest_digest({key: signed.peek(raw).digest for key, (_, raw) in entries.items()})
            if manifest["release"] != number or len(entries) != manifest["entries"] or digest != manifest["digest"]:
                raise InvalidMessage("manifest_mismatch", f"release {number}")
            self._releases[number] = Release.of(
                number, [entry for entry, _ in entries.values()], manifest["published_at"]
            )
        else:
            offer: CatalogEntry = self._verified(value, "catalog", "CatalogEntry")  # type: ignore[assignment]
            if f"{offer['provider']}/{offer['category']}" != name or offer["release"] != number:
                raise InvalidMessage("key_contradicts_entry", topics.CATALOG)
            if not has_one_limit(offer):
                raise InvalidMessage("feedback_limit_invalid", name)
            self._entries.setdefault(number, {})[name] = (offer, value)

    def _verified(self, raw: bytes, typ: str, name: str) -> object:
        return verified(raw, typ, name, self.trust, CENTER)


def manifest_digest(digests: Mapping[str, bytes]) -> bytes:
    """SHA-256 over `<provider>/<category>` NUL digest of every entry, by key in order."""
    content = b"".join(key.encode() + b"\0" + digest for key, digest in sorted(digests.items()))
    return hashlib.sha256(content).digest()


def publish_trust(
    entries: Iterable[TrustEntry], leaves: Sequence[LogLeaf], crl: RevocationList, signer: Signer, now: int
) -> list[Output]:
    """All of hedx.trust, signed by the center; for one transaction.

    In the order in which a newcomer can believe it: the log, its head, the revocations, the parties.
    """
    head = _sign("checkpoint", "LogHead", log_head(leaves, now), signer, now)
    return [
        *(Output(topics.TRUST, leaf_key(leaf["index"]), framed_leaf(leaf)) for leaf in leaves),
        Output(topics.TRUST, HEAD, head),
        Output(topics.TRUST, CRL, _sign("trust", "RevocationList", crl, signer, now)),
        *(
            Output(topics.TRUST, entry["party"].encode(), _sign("trust", "TrustEntry", entry, signer, now))
            for entry in entries
        ),
    ]


def make_anchor(
    roots: Sequence[bytes], center: TrustEntry, leaves: Sequence[LogLeaf], crl: RevocationList, signer: Signer, now: int
) -> Anchor:
    """What a party that joins `now` is given by hand."""
    head = _sign("checkpoint", "LogHead", log_head(leaves, now), signer, now)
    return Anchor(list(roots), center, head, crl["crl"])


def cosign(head: LogHead, signer: Signer, now: int) -> Output:
    """The record for hedx.checkpoints with which a party says that it has seen the log grow to `head`."""
    seen = LogHead(log=head["log"], size=head["size"], root=head["root"], at=now)
    raw = _sign("checkpoint", "LogHead", seen, signer, now)
    return Output(topics.CHECKPOINTS, signer.party.encode(), raw)


def publish_seal_key(statement: bytes, party: str) -> Output:
    """The record for hedx.checkpoints with a party's signed statement of its seal key."""
    return Output(topics.CHECKPOINTS, party.encode(), statement)


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
