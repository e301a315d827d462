"""Envelopes and relays: one signature over many bundles, each provable by itself."""

from __future__ import annotations

import random
import time
import uuid

import pytest

from pipeline.crypto import cbor, envelopes, merkle, signed
from pipeline.crypto.bundles import SealedBundle, clear_bundle
from pipeline.crypto.envelopes import (
    HARD_LIMIT,
    Envelope,
    VerifiedEnvelope,
    build,
    claimed_issuer,
    clear_headers,
    open_envelope,
    pack,
)
from pipeline.crypto.relay import open_relay, relay_record
from pipeline.crypto.trust import Trust
from pipeline.domain import tracing
from pipeline.domain.errors import InvalidMessage
from tests.unit.crypto.exchange import DAY, NOW, authority, entry, header, identity, receipt, refusal, sealed, trust


def envelope(*bundles: SealedBundle, party: str = "37") -> Envelope:
    return build(bundles or [receipt()], identity(party).signer, audience="center", now=NOW)


def opened(value: bytes, **options: int) -> VerifiedEnvelope:
    return open_envelope(value, trust(), audience="center", now=options.get("now", NOW))


def code(value: bytes, now: int = NOW, trusted: Trust | None = None, audience: str = "center") -> str:
    return refusal(lambda: open_envelope(value, trusted or trust(), audience=audience, now=now))


def many(n: int) -> list[SealedBundle]:
    return [receipt(bytes([i]) * 16, bytes([i])) for i in range(n)]


def test_an_envelope_opens_into_its_bundles() -> None:
    """Id, digest, issuer and bundles are those that were built."""
    made = envelope(*many(5), sealed([b"a", b"b"], bundle_id=b"s" * 16)[0])
    got = opened(made.value)
    assert (got.id, got.digest, got.issuer, got.issued_at) == (made.id, made.digest, "37", NOW)
    assert [bundle.header.bundle_id for bundle in got.bundles[:5]] == [bytes([i]) * 16 for i in range(5)]
    assert got.bundles[5].header.kind == "application"
    assert signed.peek(got.sign1).digest == made.digest


def test_headers_are_cloud_events() -> None:
    """For tools; nothing is trusted from them."""
    made = envelope()
    assert dict(made.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(uuid.UUID(bytes=made.id)).encode(),
        "ce_source": b"urn:hedx:province:37",
        "ce_type": b"hedx/1/envelope",
        "ce_time": b"2027-01-15T08:00:00Z",
        "content-type": b"application/vnd.hedx.envelope+cbor",
        "traceparent": tracing.sent("a7b9e030-8045-4e07-8e07-5e07a7b9e030", "37").header(),
    }


def test_an_envelope_of_one_application_has_its_trace() -> None:
    """Its trace id is the application's; the span is what its first bundle follows, told or by its header."""
    bundle = sealed([b"a"])[0]
    requester, application_id = bundle.header.requester, bundle.header.application_id
    alone = build([bundle], identity("37").signer, audience="center", now=NOW)
    assert tracing.read(alone.headers) == tracing.sent(application_id, requester)
    told = tracing.TraceContext(tracing.trace_of(application_id), b"7" * 8)
    traced = build([bundle], identity("37").signer, audience="center", now=NOW, traces={bundle.leaf: told})
    assert tracing.read(traced.headers) == told


def test_an_envelope_of_several_applications_has_a_trace_of_its_own() -> None:
    """So has one of none: no application's trace is told of what others have in it."""
    other = sealed([b"a"], application_id="4d7d2d4c-7d5b-4f6e-9f0e-2b6f1c1f9a01")[0]
    nobodys = clear_bundle(header("receipt", application_id="", section=0, sections=0), [b"receipt"])
    for bundles in ([receipt(), other], [nobodys], [receipt(), nobodys]):
        made = build(bundles, identity("37").signer, audience="center", now=NOW)
        assert tracing.read(made.headers) == tracing.sealed(made.id)
        assert tracing.sealed(made.id).trace_id == made.id


def test_clear_headers_are_read_without_a_key() -> None:
    """What tools trace by; of what is no envelope there are none, and the refusal says why."""
    made = envelope(*many(2), sealed([b"a", b"b"], bundle_id=b"s" * 16)[0])
    found = clear_headers(made.value)
    assert [one.kind for one in found] == ["receipt", "receipt", "application"]
    assert {one.application_id for one in found} == {"a7b9e030-8045-4e07-8e07-5e07a7b9e030"}
    assert refusal(lambda: clear_headers(b"no envelope")) == "cbor_invalid"
    assert refusal(lambda: clear_headers(bytes(HARD_LIMIT + 1))) == "size"


def test_every_flipped_bit_is_refused() -> None:
    """Header, seal, records, signature, framing: every bit of an envelope is covered, and every refusal has a code."""
    value, trusted = envelope(receipt(), sealed([b"a"], bundle_id=b"s" * 16)[0]).value, trust()
    draw = random.Random(1)
    for at in range(len(value)):
        broken = bytearray(value)
        broken[at] ^= 1 << draw.randrange(8)
        assert code(bytes(broken), trusted=trusted)


