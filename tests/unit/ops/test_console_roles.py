"""Who has which role at the console, and who is behind a certificate."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from pipeline.center.installation import Installation, set_up
from pipeline.crypto.enrolment import certificates_in
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.ops.console.gate import Gate, Refusal, known_as
from pipeline.ops.console.roles import SHIPPED, load_roles, may, own_party


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Principal → its TLS certificate, DER."""
    installation = Installation(tmp_path_factory.mktemp("roles"))
    set_up(installation, ["37"], wall_clock())
    folders = sorted(installation.transport("").iterdir())
    return {folder.name: certificates_in((folder / "tls.pem").read_bytes())[0] for folder in folders}


def written(folder: Path, text: str) -> Path:
    (folder / "console.yaml").write_text(text, encoding="utf-8")
    return folder


def test_without_a_file_parties_have_no_role(tmp_path: Path) -> None:
    """As shipped: ops and admin operate, the center's officers decide, nobody else gets in."""
    assert load_roles(tmp_path) == SHIPPED == {"ops": "operator", "center": "officer", "admin": "operator"}


def test_the_file_replaces_what_is_shipped(tmp_path: Path) -> None:
    """Whoever is not in the file has no role, ops included."""
    assert load_roles(written(tmp_path, "roles: {P37: viewer, center: officer}")) == {
        "P37": "viewer",
        "center": "officer",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("roles: {ops: operator}\nidle: 5", r":2: idle: unknown key"),
        ("roles: {ops: root}", "viewer"),
        ("roles: {opps: operator}", "opps is no principal"),
        ("roles: {P99: viewer}", "P99 is no principal"),
        ("roles: {P37: operator}", "P37 is a party's"),
        ("roles: {ops: viewer, ops: operator}", "written twice"),
        ("{}", "roles.*missing"),
    ],
)
def test_a_wrong_file_is_fatal(tmp_path: Path, text: str, said: str) -> None:
    """Unknown keys, roles and principals, and a party that would operate, are named; nothing is guessed."""
    with pytest.raises(ConfigError, match=said):
        load_roles(written(tmp_path, text))


def test_roles_include_the_lesser_ones() -> None:
    """An officer operates, an operator views, and not the other way round."""
    assert may("officer", "operator")
    assert may("operator", "viewer")
    assert not may("operator", "officer")
    assert not may("viewer", "operator")


def test_only_parties_are_confined_to_their_own() -> None:
    """A province and 部中心 see their own; the center's principals see everything."""
    assert [own_party(name) for name in ("P37", "P00", "center", "ops")] == ["37", "00", None, None]


def test_a_caller_is_known_by_the_certificate(certificates: dict[str, bytes]) -> None:
    """Principal, role, serial number, fingerprint and own party come from nowhere else."""
    caller = Gate({"P37": "viewer"}).caller(certificates["P37"])
    serial = x509.load_der_x509_certificate(certificates["P37"]).serial_number
    assert (caller.principal, caller.role, caller.party) == ("P37", "viewer", "37")
    assert int(caller.serial, 16) == serial
    assert known_as(certificates["P37"]) == ("P37", caller.serial)


def test_who_is_not_let_in(certificates: dict[str, bytes]) -> None:
    """Nobody without a certificate, without a role, with a revoked certificate, or of a suspended party."""
    serial = x509.load_der_x509_certificate(certificates["ops"]).serial_number
    gate = Gate({**SHIPPED, "P37": "viewer"}, lambda: {serial}, lambda: {"37"})
    codes = []
    for certificate in (None, certificates["monitor"], certificates["ops"], certificates["P37"]):
        with pytest.raises(Refusal) as refused:
            gate.caller(certificate)
        codes.append((refused.value.status, refused.value.code))
    assert codes == [(403, "no_certificate"), (403, "no_role"), (403, "certificate_revoked"), (403, "party_suspended")]
    assert gate.caller(certificates["admin"]).role == "operator"
