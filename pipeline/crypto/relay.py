"""Relay: how the center hands a provider's bundle on, unread and unaltered, with the proof of who made it.

A record of a relay bundle is `CBOR [sign1, bundle, index, size, [* path]]`: the signature of the provider's envelope, one
bundle of it, and the way from that bundle's leaf to the signed root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.crypto import cbor, envelopes, merkle, signed
from pipeline.crypto.bundles import Bundle, interpret, split
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage


@dataclass(frozen=True, slots=True)
class RelayedBundle:
    """A provider's bundle, proved. `issued_at`: ms; `bundle.index` is 0, for its siblings are not here."""

    issuer: str
    bundle: Bundle
    issued_at: int


def relay_record(sign1: bytes, bundle_raw: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The record that relays one bundle of a provider's envelope."""
    return cbor.dumps([sign1, bundle_raw, index, size, list(path)])


def open_relay(record: bytes, trust: Trust, *, now: int, audience: str = "center") -> RelayedBundle:
    """Verify the provider's signature and the bundle's place under it, then read the header.

    `now` (ms): when the provider's envelope must have been in force, e.g. when the center received it. That the bundle is
    for the reader and under its mandate is for the caller to check. Raises InvalidMessage: those of `signed.verify`,
    `split`, `interpret` and `verify_path`, and `relay_invalid`, `root_mismatch` or `sender_mismatch`.
    """
    match cbor.loads(record, 2):
        case [bytes() as sign1, bytes() as raw, int() as index, int() as size, list() as path]:
            pass
        case _:
            raise InvalidMessage("relay_invalid", "not [sign1, bundle, index, size, path]")
    signature = signed.authenticate(sign1, envelopes.TYPE, trust, now)
    parts = split(raw)
    root = merkle.verify_path(parts.leaf, index, size, path, merkle.BUNDLE_NODE)
    if envelopes.decode_root(signature.payload) != (root, size):
        raise InvalidMessage("root_mismatch")
    signed.check_claims(signature.claims, now=now, audience=audience)
    bundle = interpret(parts, 0, [parts.leaf])
    if bundle.header.sender != signature.claims.issuer:
        raise InvalidMessage("sender_mismatch", "from is not the envelope's issuer")
    return RelayedBundle(signature.claims.issuer, bundle, signature.claims.issued_at)
