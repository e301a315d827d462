"""Envelopes: one Kafka message, one signature over a tree of bundles. `value = CBOR [sign1: bstr, [+ bundle: bstr]]`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.crypto import cbor, cose, merkle, signed
from pipeline.crypto.bundles import Bundle, Parts, SealedBundle, header_of, interpret, split
from pipeline.crypto.certificates import uri_of
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Signer
from pipeline.crypto.trust import Trust
from pipeline.domain import tracing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES
from pipeline.domain.tracing import TraceContext

SOFT_LIMIT = 512 * 1024
HARD_LIMIT = 900 * 1024
TYPE = "envelope"
CONTENT_TYPE = b"application/vnd.hedx.envelope+cbor"
_OVERHEAD = 512  # room for the sign1 and the outer arrays
MAX_SIGN1 = 1024
"""Bytes of an envelope's signature at most; it has some 320."""
LEAST_BUNDLE = 64
"""Bytes that no bundle is below: its header alone has a hundred."""
_ISSUER = bytes((cose.CWT_CLAIMS,)) + cbor.head(5, 5) + bytes((cose.ISS,))
"""What stands before the issuer in a protected header, which has one encoding: the claims' label, a map of five, its first key."""
_ISSUER_WITHIN = 64
_PARTIES = [(cbor.dumps(party), party) for party in (CENTER, MINISTRY, *PROVINCES)]
_PER_BUNDLE = 5  # a byte string's head


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope to send. `id` (UUIDv7, 16 bytes) is cti and Kafka key; `headers` are unsigned hints for tools."""

    id: bytes
    value: bytes
    digest: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class VerifiedEnvelope:
    """An envelope whose signature, root, audience, time and headers hold. Times in ms."""

    id: bytes
    issuer: str
    digest: bytes
    sign1: bytes
    issued_at: int
    expires_at: int
    bundles: list[Bundle]


def build(
    bundles: Sequence[SealedBundle],
    signer: Signer,
    *,
    audience: str,
    now: int,
    cti: bytes | None = None,
    traces: Mapping[bytes, TraceContext] | None = None,
) -> Envelope:
    """Sign `bundles` (one or more) into an envelope. Raises ValueError when it is empty or over the hard limit.

    `traces`: leaf → the span a bundle follows, where its header does not tell.
    """
    if not bundles:
        raise ValueError("an envelope has one bundle or more")
    root = merkle.root([bundle.leaf for bundle in bundles], merkle.BUNDLE_NODE)
    payload = encode_root(root, len(bundles))
    sign1 = signed.sign(TYPE, payload, signer, audience=audience, now=now, cti=cti)
    value = cbor.head(4, 2) + cbor.dumps(sign1.raw) + cbor.byte_strings([bundle.raw for bundle in bundles])
    if len(value) > HARD_LIMIT:
        raise ValueError(f"envelope of {len(value)} bytes")
    headers = (*_cloud_event(signer.party, sign1), *_trace(bundles, sign1.cti, traces or {}).headers())
    return Envelope(sign1.cti, value, sign1.digest, headers)


def open_envelope(value: bytes, trust: Trust, *, audience: str, now: int) -> VerifiedEnvelope:
    """Verify an envelope and read its headers, in the order of docs/envelope.md: the cheap before the dear.

    Replay and policy are the caller's next steps, then `open_records`. Raises InvalidMessage: those of
    `signed.verify`, `split` and `interpret`, and `size`, `envelope_invalid`, `party_suspended`, `root_mismatch`,
    `sender_mismatch` or `bundle_id_repeated`. It is not `authenticated` up to and with the root.
    """
    try:
        # 1. Size.
        if len(value) > HARD_LIMIT:
            raise InvalidMessage("size", f"{len(value)} bytes")
        # 2. Outer CBOR.
        sign1, raws = _outer(value)
        # 3. Certificate, 4. audience and time, 5. signature.
        authentic = signed.authenticate_current(sign1, TYPE, trust, now, audience=audience)
        # 6. The root, over the bundles as they came.
        parts = [split(raw) for raw in raws]
        leaves = [part.leaf for part in parts]
        if decode_root(authentic.payload) != (merkle.root(leaves, merkle.BUNDLE_NODE), len(leaves)):
            raise InvalidMessage("root_mismatch")
    except InvalidMessage as error:
        error.authenticated = False
        raise
    claims = authentic.claims
    if trust.suspended(claims.issuer):
        raise InvalidMessage("party_suspended", claims.issuer)
    # 7. Headers.
    bundles = _interpret(parts, leaves, claims.issuer)
    return VerifiedEnvelope(
        claims.cti,
        claims.issuer,
        authentic.digest,
        sign1,
        claims.issued_at,
        claims.expires_at,
        bundles,
    )


def claimed_issuer(value: bytes) -> str | None:
    """Who an envelope says it is from, nothing verified: for logs, counts and order. None unless that is a party's code.

    Not read but looked for, where every envelope has it: among 10,000 bad ones a second, reading would cost a third of a core.
    """
    at = value.find(_ISSUER, 0, _ISSUER_WITHIN)
    if at < 0:
        return None
    start = at + len(_ISSUER)
    return next((party for text, party in _PARTIES if value.startswith(text, start)), None)


def clear_headers(value: bytes) -> list[Header]:
    """The bundles' headers of an envelope, nothing verified: for tools that trace where messages lie.

    Raises InvalidMessage `size`, `envelope_invalid`, `header_invalid` or `cbor_invalid`.
    """
    if len(value) > HARD_LIMIT:
        raise InvalidMessage("size", f"{len(value)} bytes")
    return [header_of(raw) for raw in _outer(value)[1]]


def pack(bundles: Sequence[SealedBundle], limit: int = SOFT_LIMIT) -> list[list[SealedBundle]]:
    """Split bundles, in order, into as many envelopes as `limit` bytes ask for; one over the limit travels alone."""
    envelopes: list[list[SealedBundle]] = []
    free = 0
    for bundle in bundles:
        size = len(bundle.raw) + _PER_BUNDLE
        if not envelopes or size > free:
            envelopes.append([])
            free = limit - _OVERHEAD
        envelopes[-1].append(bundle)
        free -= size
    return envelopes


def encode_root(root: bytes, count: int) -> bytes:
    """The payload of an envelope's signature: `{1: root, 2: count}`."""
    return cbor.dumps({1: root, 2: count})


