"""What a reader of the reference topics starts from: the anchor it was given by hand, and what it has seen since."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.revocation import read_crl
from pipeline.crypto.seal_keys import series_of
from pipeline.crypto.trust import Trust
from pipeline.crypto.trust_log import EMPTY, Point
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import LogHead, RevocationList, TrustEntry

EVERYONE = "all"
"""Audience of what is published to all parties."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a party is given by hand when it joins: beyond it nothing is believed that is not proved.

    `roots`: root and issuing CAs, DER; `head`: the trust log's head as signed by the center; `crl`: DER.
    """

    roots: list[bytes]
    center: TrustEntry
    head: bytes
    crl: bytes

    def revocation_list(self) -> RevocationList:
        """The list with its number. Raises InvalidMessage `crl_invalid`."""
        issuing = Trust(self.roots).issuing
        return RevocationList(number=read_crl(self.crl, issuing).number, crl=self.crl)

    def log_start(self, trust: Trust) -> Point:
        """How far the log is believed, the center's signature verified."""
        head: LogHead = verified(self.head, "checkpoint", "LogHead", trust, CENTER)  # type: ignore[assignment]
        return Point(head["size"], head["root"])


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest of everything that a process has believed, kept over restarts so that no topic can be rolled back.

    `entries`: highest number of each party; `seal_keys`: of each series of seal keys; `release`: highest complete catalog
    release; `revoked`: serial numbers of all certificates that any list revoked, and since when (ms).
    """

    entries: Mapping[str, int] = field(default_factory=dict)
    seal_keys: Mapping[str, int] = field(default_factory=dict)
    center: TrustEntry | None = None
    crl: RevocationList | None = None
    log: Point = EMPTY
    release: int = 0
    revoked: Mapping[int, int] = field(default_factory=dict)

    def merged(self, other: Seen) -> Seen:
        """The newer of both, field by field: several processes may share a file."""
        return Seen(
            _highest(self.entries, other.entries),
            _highest(self.seal_keys, other.seal_keys),
            max(self.center, other.center, key=lambda entry: entry["number"] if entry else 0),
            max(self.crl, other.crl, key=lambda crl: crl["number"] if crl else 0),
            max(self.log, other.log, key=lambda log: log.size),
            max(self.release, other.release),
            {
                serial: min(seen.revoked[serial] for seen in (self, other) if serial in seen.revoked)
                for serial in {*self.revoked, *other.revoked}
            },
        )

    def to_json(self) -> str:
        """Text for a file."""
        return json.dumps(
            {
                "entries": dict(sorted(self.entries.items())),
                "seal_keys": dict(sorted(self.seal_keys.items())),
                "center": _framed("TrustEntry", self.center),
                "crl": _framed("RevocationList", self.crl),
                "log": {"size": self.log.size, "root": self.log.root.hex()},
                "release": self.release,
                "revoked": {str(serial): at for serial, at in sorted(self.revoked.items())},
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Seen:
        """The inverse. Raises ConfigError: a file that cannot be read must not pass for one that says nothing."""
        try:
            held = json.loads(text)
            return cls(
                {str(party): int(number) for party, number in held["entries"].items()},
                {_series(series): int(number) for series, number in held["seal_keys"].items()},
                _unframed("TrustEntry", held["center"]),
                _unframed("RevocationList", held["crl"]),
                Point(int(held["log"]["size"]), bytes.fromhex(held["log"]["root"])),
                int(held["release"]),
                {int(serial): int(at) for serial, at in held.get("revoked", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, InvalidMessage) as error:
            raise ConfigError(f"what was seen before cannot be read ({type(error).__name__})") from None


def trust_of(anchor: Anchor, seen: Seen | None = None) -> Trust:
    """The center as of `anchor`, or as it was seen last, and the newest revocation list: enough to read old proofs."""
    seen = seen or Seen()
    trust = Trust(anchor.roots, [anchor.center], anchor.revocation_list())
    if seen.center is not None:
        trust.update(seen.center)
    held = trust.revocation_list
    if seen.crl is not None and (held is None or seen.crl["number"] > held["number"]):
        trust.revoke(seen.crl)
    trust.remember_revoked(seen.revoked)
    return trust


def verified(raw: bytes, typ: str, name: str, trust: Trust, issuer: str) -> object:
    """What is published stays in force until replaced: verified as of when it was signed, and decoded."""
    at = signed.peek(raw).claims.issued_at
    found = signed.verify(raw, typ, trust, now=at, audience=EVERYONE, issuer=issuer, published=True)
    return framing.decode_as(name, found.payload)


def _highest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {party: max(one.get(party, 0), other.get(party, 0)) for party in {*one, *other}}


def _series(text: str) -> str:
    """Raises ValueError when it is none."""
    party, _, x5t = text.partition("/")
    return series_of(party, bytes.fromhex(x5t))


def _framed(name: str, record: Mapping[str, Any] | None) -> str | None:
    return None if record is None else b64encode(framing.encode(name, record)).decode()


def _unframed(name: str, text: str | None) -> Any:
    return None if text is None else framing.decode_as(name, b64decode(text, validate=True))
