"""Bundles: one key a record, committed; padding that tells nothing; nothing opened that was touched."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import bundles, cbor, suite
from pipeline.crypto.bundles import clear_bundle, open_record, open_records, padded_size, parse_bundle, seal_bundle
from pipeline.crypto.headers import Header
from tests.unit.crypto.exchange import header, refusal, sealed

HEADS = (b"warrant" * 100, b"section head")
PERSONS = [b"person one", b"", b"person three\0\0"]


def tampered(records: list[bytes] | None = None, head: Header | None = None) -> tuple[bundles.Bundle, bytes]:
    """A sealed bundle of PERSONS with records or header replaced after sealing."""
    made, secret = sealed(PERSONS)
    header_bytes, seal, kept = cbor.loads(made.raw)
    raw = cbor.dumps([head.encode() if head else header_bytes, seal, kept if records is None else records])
    return parse_bundle(raw), secret


def records() -> tuple[list[bytes], bytes, bytes]:
    """(records, BK, header digest) of a sealed bundle of PERSONS."""
    made, secret = sealed(PERSONS)
    bundle = parse_bundle(made.raw)
    return bundle.records, bundles.bundle_key(secret, bundle.header_digest), bundle.header_digest


@given(
    st.lists(st.binary(max_size=700), min_size=1, max_size=12), st.booleans(), st.sampled_from(["request", "answer"])
)
def test_what_was_sealed_opens(persons: list[bytes], with_heads: bool, kind: str) -> None:
    """All records come back, in order, from any start to any stop."""
    made, secret = sealed(persons, heads=HEADS if with_heads else (), kind=kind)
    bundle = parse_bundle(made.raw)
    expected = [*(HEADS if with_heads else ()), *persons]
    assert open_records(bundle, secret) == expected
    assert open_records(bundle, secret, 1, 2) == expected[1:2]
    assert bundle.header == made.header
    assert (bundle.leaf, len(bundle.records)) == (made.leaf, made.count)
    assert bundle.header.count == len(persons)


def test_header_is_read_without_the_rest() -> None:
    """What was verified before can be routed by its header alone; other bytes give no header."""
    made, _ = sealed(PERSONS)
    assert bundles.header_of(made.raw) == made.header
    assert refusal(lambda: bundles.header_of(cbor.dumps([1, None, []]))) == "bundle_invalid"


def test_persons_have_one_size_and_heads_their_own() -> None:
    """Padding hides each person's size without growing it to the mandate's."""
    made, _ = sealed(PERSONS, heads=HEADS)
    sizes = list(map(len, parse_bundle(made.raw).records))
    assert len(set(sizes[2:])) == 1
    assert sizes[0] > sizes[2] == sizes[1]


@pytest.mark.parametrize(
    ("kind", "longest", "expected"),
    [
        ("request", 0, 128),
        ("request", 124, 128),
        ("request", 125, 256),
        ("application", 5000, 5120),
        ("answer", 0, 512),
        ("answer", 508, 512),
        ("answer", 509, 1024),
        ("answer", 1021, 2048),
        ("answer", 2045, 4096),
        ("answer", 4092, 4096),
        ("answer", 4093, 8192),
        ("answer", 8189, 12288),
    ],
)
def test_padded_size(kind: str, longest: int, expected: int) -> None:
    """The steps of the specification; the length prefix counts."""
    assert padded_size(kind, longest) == expected


def test_a_record_that_does_not_fit_is_an_error() -> None:
    """The sender chose `padded` too small."""
    with pytest.raises(ValueError):
        sealed([bytes(125)], padded=128)


def test_what_travels_in_clear_is_not_sealed_and_the_reverse() -> None:
    """The kind decides."""
    with pytest.raises(ValueError):
        clear_bundle(header("answer"), [b"answer"])
    with pytest.raises(ValueError):
        seal_bundle(header("receipt"), [b"receipt"], bytes(32), b"")


def test_a_clear_bundle_comes_back() -> None:
    """Receipts and the like are their own proof; a refusal may have no records at all."""
    bundle = parse_bundle(clear_bundle(header("receipt"), [b"a", b"bc"]).raw)
    assert (bundle.records, bundle.seal, bundle.header.count) == ([b"a", b"bc"], None, 2)
    refused = header("answer", outcome="refused", code="not_covered", members=b"\x03")
    assert parse_bundle(clear_bundle(refused, []).raw).header == refused


def test_a_swapped_commitment_is_refused_before_decryption() -> None:
    """kc of one record with the ciphertext of another."""
    made, bundle_key, digest = records()
    first, second = cbor.loads(made[0]), cbor.loads(made[1])
    mixed = cbor.dumps([first[0], second[1]])
    key = suite.hmac(bundle_key, b"record" + bytes(4))
    assert open_record(made[0], 0, key, digest, 128) == PERSONS[0]
    assert refusal(lambda: open_record(mixed, 0, key, digest, 128)) == "decrypt_failed"
    assert refusal(lambda: open_record(cbor.dumps([second[0], first[1]]), 0, key, digest, 128)) == (
        "key_commitment_mismatch"
    )


def test_kc_swapped_with_the_ciphertext_is_refused() -> None:
    """The fields have their places."""
    made, bundle_key, digest = records()
    kc, ciphertext = cbor.loads(made[0])
    key = suite.hmac(bundle_key, b"record" + bytes(4))
    assert refusal(lambda: open_record(cbor.dumps([ciphertext, kc]), 0, key, digest, 128)) == "record_invalid"


def test_reordered_records_are_refused() -> None:
    """Each key belongs to a position."""
    made, secret = sealed(PERSONS)
    header_bytes, seal, kept = cbor.loads(made.raw)
    bundle = parse_bundle(cbor.dumps([header_bytes, seal, kept[::-1]]))
    assert refusal(lambda: open_records(bundle, secret)) == "key_commitment_mismatch"


def test_a_changed_header_opens_nothing() -> None:
    """Keys derive from the header's digest."""
    bundle, secret = tampered(head=header(to="53", count=3, padded=128))
    assert refusal(lambda: open_records(bundle, secret)) == "key_commitment_mismatch"