def decode_root(payload: bytes) -> tuple[bytes, int]:
    """(root, count) from an envelope's payload. Raises InvalidMessage `envelope_invalid` or `cbor_invalid`."""
    match cbor.loads(payload, 1):
        case {1: bytes() as root, 2: int() as count, **others} if not others and len(root) == 32 and count >= 1:
            return root, count
    raise InvalidMessage("envelope_invalid", "payload is not {root, count}")


def _outer(value: bytes) -> tuple[bytes, list[bytes]]:
    """The signature and the bundles. Nobody has vouched for a byte of it yet, so what reading it costs is bounded first."""
    outer, bundles = cbor.array_sizes(value, 1)
    if len(value) > MAX_SIGN1 and (outer != 2 or not bundles or bundles * LEAST_BUNDLE > len(value)):
        raise InvalidMessage("envelope_invalid", "not [sign1, [+ bundle]], or more bundles than there can be")
    match cbor.loads(value, 2):
        case [bytes() as sign1, [_, *_] as raws] if all(type(raw) is bytes for raw in raws):
            if len(sign1) > MAX_SIGN1:
                raise InvalidMessage("size", f"sign1 of {len(sign1)} bytes")
            return sign1, raws
    raise InvalidMessage("envelope_invalid", "not [sign1, [+ bundle]]")


def _interpret(parts: Sequence[Parts], leaves: Sequence[bytes], issuer: str) -> list[Bundle]:
    bundles = [interpret(part, index, leaves) for index, part in enumerate(parts)]
    if any(bundle.header.sender != issuer for bundle in bundles):
        raise InvalidMessage("sender_mismatch", "from is not the envelope's issuer")
    if len({bundle.header.bundle_id for bundle in bundles}) != len(bundles):
        raise InvalidMessage("bundle_id_repeated")
    return bundles


def _cloud_event(party: str, sign1: signed.SignedObject) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents 1.0, Kafka binding, binary mode."""
    time = datetime.fromtimestamp(sign1.issued_at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(uuid.UUID(bytes=sign1.cti)).encode()),
        ("ce_source", uri_of(party).encode()),
        ("ce_type", b"hedx/1/envelope"),
        ("ce_time", time.encode()),
        ("content-type", CONTENT_TYPE),
    )


def _trace(bundles: Sequence[SealedBundle], cti: bytes, traces: Mapping[bytes, TraceContext]) -> TraceContext:
    """The span of the application that an envelope carries; of several, or of none, a trace of the envelope's own."""
    first = bundles[0].header
    if not first.application_id or any(bundle.header.application_id != first.application_id for bundle in bundles):
        return tracing.sealed(cti)
    known = traces.get(bundles[0].leaf)
    return known or tracing.of_bundle(first.kind, first.application_id, first.section, first.requester, first.provider)
