"""Seals: for their recipients only, bound to their sender, refused when touched."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.crypto import cbor, sealing, suite
from pipeline.crypto.keys import SealingKey
from pipeline.crypto.sealing import SealCache, new_seal, unseal
from pipeline.crypto.vault import LocalVault
from tests.unit.crypto.exchange import refusal, stream

KEY = SealingKey.generate(stream("recipient"))
OTHER = SealingKey.generate(stream("other"))


def edited(seal: bytes, path: list[Any], value: object) -> bytes:
    """The seal with the value at `path` replaced."""
    body = cbor.loads(seal)
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return cbor.dumps(body)


def test_each_recipient_unseals_the_same_secret() -> None:
    """Results may be sealed to the requester and, in the open, to the center."""
    secret, seal = new_seal("37", [KEY.public, OTHER.public])
    assert len(secret) == 32
    assert unseal(seal, "37", KEY) == unseal(seal, "37", OTHER) == secret


def test_a_seal_for_one_has_232_bytes() -> None:
    """The size that the design counts with."""
    assert len(new_seal("37", [KEY.public])[1]) == 232


def test_nobody_else_unseals() -> None:
    """The kid says so before any key agreement."""
    assert refusal(lambda: unseal(new_seal("37", [OTHER.public])[1], "37", KEY)) == "not_a_recipient"


def test_a_seal_is_bound_to_its_sender() -> None:
    """Another party cannot pass it off as its own."""
    assert refusal(lambda: unseal(new_seal("37", [KEY.public])[1], "53", KEY)) == "unseal_failed"


def test_a_recipient_renamed_does_not_unseal() -> None:
    """The kid is part of the key derivation."""
    _, seal = new_seal("37", [OTHER.public])
    protected = cbor.dumps({1: sealing.ECDH_ES_A256KW, 4: KEY.kid})
    assert refusal(lambda: unseal(edited(seal, [3, 0, 0], protected), "37", KEY)) == "unseal_failed"


def test_every_flipped_bit_is_refused() -> None:
    """With a code, never with another exception."""
    _, seal = new_seal("37", [KEY.public])
    codes = set()
    for at in range(len(seal) * 8):
        broken = bytearray(seal)
        broken[at // 8] ^= 1 << at % 8
        codes.add(refusal(lambda broken=broken: unseal(bytes(broken), "37", KEY)))  # type: ignore[misc]
    assert codes == {"cbor_invalid", "seal_invalid", "not_a_recipient", "key_off_curve", "unseal_failed"}


def test_an_ephemeral_point_off_the_curve_is_refused() -> None:
    """Else its answer would leak the private key bit by bit."""
    _, seal = new_seal("37", [KEY.public])
    assert refusal(lambda: unseal(edited(seal, [3, 0, 1, -1, -3], bytes(32)), "37", KEY)) == "key_off_curve"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ([0], cbor.dumps({1: 1})),
        ([0], b""),
        ([1], {}),
        ([1, 99], 0),
        ([1, 5], bytes(11)),
        ([3], []),
        ([3], [0] * 5),
        ([3, 0, 1, 99], 0),
        ([3, 0, 1, -1, 99], 0),
        ([3, 0, 1, -1, -2], bytes(31)),
        ([3, 0, 1, -1, -3], bytes(33)),
        ([3, 0, 2], None),
        ([3, 0, 2], bytes(24)),
        ([2], bytes(32)),
    ],
)
def test_a_seal_off_the_profile_is_refused(path: list[Any], value: object) -> None:
    """One form only."""
    _, seal = new_seal("37", [KEY.public])
    assert refusal(lambda: unseal(edited(seal, path, value), "37", KEY)) == "seal_invalid"


@pytest.mark.parametrize(("path", "value"), [([3, 0, 1, -1, 1], 1), ([3, 0, 1, -1, -1], 2), ([3, 0], 0)])
def test_a_recipient_of_another_form_is_none(path: list[Any], value: object) -> None:
    """Key type and curve are fixed."""
    _, seal = new_seal("37", [KEY.public])
    assert refusal(lambda: unseal(edited(seal, path, value), "37", KEY)) == "not_a_recipient"


def test_an_oversized_seal_is_refused_unread() -> None:
    """A seal has a few hundred bytes."""
    assert refusal(lambda: unseal(bytes(2000), "37", KEY)) == "size"


def test_the_largest_seal_fits_the_bound() -> None:
    """Four recipients unseal."""
    secret, seal = new_seal("37", [OTHER.public, OTHER.public, OTHER.public, KEY.public])
    assert len(seal) <= sealing.MAX_SEAL_SIZE
    assert unseal(seal, "37", KEY) == secret


@pytest.mark.parametrize("count", [0, 5])
def test_a_seal_has_one_to_four_recipients(count: int) -> None:
    """The sender's mistake is an error at once."""
    with pytest.raises(ValueError):
        new_seal("37", [KEY.public] * count)


def test_seals_are_reproducible_from_their_entropy_and_fresh_without() -> None:
    """For vectors; and no two seals share a secret."""
    assert new_seal("37", [KEY.public], stream("x")) == new_seal("37", [KEY.public], stream("x"))
    first, second = new_seal("37", [KEY.public]), new_seal("37", [KEY.public])
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_the_cache_gives_the_same_secret_and_stays_bounded() -> None:
    """A seal repeated is unsealed once; the sender is still checked."""
    cache = SealCache(KEY, size=2)
    secret, seal = new_seal("37", [KEY.public])
    assert cache.unseal(seal, "37") == cache.unseal(seal, "37") == secret
    assert refusal(lambda: cache.unseal(seal, "53")) == "unseal_failed"
    for _ in range(5):
        cache.unseal(new_seal("37", [KEY.public])[1], "37")
    assert len(cache._secrets) == 2
    assert cache.unseal(seal, "37") == secret


def test_locked_keys_are_their_owners_only() -> None:
    """An application's keys open under the party's encrypt key and under no other."""
    keys, locked = LocalVault(KEY).create()
    again = LocalVault(KEY).open(locked)
    assert (again.reply_key.point, again.data_key) == (keys.reply_key.point, keys.data_key)
    assert again.unsealer.holds(keys.reply_key.kid)
    assert refusal(lambda: LocalVault(OTHER).open(locked)) == "not_a_recipient"
    assert refusal(lambda: LocalVault(KEY).open(locked[:-1] + bytes([locked[-1] ^ 1]))) == "decrypt_failed"


def test_a_kid_is_the_thumbprint_of_the_cose_key() -> None:
    """RFC 9679: SHA-256 over the deterministic encoding of kty, crv, x and y."""
    x, y = KEY.public_bytes[1:33], KEY.public_bytes[33:]
    assert KEY.kid == suite.H(b"\xa4\x01\x02\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y)
