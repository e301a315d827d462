"""Revocation lists: what is read from them, what is refused, and from when on a certificate is worth nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import signed
from pipeline.crypto.authority import Authority, certify, create_authority, create_issuing, create_root
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE
from pipeline.crypto.envelopes import build, open_envelope
from pipeline.crypto.revocation import Revoked, build_crl, read_crl
from pipeline.crypto.trust import Trust
from pipeline.domain.records import RevocationList
from tests.unit.crypto.exchange import DAY, NOW, PARTIES, START, authority, entry, identity, receipt, refusal

WEEK = 7 * DAY
Change = Callable[[x509.CertificateRevocationListBuilder], x509.CertificateRevocationListBuilder]


def serial_of(der: bytes) -> int:
    return x509.load_der_x509_certificate(der).serial_number


def a_list(number: int, *revoked: tuple[bytes, int], now: int = NOW, lifetime: int = WEEK) -> RevocationList:
    """A list of certificates (DER), each since when."""
    lines = [(serial_of(der), at, "key_compromise") for der, at in revoked]
    return RevocationList(number=number, crl=build_crl(authority(), lines, number=number, now=now, lifetime=lifetime))


def trusting(*lists: RevocationList) -> Trust:
    """Everybody's trust, the lists taken over in order."""
    trust = Trust(authority().certificates, [entry(party) for party in PARTIES])
    for each in lists:
        trust.revoke(each)
    return trust


