"""Enrolment at a party: keys stay, certificates find theirs, what is replaced still unseals."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.crypto.authority import Authority, certify_request, create_authority
from pipeline.crypto.enrolment import certificates_in, install, known_requests, prepare
from pipeline.crypto.keystore import load_earlier, load_identity, load_key, read_passphrase
from pipeline.crypto.requests import USAGES, read_request
from pipeline.domain.errors import ConfigError
from tests.unit.crypto.exchange import NOW, START, authority


def certified(folder: Path, principal: str = "P37", by: Authority | None = None, now: int = START) -> list[bytes]:
    """Keys and requests made in `folder`, and the certificates for them."""
    paths = prepare(folder, principal)
    return [certify_request(by or authority(), read_request(path.read_bytes()), now) for path in paths.values()]


def placed(tmp_path: Path, certificates: list[bytes], principal: str = "P37") -> None:
    """Install at the party."""
    install(tmp_path / "37", tmp_path / "tls", principal, certificates, authority().certificates)


def test_a_party_gets_an_identity_and_tls_files(tmp_path: Path) -> None:
    """All three certificates are beside their keys, and nothing waits any more."""
    certificates = certified(tmp_path / "37")
    placed(tmp_path, certificates)
    identity = load_identity(tmp_path / "37" / "identity")
    assert identity.party == "37"
    assert [identity.signer.certificate, identity.sealing_certificate] == certificates[:2]
    assert certificates_in((tmp_path / "tls" / "tls.pem").read_bytes())[0] == certificates[2]
    assert load_key(tmp_path / "tls" / "tls.key", read_passphrase(tmp_path / "tls"))
    assert not (tmp_path / "37" / "pending").exists()


def test_asking_twice_asks_for_the_same(tmp_path: Path) -> None:
    """A request that waits is not replaced: its certificate may be on its way."""
    first = {usage: path.read_bytes() for usage, path in prepare(tmp_path, "P37").items()}
    assert {usage: path.read_bytes() for usage, path in prepare(tmp_path, "P37").items()} == first
    assert list(first) == list(USAGES)


def test_a_party_knows_all_requests_it_ever_made(tmp_path: Path) -> None:
    """Also those of certificates that were replaced: the trust log still names them."""
    folder = tmp_path / "37"
    digests = {read_request(path.read_bytes()).digest for path in prepare(folder, "P37").values()}
    placed(tmp_path, certified(folder))
    digests |= {read_request(path.read_bytes()).digest for path in prepare(folder, "P37").values()}
    assert len(digests) == 6
    assert known_requests(folder).keys() == digests


def test_a_kept_request_that_cannot_be_read_is_the_operators_error(tmp_path: Path) -> None:
    """It must not pass for a request that was never made: every certificate asked for with it would be an alarm."""
    prepare(tmp_path, "P37")
    damaged = next((tmp_path / "requests").glob("*.csr"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="is no certificate request"):
        known_requests(tmp_path)


def test_a_renewal_keeps_the_key_that_still_unseals(tmp_path: Path) -> None:
    """What was sealed to the encrypt key before may still be on its way."""
    placed(tmp_path, certified(tmp_path / "37"))
    before = load_identity(tmp_path / "37" / "identity")
    placed(tmp_path, certified(tmp_path / "37", now=NOW))
    after = load_identity(tmp_path / "37" / "identity")
    assert after.sealing.kid != before.sealing.kid
    assert after.signer.thumbprint != before.signer.thumbprint
    [(earlier, certificate)] = load_earlier(tmp_path / "37" / "identity")
    assert (earlier.kid, certificate) == (before.sealing.kid, before.sealing_certificate)
    _, locked = before.vault.create()
    assert len(after.vault.open(locked).data_key) == 32


def test_private_keys_are_never_readable_by_others(tmp_path: Path) -> None:
    """While they wait, and in their places: encrypted, mode 0600."""
    prepare(tmp_path / "37", "P37")
    waiting = list((tmp_path / "37" / "pending").glob("*.key"))
    assert len(waiting) == 3
    for path in waiting:
        assert path.stat().st_mode & 0o077 == 0
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()


def test_a_certificate_for_no_waiting_key_is_refused(tmp_path: Path) -> None:
    """Somebody else's, or one that was installed already."""
    prepare(tmp_path / "37", "P37")
    with pytest.raises(ConfigError, match="for no key that waits"):
        placed(tmp_path, certified(tmp_path / "other"))


def test_a_certificate_under_another_root_is_refused(tmp_path: Path) -> None:
    """Of any of the three usages; nothing is installed then, not even the good ones."""
    good = certified(tmp_path / "37")
    foreign = certified(tmp_path / "37", by=create_authority(START))
    for index in range(3):
        with pytest.raises(ConfigError, match=r"CertificateInvalid|VerificationError|not issued by"):
            placed(tmp_path, [*good[:index], foreign[index], *good[index + 1 :]])
    assert not (tmp_path / "37" / "identity").exists()
    assert len(list((tmp_path / "37" / "pending").glob("*.key"))) == 3


def test_a_certificate_made_out_to_another_is_refused(tmp_path: Path) -> None:
    """A center that puts another's name over a party's key does not get far."""
    certificates = certified(tmp_path / "37", "P53")
    with pytest.raises(ConfigError, match="not made out to P37"):
        placed(tmp_path, certificates)


def test_what_is_no_certificate_is_refused() -> None:
    """In PEM and DER."""
    for data in (b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"):
        with pytest.raises(ConfigError, match="not a certificate"):
            certificates_in(data)
