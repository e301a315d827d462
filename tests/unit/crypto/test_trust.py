"""Trust: entries by number, keys by party; identities and authorities survive their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from pipeline.crypto import authority as ca
from pipeline.crypto import authority_files
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE
from pipeline.crypto.keystore import load_identity, write_identity
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError
from tests.unit.crypto.exchange import DAY, NOW, PARTIES, START, authority, entry, identity, refusal, trust


def test_knows_its_parties_and_their_sealing_keys() -> None:
    """The key to seal to is the one in the party's certificate."""
    assert trust().parties() == sorted(PARTIES)
    assert trust().sealing_key("37", NOW).kid == identity("37").sealing.kid


def test_a_higher_number_replaces_and_a_lower_or_equal_one_does_not() -> None:
    """Compacted topics may hand over old entries late."""
    trusted = trust()
    assert trusted.update(entry("37", number=3, suspended=True))
    assert not trusted.update(entry("37", number=3))
    assert not trusted.update(entry("37", number=2))
    assert trusted.suspended("37")
    assert not trusted.suspended("53")


def test_a_certificate_dropped_from_the_entry_is_no_longer_known() -> None:
    """Also when it was verified before."""
    trusted, x5t = trust(), identity("37").signer.thumbprint
    assert trusted.signer(x5t).party == "37"
    dropped = entry("37", number=2)
    dropped["signing_certificates"] = []
    trusted.update(dropped)
    assert refusal(lambda: trusted.signer(x5t)) == "certificate_unknown"


def test_the_first_sealing_certificate_in_force_is_taken() -> None:
    """A key published ahead of its time is not used yet."""
    held = entry("37")
    ahead = ca.certify(authority(), "37", identity("53").sealing.public.public_key, ENCRYPT_USAGE, NOW + DAY)
    held["sealing_certificates"] = [ahead, *held["sealing_certificates"]]
    trusted = Trust(authority().certificates, [held])
    assert trusted.sealing_key("37", NOW).kid == identity("37").sealing.kid
    assert trusted.sealing_key("37", NOW + 2 * DAY).kid == identity("53").sealing.kid
    assert refusal(lambda: trusted.sealing_key("37", NOW + 4000 * DAY)) == "certificate_expired"


def test_a_certificate_to_sign_is_not_sealed_to() -> None:
    """Each usage has its certificate."""
    held = entry("37")
    held["sealing_certificates"] = held["signing_certificates"]
    trusted = Trust(authority().certificates, [held])
    assert refusal(lambda: trusted.sealing_key("37")) == "certificate_invalid"


def test_an_unknown_party_has_nothing() -> None:
    """And asking for it has a code."""
    trusted = Trust(authority().certificates)
    assert refusal(lambda: trusted.sealing_key("37")) == "party_unknown"
    assert refusal(lambda: trusted.suspended("37")) == "party_unknown"


def test_a_party_without_sealing_certificates_cannot_be_sealed_to() -> None:
    """An entry may list none."""
    held = entry("37")
    held["sealing_certificates"] = []
    assert refusal(lambda: Trust(authority().certificates, [held]).sealing_key("37")) == "certificate_unknown"


def test_an_identity_survives_its_files(tmp_path: Path) -> None:
    """Keys, certificates and name come back; no file is readable by others."""
    write_identity(tmp_path / "37", identity("37"))
    back = load_identity(tmp_path / "37")
    assert back.party == back.signer.party == "37"
    assert back.sealing.kid == identity("37").sealing.kid
    assert back.signer.thumbprint == identity("37").signer.thumbprint
    assert back.signer.key.private_numbers() == identity("37").signer.key.private_numbers()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "37").iterdir()} == {0o600}
    assert b"ENCRYPTED" in (tmp_path / "37" / "sign.key").read_bytes()


@pytest.mark.parametrize("name", ["sign.key", "encrypt.key", "passphrase"])
@pytest.mark.parametrize("mode", [0o604, 0o620, 0o644])
def test_an_identity_that_others_may_read_is_not_used(tmp_path: Path, name: str, mode: int) -> None:
    """Whoever has copied the keys could act as the party: better no worker than one that goes on."""
    write_identity(tmp_path, identity("37"))
    (tmp_path / name).chmod(mode)
    with pytest.raises(ConfigError, match=rf"{name}: others may read or change it \(mode {mode:o}\)"):
        load_identity(tmp_path)


def test_a_passphrase_that_systemd_hands_over_is_taken(tmp_path: Path) -> None:
    """A link to a credential, whose access list shows as mode 0440."""
    write_identity(tmp_path / "identity", identity("37"))
    credential = (tmp_path / "identity" / "passphrase").rename(tmp_path / "credential")
    credential.chmod(0o440)
    (tmp_path / "identity" / "passphrase").symlink_to(credential)
    assert load_identity(tmp_path / "identity").party == "37"


@pytest.mark.parametrize("name", ["passphrase", "sign.key", "encrypt.der"])
def test_an_identity_with_a_file_missing_is_a_configuration_error(tmp_path: Path, name: str) -> None:
    """The operator is told, with the path."""
    write_identity(tmp_path, identity("37"))
    (tmp_path / name).unlink()
    with pytest.raises(ConfigError, match=name):
        load_identity(tmp_path)


def test_a_wrong_passphrase_is_a_configuration_error(tmp_path: Path) -> None:
    """Not a traceback."""
    write_identity(tmp_path, identity("37"))
    (tmp_path / "passphrase").write_bytes(b"wrong")
    with pytest.raises(ConfigError, match="passphrase"):
        load_identity(tmp_path)


def test_an_authority_survives_its_files(tmp_path: Path) -> None:
    """It issues the same kind of certificates afterwards; verifiers read its certificates without its keys."""
    authority_files.write_authority(tmp_path, authority())
    issued = ca.issue(authority_files.load_authority(tmp_path), "53", START)
    held = entry("53")
    held["signing_certificates"] = [issued.signer.certificate]
    (tmp_path / "issuing.key").unlink()
    (tmp_path / "passphrase").unlink()
    assert Trust(authority_files.load_roots(tmp_path), [held]).signer(issued.signer.thumbprint).party == "53"
    with pytest.raises(ConfigError):
        authority_files.load_authority(tmp_path)


def test_certificates_follow_the_profile() -> None:
    """Names, usages and constraints are those that Kafka's principal mapping and others rely on."""
    root, issuing = authority().root, authority().issuing
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 1
    assert issuing.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    leaf = x509.load_der_x509_certificate(identity("37").signer.certificate)
    assert leaf.subject.rfc4514_string() == "CN=P37,OU=province,O=HEDX"
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [SIGN_USAGE]
    name = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [uri.value for uri in name] == ["urn:hedx:province:37"]