def bent(change: Change, *, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """A list that is right but for `change`."""
    issuing = authority().issuing
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing.subject)
        .last_update(datetime.fromtimestamp(NOW // 1000, UTC))
        .next_update(datetime.fromtimestamp(NOW // 1000 + 600, UTC))
    )
    return change(builder).sign(key or authority().issuing_key, hashes.SHA256()).public_bytes(Encoding.DER)


def numbered(builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationListBuilder:
    return builder.add_extension(x509.CRLNumber(7), critical=False)


# ---- the list itself --------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(1, 2**159 - 1), st.integers(0, NOW // 1000), max_size=20), st.integers(1, 2**63))
def test_what_is_written_is_read(lines: dict[int, int], number: int) -> None:
    """Number, times and every line come back, whatever they are."""
    revoked = [(serial, at * 1000, "superseded") for serial, at in lines.items()]
    found = read_crl(build_crl(authority(), revoked, number=number, now=NOW, lifetime=WEEK), [authority().issuing])
    assert (found.number, found.this_update, found.next_update) == (number, NOW, NOW + WEEK)
    assert found.by_serial == {serial: Revoked(at * 1000, "superseded") for serial, at in lines.items()}


def test_reasons_and_dates_of_invalidity_are_kept() -> None:
    """No reason is none; when the key may have been another's is told beside the time of revocation."""
    line = x509.RevokedCertificateBuilder().serial_number(5).revocation_date(datetime.fromtimestamp(NOW // 1000, UTC))
    invalid = x509.InvalidityDate(datetime.fromtimestamp(NOW // 1000 - 60, UTC).replace(tzinfo=None))
    der = bent(lambda made: numbered(made).add_revoked_certificate(line.add_extension(invalid, critical=False).build()))
    assert read_crl(der, [authority().issuing]).by_serial == {5: Revoked(NOW, "unspecified", NOW - 60_000)}
    made = build_crl(authority(), [(1, NOW, None), (2, NOW, "unspecified")], number=1, now=NOW, lifetime=WEEK)
    assert {each.reason for each in read_crl(made, [authority().issuing]).by_serial.values()} == {"unspecified"}


def delta(builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationListBuilder:
    return numbered(builder).add_extension(x509.DeltaCRLIndicator(6), critical=True)


def partial(builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationListBuilder:
    point = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    return numbered(builder).add_extension(point, critical=True)


def indirect(builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationListBuilder:
    other = x509.CertificateIssuer([x509.DirectoryName(authority().root.subject)])
    moment = datetime.fromtimestamp(NOW // 1000, UTC)
    line = x509.RevokedCertificateBuilder().serial_number(5).revocation_date(moment)
    return numbered(builder).add_revoked_certificate(line.add_extension(other, critical=True).build())


def twice(builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationListBuilder:
    moment = datetime.fromtimestamp(NOW // 1000, UTC)
    line = x509.RevokedCertificateBuilder().serial_number(5).revocation_date(moment).build()
    return numbered(builder).add_revoked_certificate(line).add_revoked_certificate(line)


@pytest.mark.parametrize("change", [delta, partial, indirect, twice, lambda builder: builder])
def test_lists_that_say_less_or_other_than_they_should_are_refused(change: Change) -> None:
    """A delta, a list of some certificates only, one of another's certificates, a serial twice, a list without number."""
    assert refusal(lambda: read_crl(bent(change), [authority().issuing])) == "crl_invalid"
    assert read_crl(bent(numbered), [authority().issuing]).number == 7


@pytest.mark.parametrize("der", [b"", b"\x30\x00", b"x" * 100])
def test_what_is_no_list_is_refused(der: bytes) -> None:
    """Whatever the bytes."""
    assert refusal(lambda: read_crl(der, [authority().issuing])) == "crl_invalid"


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_list_with_a_byte_changed_is_refused(place: int, change: int) -> None:
    """Wherever it is."""
    der = bytearray(a_list(1, (identity("37").signer.certificate, NOW))["crl"])
    der[place % len(der)] ^= change
    assert refusal(lambda: read_crl(bytes(der), [authority().issuing])) == "crl_invalid"


def test_only_an_issuing_authority_signs_lists() -> None:
    """Not another key under its name, nor another authority; but an issuing CA that came before or after does."""
    stranger = create_authority(START)
    assert refusal(lambda: read_crl(bent(numbered, key=stranger.issuing_key), [authority().issuing])) == "crl_invalid"
    assert refusal(lambda: read_crl(bent(numbered), [stranger.issuing])) == "crl_invalid"
    assert refusal(lambda: read_crl(bent(numbered), [authority().root])) == "crl_invalid"
    root = create_root(START)
    first = create_issuing(root, START)
    second = create_issuing(root, START + DAY, first)
    for each in (first, second):
        der = build_crl(each, [(5, NOW, None)], number=1, now=NOW, lifetime=WEEK)
        assert 5 in read_crl(der, [second.issuing, first.issuing]).by_serial


# ---- by number --------------------------------------------------------------------------------------------------------


def test_the_highest_number_holds() -> None:
    """A lower one is refused, the same one is no news, and another of the same number is a contradiction."""
    first, second = a_list(1), a_list(2)
    trust = trusting(first)
    assert trust.revoke(second)
    assert not trust.revoke(second)
    assert not trust.revoke(a_list(2)), "signed once more"
    assert refusal(lambda: trust.revoke(first)) == "crl_rollback"
    assert refusal(lambda: trust.revoke(a_list(2, (identity("37").signer.certificate, NOW)))) == "crl_invalid"
    assert refusal(lambda: trust.revoke({**second, "number": 3})) == "crl_invalid"
    assert trust.revocation_list == second


def test_a_certificate_once_revoked_stays_revoked() -> None:
    """A later list that leaves it out lets nobody in again."""
    certificate = identity("37").signer.certificate
    trust = trusting(a_list(1, (certificate, NOW)), a_list(2))
    made = signed.sign("mandate", b"", identity("37").signer, audience="all", now=NOW)
    assert refusal(lambda: signed.verify(made.raw, "mandate", trust, now=NOW)) == "certificate_revoked"


# ---- by time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seen", "holds"), [(-DAY, True), (-1000, True), (0, False), (1000, False), (DAY, False)])
def test_what_was_received_before_the_revocation_stays_valid(seen: int, holds: bool) -> None:
    """The signature is of the day before either way; what counts is when it was received, to the second."""
    trust = trusting(a_list(1, (identity("37").signer.certificate, NOW), now=NOW + DAY))
    raw = signed.sign("mandate", b"", identity("37").signer, audience="all", now=NOW - 2 * DAY).raw
    if holds:
        assert signed.verify(raw, "mandate", trust, now=NOW + seen).issuer == "37"
    else:
        assert refusal(lambda: signed.verify(raw, "mandate", trust, now=NOW + seen)) == "certificate_revoked"


def test_what_is_kept_is_judged_as_of_its_end_at_the_latest() -> None:
    """An object that was read long after its end was there before it ended; a revocation since then takes nothing back."""
    raw = signed.sign("mandate", b"", identity("37").signer, audience="all", now=NOW, lifetime=DAY).raw
    certificate = identity("37").signer.certificate
    none = a_list(1, lifetime=60 * DAY)
    late, early = a_list(1, (certificate, NOW + 2 * DAY)), a_list(1, (certificate, NOW + DAY))
    assert signed.verify_kept(raw, "mandate", trusting(late), witness=NOW + 30 * DAY).issuer == "37"
    assert refusal(lambda: signed.verify(raw, "mandate", trusting(none), now=NOW + 30 * DAY)) == "expired"
    assert (
        refusal(lambda: signed.verify_kept(raw, "mandate", trusting(early), witness=NOW + 30 * DAY))
        == "certificate_revoked"
    )


def test_history_verifies_years_later() -> None:
    """With the newest list of a later year, an object is as good as on the day it came."""
    trust = trusting(a_list(900, (identity("53").signer.certificate, NOW), now=NOW + 3 * 365 * DAY))
    mine, other = (signed.sign("mandate", b"", identity(p).signer, audience="all", now=NOW).raw for p in ("37", "53"))
    assert signed.verify_kept(mine, "mandate", trust, witness=NOW).issuer == "37"
    assert signed.verify_kept(other, "mandate", trust, witness=NOW - 1000).issuer == "53"
    assert refusal(lambda: signed.verify_kept(other, "mandate", trust, witness=NOW)) == "certificate_revoked"


def test_a_stale_list_fails_closed_for_what_comes_and_not_for_what_came() -> None:
    """Past its nextUpdate nothing new is taken, from anybody; what came before it still verifies, and so does what stays
    in force until it is replaced.
    """
    trust = trusting(a_list(1, now=NOW - WEEK))
    value = build([receipt()], identity("37").signer, audience="center", now=NOW).value
    assert open_envelope(value, trust, audience="center", now=NOW).issuer == "37"
    assert refusal(lambda: open_envelope(value, trust, audience="center", now=NOW + 1)) == "crl_stale"
    raw = signed.sign("checkpoint", b"", identity("37").signer, audience="all", now=NOW).raw
    assert signed.verify(raw, "checkpoint", trust, now=NOW + DAY, published=True).issuer == "37"
    trust.revoke(a_list(2, now=NOW))
    assert open_envelope(value, trust, audience="center", now=NOW + 1).issuer == "37"


def test_without_a_list_nothing_is_refused_for_it() -> None:
    """Where nothing was ever published there is nothing to look at."""
    raw = signed.sign("mandate", b"", identity("37").signer, audience="all", now=NOW).raw
    assert signed.verify(raw, "mandate", trusting(), now=NOW + DAY).issuer == "37"


def test_nothing_is_sealed_to_a_revoked_certificate() -> None:
    """The next one is taken where there is one."""
    held = entry("37")
    newer = certify(authority(), "37", identity("53").sealing.public.public_key, ENCRYPT_USAGE, START)
    held["sealing_certificates"] = [newer, *held["sealing_certificates"]]
    trust = Trust(authority().certificates, [held], a_list(1, (newer, NOW)))
    assert trust.sealing_key("37", NOW - 1).kid == identity("53").sealing.kid
    assert trust.sealing_key("37", NOW).kid == identity("37").sealing.kid
    assert trust.sealing_key("37").kid == identity("37").sealing.kid
    trust.revoke(a_list(2, (newer, NOW), (identity("37").sealing_certificate, NOW)))
    assert refusal(lambda: trust.sealing_key("37", NOW)) == "certificate_revoked"
    assert trust.reaches("37", NOW - 1)
    assert not trust.reaches("37", NOW)


# ---- an independent opinion -------------------------------------------------------------------------------------------


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


def test_openssl_reads_the_list_and_agrees_on_who_is_revoked(tmp_path: Path) -> None:
    """`openssl crl` accepts its signature; `openssl verify -crl_check` refuses the one certificate and takes the other."""
    site: Authority = create_authority(NOW)
    pair = [certify(site, party, identity(party).signer.key.public_key(), SIGN_USAGE, NOW) for party in ("37", "53")]
    crl = build_crl(site, [(serial_of(pair[0]), NOW, "key_compromise")], number=42, now=NOW, lifetime=WEEK)
    (tmp_path / "list.crl").write_bytes(crl)
    files = {}
    for name, der in (
        ("root", site.certificates[0]),
        ("issuing", site.certificates[1]),
        ("37", pair[0]),
        ("53", pair[1]),
    ):
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    shown = openssl(
        *("crl", "-inform", "DER", "-in", str(tmp_path / "list.crl"), "-noout", "-text"),
        *("-CAfile", str(files["issuing"])),
    )
    assert "verify OK" in shown.stderr
    assert "Version 2" in shown.stdout
    assert "X509v3 CRL Number: \n                42" in shown.stdout
    assert f"{serial_of(pair[0]):X}" in shown.stdout.replace(":", "")
    assert "Key Compromise" in shown.stdout
    pem = tmp_path / "list.pem"
    assert openssl("crl", "-inform", "DER", "-in", str(tmp_path / "list.crl"), "-out", str(pem)).returncode == 0
    for name, refused in (("37", True), ("53", False)):
        verdict = openssl(
            *("verify", "-CAfile", str(files["root"]), "-untrusted", str(files["issuing"]), "-CRLfile", str(pem)),
            *("-crl_check", "-attime", str(NOW // 1000 + 60), "-purpose", "any", str(files[name])),
        )
        assert (verdict.returncode != 0) == refused, verdict
        assert ("certificate revoked" in verdict.stderr) == refused, verdict
