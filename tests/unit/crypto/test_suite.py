"""Suite 1's primitives against published vectors and the plain library calls."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import suite
from tests.unit.crypto.exchange import refusal, stream


@given(st.binary(max_size=64), st.binary(max_size=200))
def test_keyed_hmac_equals_hmac(key: bytes, data: bytes) -> None:
    """The fast form with a fixed key gives HMAC-SHA-256."""
    expected = hmac.new(key, data, "sha256").digest()
    assert suite.hmac_under(key)(data) == expected == suite.hmac(key, data)


def test_keyed_hmac_can_be_called_again() -> None:
    """One call leaves nothing behind for the next."""
    keyed = suite.hmac_under(bytes(32))
    assert keyed(b"a") == keyed(b"a") != keyed(b"b")


def test_keyed_hmac_takes_no_key_longer_than_a_block() -> None:
    """Such keys would have to be hashed first; we have none."""
    with pytest.raises(ValueError):
        suite.hmac_under(bytes(65))


def test_hmac_is_that_of_rfc_4231() -> None:
    """Test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert suite.hmac(b"Jefe", b"what do ya want for nothing?").hex() == expected


def test_agreement_is_that_of_rfc_5903() -> None:
    """Section 8.1, 256-bit random ECP group."""
    i = 0xC88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433
    public = "04D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF6356FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"
    shared = "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"
    private = ec.derive_private_key(i, ec.SECP256R1())
    assert suite.agree(private, suite.from_point(bytes.fromhex(public))).hex().upper() == shared


@given(st.integers(0, 63), st.integers(0, 7))
def test_a_signature_with_a_flipped_bit_is_refused(byte: int, bit: int) -> None:
    """Every bit of r and s counts."""
    key = suite.generate_key(stream("signature"))
    signature = bytearray(suite.sign(key, b"data"))
    suite.verify(key.public_key(), bytes(signature), b"data")
    signature[byte] ^= 1 << bit
    assert refusal(lambda: suite.verify(key.public_key(), bytes(signature), b"data")) == "signature_invalid"


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64])
def test_a_signature_out_of_range_is_refused(signature: bytes) -> None:
    """Zero, over-long and over-large signatures."""
    key = suite.generate_key(stream("range"))
    assert refusal(lambda: suite.verify(key.public_key(), signature, b"data")) == "signature_invalid"


@pytest.mark.parametrize(
    "point",
    [
        b"",
        b"\x00",
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        b"\x02" + suite.point(suite.generate_key(stream("point")).public_key())[1:33],
        suite.point(suite.generate_key(stream("point")).public_key())[:-1] + b"\x00",
    ],
    ids=["empty", "infinity", "zero", "over the field", "compressed", "off the curve"],
)
def test_a_point_that_is_none_is_refused(point: bytes) -> None:
    """Only uncompressed points on P-256 become keys."""
    assert refusal(lambda: suite.from_point(point)) == "key_off_curve"


def test_keys_come_from_the_entropy_given() -> None:
    """Vectors can be made again; two draws differ."""
    first, again, other = (suite.point(suite.generate_key(stream(s)).public_key()) for s in ("a", "a", "b"))
    assert first == again != other


def test_data_too_short_for_a_tag_does_not_decrypt() -> None:
    """A ciphertext shorter than its tag is refused like any forged one."""
    assert refusal(lambda: suite.aead_decrypt(bytes(32), b"", b"short")) == "decrypt_failed"
