"""Signed objects: who may sign what, when, for whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509

from pipeline.crypto import cbor, cose, signed
from pipeline.crypto.authority import certify, create_authority, issue
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE
from pipeline.crypto.keys import LocalSigner
from pipeline.crypto.signed import CLOCK_SKEW, MAX_LIFETIME, SIGNERS, USAGES
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError
from tests.unit.crypto.exchange import DAY, NOW, START, authority, entry, identity, refusal, trust

ROLES = {"center": "center", "provider": "00", "province": "37"}


def mandate(lifetime: int = MAX_LIFETIME) -> signed.SignedObject:
    return signed.sign("mandate", b"payload", identity("37").signer, audience="all", now=NOW, lifetime=lifetime)


def code(
    raw: bytes,
    typ: str = "mandate",
    now: int = NOW,
    trusted: Trust | None = None,
    audience: str | None = None,
    issuer: str | None = None,
) -> str:
    return refusal(lambda: signed.verify(raw, typ, trusted or trust(), now=now, audience=audience, issuer=issuer))


def forged(change: Callable[[dict[int | str, object]], None], payload: bytes = b"payload") -> bytes:
    """A mandate with its protected header changed, signed rightly by 37."""
    header = cbor.loads(cbor.loads(mandate().raw)[0])
    change(header)
    protected = cbor.dumps(header)
    return cose.encode(
        protected, payload, identity("37").signer.sign(cose.sig_structure("mandate", protected, payload))
    )


def test_verify_returns_what_was_signed() -> None:
    """Payload, parties, times and id come back; the digest is the one the signer knows."""
    made = mandate()
    got = signed.verify(made.raw, "mandate", trust(), now=NOW, audience="all", issuer="37")
    assert got == signed.Signed("37", "all", NOW, NOW + MAX_LIFETIME, made.cti, b"payload", made.digest)
    assert signed.peek(made.raw).digest == made.digest


def signer_for(typ: str, party: str, *, other: bool = False) -> LocalSigner:
    """The party's signer with the certificate for `typ`, or with the other one."""
    held = identity(party)
    if (USAGES[typ] == SIGN_USAGE) == other:
        return LocalSigner(party, held.sealing.private_key, held.sealing_certificate)
    return held.signer


@pytest.mark.parametrize("typ", sorted(SIGNERS))
@pytest.mark.parametrize("party", sorted(ROLES.values()))
def test_no_type_is_signed_under_the_other_certificate(typ: str, party: str) -> None:
    """The certificate to be sealed to vouches for seal keys and nothing else; the one to sign for everything but those."""
    made = signed.sign(typ, b"", signer_for(typ, party, other=True), audience="all", now=NOW)
    assert code(made.raw, typ) == "usage_not_allowed"


@pytest.mark.parametrize("typ", sorted(SIGNERS))
@pytest.mark.parametrize("role", sorted(ROLES))
def test_the_role_decides_what_may_be_signed(typ: str, role: str) -> None:
    """The role × typ table, every cell of it, under the certificate for the type."""
    made = signed.sign(typ, b"", signer_for(typ, ROLES[role]), audience="all", now=NOW)
    if role in SIGNERS[typ]:
        assert signed.verify(made.raw, typ, trust(), now=NOW).issuer == ROLES[role]
    else:
        assert code(made.raw, typ) == "role_not_allowed"


def test_only_requesters_sign_mandates_and_only_the_center_certifies() -> None:
    """Two lines of the table by name, lest the table be changed along with the code."""
    assert SIGNERS["mandate"] == {"province"}
    for typ in ("acceptance", "rejection", "section-certificate", "certificate", "trust", "catalog"):
        assert SIGNERS[typ] == {"center"}


def test_an_object_is_nothing_but_its_type() -> None:
    """A mandate is no receipt, though 37 may sign both."""
    assert code(mandate().raw, "receipt") == "type_mismatch"


def test_the_signature_covers_the_type_twice() -> None:
    """With the typ header swapped and the old signature kept, external_aad and header both differ."""
    protected, unprotected, payload, signature = cbor.loads(mandate().raw)
    header = cbor.loads(protected)
    header[cose.TYP] = "hedx/1/receipt"
    assert code(cbor.dumps([cbor.dumps(header), unprotected, payload, signature]), "receipt") == "signature_invalid"