def test_another_secret_opens_nothing() -> None:
    """Nor is it told by a garbled plaintext."""
    bundle, _ = tampered()
    assert refusal(lambda: open_records(bundle, bytes(32))) == "key_commitment_mismatch"


@given(st.data())
def test_a_flipped_bit_in_a_record_is_refused(data: st.DataObject) -> None:
    """Whichever bit, with the code of the step that finds it."""
    made, bundle_key, digest = records()
    at = data.draw(st.integers(0, len(made[0]) * 8 - 1))
    broken = bytearray(made[0])
    broken[at // 8] ^= 1 << at % 8
    key = suite.hmac(bundle_key, b"record" + bytes(4))
    expected = "record_invalid"
    if 3 <= at // 8 < 35:
        expected = "key_commitment_mismatch"
    elif at // 8 >= 37:
        expected = "decrypt_failed"
    assert refusal(lambda: open_record(bytes(broken), 0, key, digest, 128)) == expected


@pytest.mark.parametrize(
    "plaintext",
    [
        b"\0\0\0\x01" + b"ab" + bytes(122),
        b"\0\0\0\x01" + b"a" + bytes(122) + b"\x01",
        b"\0\0\0\x7d" + bytes(124),
        b"\xff\xff\xff\xff" + bytes(124),
        bytes(256),
        bytes(127),
        b"",
    ],
    ids=[
        "length short by one",
        "last byte set",
        "length over by one",
        "length absurd",
        "two steps",
        "no step",
        "empty",
    ],
)
def test_wrong_padding_is_refused(plaintext: bytes) -> None:
    """Rightly encrypted, wrongly padded."""
    key, digest = bytes(32), bytes(32)
    ciphertext = suite.aead_encrypt(key, digest + bytes(4), plaintext)
    record = cbor.dumps([suite.H(b"\x06" + key), ciphertext])
    assert refusal(lambda: open_record(record, 0, key, digest, 128)) == "padding_invalid"


@pytest.mark.parametrize("size", [128, 256, 70_016])
def test_a_head_may_have_any_multiple_of_128(size: int) -> None:
    """Heads are padded each on its own; large ones have a longer CBOR head."""
    key, digest, plaintext = bytes(32), bytes(32), b"\0\0\0\x01a".ljust(size, b"\0")
    record = cbor.dumps([suite.H(b"\x06" + key), suite.aead_encrypt(key, digest + bytes(4), plaintext)])
    assert open_record(record, 0, key, digest, None) == b"a"


@pytest.mark.parametrize("record", [b"", b"\x82", cbor.dumps([b"", b""]), cbor.dumps([bytes(32)]), bytes(60)])
def test_what_is_no_record_is_refused(record: bytes) -> None:
    """Before any key is tried."""
    assert refusal(lambda: open_record(record, 0, bytes(32), bytes(32), 128)) == "record_invalid"


@pytest.mark.parametrize(
    "body", [[], [b"", None], [b"", None, [1]], [b"", 1, []], [None, None, []], {}, [b"", b"", b""]]
)
def test_what_is_no_bundle_is_refused(body: object) -> None:
    """Header, seal, records."""
    assert refusal(lambda: parse_bundle(cbor.dumps(body))) == "bundle_invalid"


def test_the_header_is_held_against_the_records() -> None:
    """Count, seal, suite and sizes must be what the header says."""
    made, _ = sealed(PERSONS)
    _, seal, kept = cbor.loads(made.raw)
    head = made.header

    def code(head: Header, seal: bytes | None, kept: list[bytes]) -> str:
        return refusal(lambda: parse_bundle(cbor.dumps([head.encode(), seal, kept])))

    assert code(head, seal, kept[:-1]) == "count_mismatch"
    assert code(replace(head, count=0), seal, kept) == "count_mismatch"
    assert code(replace(head, kind="receipt", count=2, padded=0), None, kept) == "count_mismatch"
    assert code(head, None, kept) == "seal_missing"
    assert code(replace(head, kind="receipt"), seal, kept) == "seal_unexpected"
    assert code(replace(head, suite=2), seal, kept) == "suite_unknown"
    assert code(replace(head, padded=256), seal, kept) == "size_mismatch"
    assert code(replace(head, padded=130), seal, kept) == "size_mismatch"
    assert code(head, seal, [*kept[:-1], kept[-1] + b"\0"]) == "size_mismatch"


def test_the_bytes_depend_on_the_secret_only() -> None:
    """Sealing again under the same secret and header gives the same bytes, as re-sends and vectors need."""
    first = seal_bundle(header(), PERSONS, b"s" * 32, b"seal", heads=HEADS)
    assert first == seal_bundle(header(), PERSONS, b"s" * 32, b"seal", heads=HEADS)
    assert first.leaf != seal_bundle(header(), PERSONS, b"s" * 32, b"other", heads=HEADS).leaf


@pytest.mark.parametrize(
    "raw",
    [
        cbor.dumps([b"h" * 100, None]),
        cbor.head(4, 3) + cbor.dumps(b"h" * 100) + b"\xf6" + cbor.head(4, 800_000) + b"\x40" * 800_000,
        cbor.head(4, 3) + cbor.head(4, 800_000) + b"\x40" * 800_000 + b"\xf6\x80",
        cbor.head(4, 1 << 40) + b"\x40" * 100,
    ],
)
def test_a_bundle_of_countless_items_is_refused_unread(raw: bytes) -> None:
    """A record of one byte costs as much to read and hash as one of a kilobyte: their number is bounded by the bytes."""
    started = time.process_time()
    assert refusal(lambda: bundles.split(raw)) == "bundle_invalid"
    assert time.process_time() - started < 0.05