def test_every_truncation_is_refused() -> None:
    """The outer CBOR is whole or nothing."""
    value = envelope().value
    assert {code(value[:n]) for n in range(len(value))} == {"cbor_invalid"}
    assert code(value + b"\0") == "cbor_invalid"


def test_a_bundle_dropped_added_or_moved_is_refused() -> None:
    """The root covers which bundles there are and where."""
    sign1, bundles = cbor.loads(envelope(*many(3)).value)
    extra = receipt(b"x" * 16).raw
    for changed in (bundles[:2], [*bundles, extra], [bundles[1], bundles[0], bundles[2]], [*bundles, bundles[2]]):
        assert code(cbor.dumps([sign1, changed])) == "root_mismatch"


def test_order_of_checks() -> None:
    """A value with several faults is refused for the cheapest one, and nothing is read before it is vouched for."""
    junk = clear_bundle(header("receipt", sender="53"), [b"r"])
    forged = envelope(junk).value
    assert code(bytes(HARD_LIMIT + 1)) == "size"
    assert code(forged + b"\0") == "cbor_invalid"
    late = NOW + 20 * DAY
    sign1, _ = cbor.loads(forged)
    unsigned = [sign1[:-1] + bytes([sign1[-1] ^ 1]), [receipt().raw]]
    broken = cbor.dumps(unsigned)
    assert code(broken, audience="53", now=NOW + 2000 * DAY) == "certificate_expired"
    assert code(broken, audience="53", now=late) == "audience_mismatch"
    assert code(broken, now=late) == "expired"
    assert code(broken) == "signature_invalid"
    assert code(cbor.dumps([sign1, [receipt().raw]])) == "root_mismatch"
    assert code(forged) == "sender_mismatch"


def test_what_nobody_has_signed_is_told_from_what_somebody_has() -> None:
    """Up to and with the root a refusal is nobody's; after it, it is the issuer's."""
    forged = envelope(clear_bundle(header("receipt", sender="53"), [b"r"])).value
    sign1, bundles = cbor.loads(forged)
    for value in (
        b"",
        cbor.dumps([sign1[:-1] + bytes([sign1[-1] ^ 1]), bundles]),
        cbor.dumps([sign1, [receipt().raw]]),
    ):
        with pytest.raises(InvalidMessage) as unsigned:
            opened(value)
        assert not unsigned.value.authenticated
    with pytest.raises(InvalidMessage) as signed_by_37:
        opened(forged)
    assert signed_by_37.value.authenticated


def test_a_suspended_party_is_refused() -> None:
    """Rightly signed, not welcome."""
    suspended = Trust(authority().certificates, [entry("37", suspended=True)])
    assert code(envelope().value, trusted=suspended) == "party_suspended"


def test_one_bundle_id_twice_is_refused() -> None:
    """Ids name bundles."""
    assert code(envelope(receipt(record=b"a"), receipt(record=b"b")).value) == "bundle_id_repeated"


def test_another_signed_object_is_no_envelope() -> None:
    """A mandate with an envelope's payload stays a mandate."""
    bundle = receipt()
    payload = envelopes.encode_root(merkle.root([bundle.leaf], merkle.BUNDLE_NODE), 1)
    mandate = signed.sign("mandate", payload, identity("37").signer, audience="center", now=NOW)
    assert code(cbor.dumps([mandate.raw, [bundle.raw]])) == "type_mismatch"


@pytest.mark.parametrize("body", [[], [b""], [b"", []], [b"", [1]], [b"", b""], [None, [b""]], [b"", [b""], b""], 0])
def test_what_is_no_envelope_is_refused(body: object) -> None:
    """[sign1, [+ bundle]]."""
    assert code(cbor.dumps(body)) == "envelope_invalid"


@pytest.mark.parametrize("payload", [{}, {1: bytes(32)}, {1: bytes(31), 2: 1}, {1: bytes(32), 2: 0}, {1: 1, 2: 1}, []])
def test_a_payload_of_another_form_is_refused(payload: object) -> None:
    """{root, count >= 1}."""
    sign1 = signed.sign("envelope", cbor.dumps(payload), identity("37").signer, audience="center", now=NOW)
    assert code(cbor.dumps([sign1.raw, [receipt().raw]])) == "envelope_invalid"


def test_nothing_over_the_hard_limit_is_built() -> None:
    """Nor an empty envelope."""
    with pytest.raises(ValueError):
        envelope(receipt(record=bytes(HARD_LIMIT)))
    with pytest.raises(ValueError):
        build([], identity("37").signer, audience="center", now=NOW)


def test_packing_keeps_order_and_limit() -> None:
    """Greedy by size; what is larger than the limit travels alone."""
    sizes = [4000, 4000, 100, 9000, 20_000, 10, 10]
    bundles = [receipt(bytes([i]) * 16, bytes(size)) for i, size in enumerate(sizes)]
    packed = pack(bundles, 10_000)
    assert [bundle for group in packed for bundle in group] == bundles
    assert [len(group) for group in packed] == [3, 1, 1, 2]
    for group in packed:
        assert len(envelope(*group).value) <= 10_000 or len(group) == 1
    assert pack([]) == []