def test_every_flipped_bit_is_refused() -> None:
    """No bit of a signed object is without meaning."""
    raw, trusted = mandate().raw, trust()
    for at in range(len(raw) * 8):
        broken = bytearray(raw)
        broken[at // 8] ^= 1 << at % 8
        assert code(bytes(broken), trusted=trusted)


def test_every_truncation_is_refused() -> None:
    """Nor is any byte at the end."""
    raw = mandate().raw
    assert {code(raw[:n]) for n in range(len(raw))} == {"cbor_invalid"}
    assert code(raw + b"\0") == "cbor_invalid"


def test_the_digest_does_not_depend_on_the_signature() -> None:
    """ECDSA is malleable: (r, n - s) verifies too, and must be the same object."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    made = mandate()
    protected, unprotected, payload, signature = cbor.loads(made.raw)
    twin = signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    raw = cbor.dumps([protected, unprotected, payload, twin])
    assert raw != made.raw
    assert signed.verify(raw, "mandate", trust(), now=NOW).digest == made.digest


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (-CLOCK_SKEW, None),
        (-CLOCK_SKEW - 1000, "issued_in_future"),
        (MAX_LIFETIME, None),
        (MAX_LIFETIME + 1, "expired"),
    ],
)
def test_an_object_counts_from_five_minutes_before_iat_to_exp(offset: int, expected: str | None) -> None:
    """Both ends to the millisecond; `now` says when the object must have been in force."""
    if expected is None:
        signed.verify(mandate().raw, "mandate", trust(), now=NOW + offset)
    else:
        assert code(mandate().raw, now=NOW + offset) == expected


def test_a_life_longer_than_14_days_is_refused() -> None:
    """Also when rightly signed."""

    def longer(header: dict[int | str, object]) -> None:
        claims = header[cose.CWT_CLAIMS]
        assert isinstance(claims, dict)
        claims[cose.EXP] += 1

    assert code(forged(longer)) == "lifetime_too_long"


def test_we_sign_no_life_longer_than_14_days() -> None:
    """The sender's own mistake is an error at once."""
    with pytest.raises(ValueError):
        mandate(lifetime=MAX_LIFETIME + 1000)


def test_audience_and_issuer_must_be_those_expected() -> None:
    """When the caller says whose and for whom."""
    assert code(mandate().raw, audience="center") == "audience_mismatch"
    assert code(mandate().raw, issuer="53") == "issuer_mismatch"


def test_iss_must_be_the_certificates_party() -> None:
    """37 cannot speak as 53."""
    signer = LocalSigner("53", identity("37").signer.key, identity("37").signer.certificate)
    assert code(signed.sign("mandate", b"", signer, audience="all", now=NOW).raw) == "issuer_mismatch"


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("suite_unknown", lambda h: h.update({cose.SUITE_LABEL: 2})),
        ("cose_invalid", lambda h: h.update({cose.ALG: -35})),
        ("cose_invalid", lambda h: h.update({cose.CRIT: []})),
        ("cose_invalid", lambda h: h.update({cose.CRIT: [cose.SUITE_LABEL, 99]})),
        ("cose_invalid", lambda h: h.pop(cose.CRIT)),
        ("cose_invalid", lambda h: h.pop(cose.SUITE_LABEL)),
        ("cose_invalid", lambda h: h.update({99: 0})),
        ("cose_invalid", lambda h: h.update({cose.X5T: [-15, bytes(32)]})),
        ("cose_invalid", lambda h: h.update({cose.X5T: [-16, bytes(31)]})),
        ("cose_invalid", lambda h: h.update({cose.TYP: 7})),
        ("cose_invalid", lambda h: h.update({cose.TYP: "mandate"})),
        ("cose_invalid", lambda h: h.update({cose.CWT_CLAIMS: None})),
        ("cose_invalid", lambda h: h[cose.CWT_CLAIMS].update({2: "subject"})),
        ("cose_invalid", lambda h: h[cose.CWT_CLAIMS].pop(cose.CTI)),
        ("cose_invalid", lambda h: h[cose.CWT_CLAIMS].update({cose.CTI: bytes(15)})),
        ("cose_invalid", lambda h: h[cose.CWT_CLAIMS].update({cose.ISS: ""})),
        ("cose_invalid", lambda h: h[cose.CWT_CLAIMS].update({cose.IAT: -1})),
        ("cose_invalid", lambda h: h[cose.CWT_CLAIMS].update({cose.EXP: 0})),
        ("certificate_unknown", lambda h: h.update({cose.X5T: [-16, bytes(32)]})),
    ],
)
def test_a_header_off_the_profile_is_refused(expected: str, change: Callable[[dict[int | str, object]], None]) -> None:
    """One deviation each, rightly signed."""
    assert code(forged(change)) == expected


@pytest.mark.parametrize("body", [[], [b"", {}, b""], [b"", {1: -7}, b"", b""], [b"", {}, None, b""], {}, 0])
def test_what_is_no_sign1_is_refused(body: object) -> None:
    """Four fields, an empty unprotected header, an attached payload."""
    assert code(cbor.dumps(body)) == "cose_invalid"


def test_an_oversized_object_is_refused_unread() -> None:
    """Size comes first."""
    assert code(bytes(signed.MAX_SIZE + 1)) == "size"


