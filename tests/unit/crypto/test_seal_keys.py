"""Seal keys: whose they are, how long they last, and which one is sealed to."""

from __future__ import annotations

import pytest

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.authority import certify
from pipeline.crypto.certificates import ENCRYPT_USAGE
from pipeline.crypto.keys import LocalSigner, SealingKey
from pipeline.crypto.revocation import build_crl
from pipeline.crypto.seal_keys import AHEAD, LONGEST, series_of, sign_seal_key
from pipeline.crypto.trust import Trust
from pipeline.domain.records import RevocationList, SealKey
from tests.unit.crypto.exchange import DAY, NOW, START, authority, entry, identity, refusal, trust
from tests.unit.crypto.test_revocation import serial_of

MONTH = 30 * DAY


def encrypting(party: str = "37") -> LocalSigner:
    """Signs with the key of the party's certificate to be sealed to."""
    held = identity(party)
    return LocalSigner(party, held.sealing.private_key, held.sealing_certificate)


def record(number: int, key: SealingKey, start: int = NOW, **changes: object) -> SealKey:
    made = SealKey(party="37", number=number, point=key.public_bytes, not_before=start, not_after=start + MONTH)
    return {**made, **changes}  # type: ignore[typeddict-item]


def stated(number: int, key: SealingKey, start: int = NOW) -> bytes:
    return sign_seal_key(record(number, key, start), encrypting(), start)


def test_the_newest_statement_in_force_is_sealed_to() -> None:
    """Before the first and after the last it is the certificate's key; between them the highest number valid then."""
    trusted, first, second = trust(), SealingKey.generate(), SealingKey.generate()
    assert trusted.seal_key(stated(1, first))
    assert trusted.seal_key(stated(2, second, NOW + 27 * DAY))
    for at, expected in (
        (NOW - 1, identity("37").sealing),
        (NOW, first),
        (NOW + 27 * DAY - 1, first),
        (NOW + 27 * DAY, second),
        (NOW + 57 * DAY, second),
        (NOW + 57 * DAY + 1, identity("37").sealing),
    ):
        assert trusted.sealing_key("37", at).kid == expected.kid, at - NOW
    assert trusted.sealing_key("37").kid == second.kid
    assert trusted.sealing_key("53", NOW).kid == identity("53").sealing.kid


def test_many_rotations_keep_the_last_few() -> None:
    """A year of them: the one in force is always found, those long past are let go."""
    trusted, keys = trust(), [SealingKey.generate() for _ in range(14)]
    for number, key in enumerate(keys, start=1):
        start = NOW + (number - 1) * 27 * DAY
        assert trusted.seal_key(stated(number, key, start))
        assert trusted.sealing_key("37", start).kid == key.kid
    assert trusted.seal_key_numbers() == {series_of("37", encrypting().thumbprint): 14}
    assert trusted.sealing_key("37", NOW).kid == identity("37").sealing.kid


def test_numbers_do_not_go_back_and_name_one_key() -> None:
    """A lower one is refused, also below what is remembered; the same again is no news; another of its number is wrong."""
    trusted, key = trust(), SealingKey.generate()
    held = stated(5, key)
    assert trusted.seal_key(held)
    assert not trusted.seal_key(held)
    assert refusal(lambda: trusted.seal_key(stated(4, key))) == "seal_key_rollback"
    assert refusal(lambda: trusted.seal_key(stated(5, SealingKey.generate()))) == "seal_key_invalid"
    assert refusal(lambda: trust().seal_key(held, at_least=6)) == "seal_key_rollback"
    assert trust().seal_key(held, at_least=5)


