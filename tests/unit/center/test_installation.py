"""An installation's folder: made once, read by whoever may, and telling what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.center import ceremony
from pipeline.center.installation import Installation, set_up
from pipeline.crypto.certificates import certified_key
from pipeline.crypto.enrolment import known_requests
from pipeline.crypto.keystore import load_identity
from pipeline.crypto.requests import SERVICES
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from tests.unit.crypto.exchange import DAY, NOW

PARTIES = ("00", "37")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The center, 部中心 and 山东."""
    made = Installation(tmp_path_factory.mktemp("made") / "hedx")
    set_up(made, PARTIES, NOW)
    return made


def test_every_party_has_keys_that_the_authority_vouches_for(installation: Installation) -> None:
    """Whoever holds the authority's certificates and the entries can verify each of them."""
    trust = Trust(installation.roots(), installation.trust_entries())
    assert trust.parties() == ["00", "37", "center"]
    for party in (CENTER, *PARTIES):
        identity = load_identity(installation.identity_folder(party))
        assert trust.signer(identity.signer.thumbprint).party == party
        assert trust.sealing_key(party).point == identity.sealing.public_bytes


def test_the_centers_entry_is_what_a_party_is_given_when_it_joins(installation: Installation) -> None:
    """It is the same entry that the center publishes."""
    assert installation.anchor().center in installation.trust_entries()
    assert installation.anchor().center["party"] == CENTER


def test_setting_up_again_changes_nothing(installation: Installation) -> None:
    """Keys are made once: a second run must not lock anybody out."""
    before = {path: path.read_bytes() for path in installation.folder.rglob("*") if path.is_file()}
    set_up(installation, PARTIES, NOW + DAY)
    assert {path: path.read_bytes() for path in installation.folder.rglob("*") if path.is_file()} == before


def test_an_authority_that_was_founded_is_never_overwritten(tmp_path: Path) -> None:
    """Setting up a demo's folder over it would end an exchange."""
    made = Installation(tmp_path / "hedx")
    ceremony.found(made, tmp_path / "root", NOW)
    before = (made.authority / "issuing.key").read_bytes()
    with pytest.raises(ConfigError, match="holds an authority already"):
        set_up(made, PARTIES, NOW)
    assert (made.authority / "issuing.key").read_bytes() == before


def test_every_certificate_was_asked_for(installation: Installation) -> None:
    """The log names a request behind each, and each party knows its own: nothing in its name that it did not ask for."""
    with installation.registry() as registry:
        leaves, entries = registry.leaves(), registry.entries()
    assert len(leaves) == len(SERVICES) + 3 * 3
    for party in (CENTER, *PARTIES):
        logged = {leaf["request"] for leaf in leaves if leaf["party"] == party}
        known = known_requests(installation.party(party))
        assert known.keys() == logged
        [entry] = [entry for entry in entries if entry["party"] == party]
        names = ("signing_certificates", "sealing_certificates", "transport_certificates")
        listed = {certified_key(der) for name in names for der in entry[name]}  # type: ignore[literal-required]
        assert listed == set(known.values())


def test_no_file_of_it_is_readable_by_others(installation: Installation) -> None:
    """Private keys, passphrases and the tag secret: mode 0600 in a folder of mode 0700."""
    assert installation.folder.stat().st_mode & 0o077 == 0
    secret = [path for path in installation.folder.rglob("*") if path.suffix in (".key", ".secret", "")]
    files = [path for path in secret if path.is_file()]
    assert len(files) >= 3 * (1 + 2)
    for path in files:
        assert path.stat().st_mode & 0o077 == 0, path


def test_private_keys_are_encrypted_at_rest(installation: Installation) -> None:
    """A copy of the key files alone opens nothing."""
    keys = list(installation.folder.rglob("*.key"))
    assert keys
    assert all(b"ENCRYPTED PRIVATE KEY" in key.read_bytes() for key in keys)


def test_two_installations_share_no_secret(tmp_path: Path, installation: Installation) -> None:
    """Keys and the secret behind the persons' marks are drawn anew."""
    other = Installation(tmp_path / "other")
    set_up(other, ("37",), NOW)
    assert other.tag_secret() != installation.tag_secret()
    assert len(other.tag_secret()) == 32
    assert (
        load_identity(other.identity_folder("37")).sealing.public_bytes
        != load_identity(installation.identity_folder("37")).sealing.public_bytes
    )


def test_what_is_missing_is_the_operators_error(tmp_path: Path) -> None:
    """Before set-up, and for a party that was not set up here."""
    empty = Installation(tmp_path)
    assert not empty.is_set_up()
    with pytest.raises(ConfigError, match="set the installation up first"):
        empty.anchor()
    with pytest.raises(ConfigError):
        load_identity(empty.identity_folder("37"))


def test_a_party_without_a_database_only_asks(tmp_path: Path) -> None:
    """`database.url` says where its registers are."""
    installation = Installation(tmp_path)
    assert installation.database_url("37") is None
    installation.party("37").mkdir(parents=True)
    (installation.party("37") / "database.url").write_text("sqlite:///registers.db\n")
    assert installation.database_url("37") == "sqlite:///registers.db"