def with_certificate(der: bytes, party: str = "37") -> tuple[signed.SignedObject, Trust]:
    """A mandate signed under another certificate of 37's key, and a trust that lists it."""
    held = entry(party)
    held["signing_certificates"] = [der]
    signer = LocalSigner("37", identity("37").signer.key, der)
    made = signed.sign("mandate", b"", signer, audience="all", now=NOW)
    return made, Trust(authority().certificates, [held])


def certified(party: str, usage: x509.ObjectIdentifier, start: int = START, days: int = 60) -> bytes:
    key = identity("37").signer.key.public_key()
    return certify(authority(), party, key, usage, start, timedelta(days=days))


def test_a_certificate_of_another_authority_is_refused() -> None:
    """The chain must end in our root, however well the name fits."""
    stranger = issue(create_authority(START), "37", START)
    made, trusted = with_certificate(stranger.signer.certificate)
    assert code(made.raw, trusted=trusted) == "certificate_invalid"


def test_a_certificate_to_encrypt_does_not_sign() -> None:
    """Each usage has its certificate."""
    made, trusted = with_certificate(certified("37", ENCRYPT_USAGE))
    assert code(made.raw, trusted=trusted) == "certificate_invalid"


def test_a_sealing_certificate_does_not_become_a_signers_by_having_been_used() -> None:
    """What was verified to seal is not thereby verified to sign."""
    made, _ = with_certificate(certified("37", ENCRYPT_USAGE))
    held = entry("37")
    held["sealing_certificates"] = held["signing_certificates"] = [certified("37", ENCRYPT_USAGE)]
    signer = LocalSigner("37", identity("37").signer.key, held["sealing_certificates"][0])
    trusted = Trust(authority().certificates, [held])
    trusted.sealing_key("37")
    made = signed.sign("mandate", b"", signer, audience="all", now=NOW)
    assert code(made.raw, trusted=trusted) == "certificate_invalid"


def test_a_certificate_made_out_to_another_is_refused() -> None:
    """A trust entry cannot lend 53's certificate to 37."""
    made, trusted = with_certificate(certified("53", SIGN_USAGE))
    assert code(made.raw, trusted=trusted) == "certificate_invalid"


def test_a_role_the_name_does_not_bear_out_is_refused() -> None:
    """A trust entry cannot make a province the center."""
    held = entry("37")
    held["role"] = "center"
    assert code(mandate().raw, trusted=Trust(authority().certificates, [held])) == "certificate_invalid"


def test_an_issuing_certificate_alone_is_no_anchor() -> None:
    """Without the root nothing is trusted."""
    with pytest.raises(ConfigError):
        Trust(authority().certificates[1:], [entry("37")])
    stranger = create_authority(START).certificates
    trusted = Trust([stranger[0], *authority().certificates[1:]], [entry("37")])
    assert code(mandate().raw, trusted=trusted) == "certificate_invalid"


@pytest.mark.parametrize(("start", "days"), [(NOW + DAY, 10), (START, 29)], ids=["not yet", "no longer"])
def test_a_certificate_out_of_its_time_at_signing_is_refused(start: int, days: int) -> None:
    """Signed before or after the certificate's life."""
    made, trusted = with_certificate(certified("37", SIGN_USAGE, start, days))
    assert code(made.raw, trusted=trusted, now=NOW + 2 * DAY) == "certificate_expired"


def test_a_certificate_that_ended_between_signing_and_receipt_is_refused() -> None:
    """It must be valid at both; at the time of first receipt it was, and later looks say so by `now`."""
    made, trusted = with_certificate(certified("37", SIGN_USAGE, START, 31))
    assert code(made.raw, trusted=trusted, now=NOW + 2 * DAY) == "certificate_expired"
    assert signed.verify(made.raw, "mandate", trusted, now=NOW + DAY // 2).issuer == "37"


def test_a_suite_below_the_partys_minimum_is_refused() -> None:
    """No negotiation: the trust entry decides."""
    assert code(mandate().raw, trusted=Trust(authority().certificates, [entry("37", minimum_suite=2)])) == (
        "suite_below_minimum"
    )


def test_ids_are_uuid_v7_in_order_of_time() -> None:
    """Version, variant, and the timestamp in front."""
    early, late = signed.uuid7(NOW), signed.uuid7(NOW + 1)
    assert early < late
    assert early[6] >> 4 == 7
    assert early[8] >> 6 == 2
    assert int.from_bytes(early[:6], "big") == NOW


def test_a_given_id_is_kept() -> None:
    """Work dispatched again goes under its old id."""
    made = signed.sign("mandate", b"", identity("37").signer, audience="all", now=NOW, cti=b"i" * 16)
    assert made.cti == signed.peek(made.raw).claims.cti == b"i" * 16