@pytest.mark.parametrize(
    "changes",
    [
        {"party": "53"},
        {"not_after": NOW + LONGEST + 1},
        {"not_after": NOW},
        {"point": bytes(65)},
        {"point": b"\x04" + b"\xff" * 64},
        {"point": b""},
        {"number": NOW // DAY + AHEAD + 1},
        {"number": 2**31 - 1},
        {"number": -1},
    ],
)
def test_statements_that_say_what_they_must_not_are_refused(changes: dict[str, object]) -> None:
    """Another's name, longer than 37 days, no time at all, no point of the curve, a number that no day leads to."""
    key = SealingKey.generate()
    bad: SealKey = {**record(1, key), **changes}  # type: ignore[typeddict-item]
    last = record(NOW // DAY + AHEAD, key, not_after=NOW + LONGEST)
    assert refusal(lambda: trust().seal_key(sign_seal_key(bad, encrypting(), NOW))) == "seal_key_invalid"
    assert trust().seal_key(sign_seal_key(last, encrypting(), NOW))


def test_only_the_certificate_to_be_sealed_to_vouches() -> None:
    """Whoever holds the key to sign, which is in use all day, cannot redirect what is sealed; nor can another party."""
    made = record(1, SealingKey.generate())
    raw = signed.sign("seal-key", framing.encode("SealKey", made), identity("37").signer, audience="all", now=NOW).raw
    assert refusal(lambda: trust().seal_key(raw)) == "usage_not_allowed"
    assert refusal(lambda: trust().seal_key(sign_seal_key(made, encrypting("53"), NOW))) == "seal_key_invalid"
    mandate = signed.sign("mandate", b"", encrypting(), audience="all", now=NOW).raw
    assert refusal(lambda: signed.verify(mandate, "mandate", trust(), now=NOW)) == "usage_not_allowed"


def test_a_statement_falls_with_its_certificate() -> None:
    """Revoked, dropped or expired: what the certificate vouched for is not sealed to any more."""
    key = SealingKey.generate()
    held = entry("37")
    newer = certify(authority(), "37", identity("53").sealing.public.public_key, ENCRYPT_USAGE, START)
    held["sealing_certificates"] = [newer, *held["sealing_certificates"]]
    line = (serial_of(identity("37").sealing_certificate), NOW + DAY, "key_compromise")
    crl = RevocationList(number=1, crl=build_crl(authority(), [line], number=1, now=NOW, lifetime=7 * DAY))
    trusted = Trust(authority().certificates, [held])
    trusted.seal_key(stated(1, key))
    assert trusted.sealing_key("37", NOW + DAY).kid == key.kid
    trusted.revoke(crl)
    assert trusted.sealing_key("37", NOW + DAY - 1).kid == key.kid
    assert trusted.sealing_key("37", NOW + DAY).kid == identity("53").sealing.kid
    assert refusal(lambda: trusted.seal_key(stated(2, key, NOW + 2 * DAY))) == "certificate_revoked"
    assert trusted.update({**held, "number": 2, "sealing_certificates": [newer]})
    assert trusted.sealing_key("37", NOW).kid == identity("53").sealing.kid


def test_a_statement_outlives_its_own_end() -> None:
    """Signed objects end after 14 days; a statement is in force for 30, and may be read on the last of them."""
    trusted, key = trust(), SealingKey.generate()
    assert trusted.seal_key(stated(1, key, NOW - 29 * DAY))
    assert trusted.sealing_key("37", NOW).kid == key.kid


def test_a_stolen_key_uses_up_the_numbers_of_its_own_certificate_only() -> None:
    """The thief states the highest number there is; with a renewed certificate the party begins afresh, and is sealed to.

    What the thief states once the certificate is revoked is refused, whatever time it says it is of.
    """
    certificate, own = SealingKey.generate(), SealingKey.generate()
    der = certify(authority(), "37", certificate.public.public_key, ENCRYPT_USAGE, START)
    held = entry("37")
    held["sealing_certificates"] = [der, *held["sealing_certificates"]]
    trusted = Trust(authority().certificates, [held])
    assert trusted.seal_key(stated(NOW // DAY + AHEAD, SealingKey.generate()))
    renewed = sign_seal_key(record(NOW // DAY, own), LocalSigner("37", certificate.private_key, der), NOW)
    assert trusted.seal_key(renewed)
    assert trusted.sealing_key("37", NOW).kid == own.kid
    line = (serial_of(identity("37").sealing_certificate), NOW + DAY, "key_compromise")
    crl = RevocationList(number=1, crl=build_crl(authority(), [line], number=1, now=NOW, lifetime=7 * DAY))
    trusted.revoke(crl)
    late = stated(NOW // DAY + AHEAD, SealingKey.generate(), NOW + 1)
    assert refusal(lambda: trusted.seal_key(late)) == "certificate_revoked"
    assert trusted.sealing_key("37", NOW).kid == own.kid