def provider_envelope() -> VerifiedEnvelope:
    bundles = [clear_bundle(header("receipt", sender="53", bundle_id=bytes([i]) * 16), [b"r"]) for i in range(5)]
    return opened(envelope(*bundles, party="53").value)


def test_a_relayed_bundle_proves_its_maker() -> None:
    """Each bundle of an envelope, lifted out, with the envelope's signature and its path."""
    source = provider_envelope()
    for bundle in source.bundles:
        got = open_relay(relay_record(source.sign1, bundle.raw, *bundle.proof()), trust(), now=NOW)
        assert (got.issuer, got.issued_at) == ("53", NOW)
        assert (got.bundle.raw, got.bundle.leaf, got.bundle.header) == (bundle.raw, bundle.leaf, bundle.header)


def test_a_relay_that_lies_is_refused() -> None:
    """About the bundle, its place, the size of the tree, the path or the signer."""
    source = provider_envelope()
    bundle = source.bundles[2]
    index, size, path = bundle.proof()

    def lie(sign1: bytes, raw: bytes, index: int, size: int, path: list[bytes], audience: str = "center") -> str:
        record = relay_record(sign1, raw, index, size, path)
        return refusal(lambda: open_relay(record, trust(), now=NOW, audience=audience))

    assert lie(source.sign1, source.bundles[1].raw, index, size, path) == "root_mismatch"
    assert lie(source.sign1, bundle.raw, index + 1, size, path) == "root_mismatch"
    assert lie(source.sign1, bundle.raw, index, size + 1, path) == "root_mismatch"
    assert lie(source.sign1, bundle.raw, index, size, path[::-1]) == "root_mismatch"
    assert lie(source.sign1, bundle.raw, index, size, [*path, bytes(32)]) == "path_invalid"
    assert lie(source.sign1, bundle.raw, index, size, path[:-1]) == "path_invalid"
    assert lie(source.sign1, bundle.raw, size, size, path) == "path_invalid"
    assert lie(source.sign1, bundle.raw, index, size, path, audience="37") == "audience_mismatch"
    assert lie(source.sign1[:-1] + bytes([source.sign1[-1] ^ 1]), bundle.raw, index, size, path) == "signature_invalid"
    assert lie(opened(envelope(party="37").value).sign1, bundle.raw, index, size, path) == "root_mismatch"


def test_a_bundle_in_anothers_name_is_refused_in_a_relay_too() -> None:
    """37 signs an envelope with a bundle from 53."""
    bundle = clear_bundle(header("receipt", sender="53"), [b"r"])
    sign1, bundles = cbor.loads(envelope(bundle).value)
    assert refusal(lambda: open_relay(relay_record(sign1, bundles[0], 0, 1, []), trust(), now=NOW)) == "sender_mismatch"


@pytest.mark.parametrize("body", [[], [b"", b"", 0, 1], [b"", b"", b"", 1, []], [b"", b"", 0, 1, b""], {}])
def test_what_is_no_relay_record_is_refused(body: object) -> None:
    """[sign1, bundle, index, size, path]."""
    assert refusal(lambda: open_relay(cbor.dumps(body), trust(), now=NOW)) == "relay_invalid"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (cbor.head(4, 2) + b"\x41a" + cbor.head(4, 900_000) + b"\x40" * 900_000, "envelope_invalid"),
        (cbor.head(4, 2) + cbor.head(4, 900_000) + b"\x40" * 900_000 + b"\x80", "envelope_invalid"),
        (cbor.head(4, 900_000) + b"\x40" * 900_000, "envelope_invalid"),
        (cbor.dumps([cbor.head(4, 800_000) + b"\x40" * 800_000, [b"b"]]), "size"),
        (cbor.dumps([]), "envelope_invalid"),
        (cbor.dumps([b"", []]), "envelope_invalid"),
        (cbor.dumps([[], [b""]]), "envelope_invalid"),
    ],
)
def test_what_nobody_signed_is_not_read_item_by_item(value: bytes, name: str) -> None:
    """Items of one byte cost as much to read as large ones: their number is bounded before anything is read."""
    started = time.process_time()
    assert code(value) == name
    assert time.process_time() - started < 0.05


def test_the_claimed_issuer_is_found_without_reading() -> None:
    """Of every party's envelopes; and nothing else passes for one, cut anywhere or made up."""
    for party in ("37", "53", "center"):
        made = build([receipt()], identity(party).signer, audience="center", now=NOW).value
        assert claimed_issuer(made) == party
        assert {claimed_issuer(made[:n]) for n in range(len(made))} <= {None, party}
    for junk in (
        b"",
        b"\x0f\xa5\x01",
        b"\x0f\xa5\x01\x62",
        b"\x0f\xa5\x01\x6299",
        b"\x0f\xa5\x01\xff37",
        b"\x0f\xa5\x01\x00",
        bytes(99),
    ):
        assert claimed_issuer(junk) is None
