"""The registry: issued once, renewed with overlap, revoked for good, and numbered so that nobody goes back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.center.registry import CRL_LIFE, Registry
from pipeline.center.registry_rows import Certificate
from pipeline.crypto import suite
from pipeline.crypto.authority import create_issuing, create_root
from pipeline.crypto.certificates import common_name
from pipeline.crypto.requests import USAGES, Request, Usage, certificate_request, read_request
from pipeline.crypto.revocation import read_crl
from pipeline.crypto.trust_log import certificates_of
from pipeline.domain.errors import ConfigError
from tests.unit.crypto.exchange import DAY, NOW, authority


def request(principal: str = "P37", usage: Usage = "sign", key: ec.EllipticCurvePrivateKey | None = None) -> Request:
    """A request over a new key."""
    hosts = ("127.0.0.1",) if principal == "broker" else ()
    return read_request(certificate_request(principal, key or suite.generate_key(), usage, hosts))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """With the center, 37 and 53 registered, and nothing issued."""
    with Registry(tmp_path / "registry.db") as made:
        for party in ("center", "37", "53"):
            made.register(party, NOW, () if party == "center" else ("10.0.0.1",))
        yield made


def equip(registry: Registry, party: str) -> list[Certificate]:
    """All three certificates of a party."""
    return [registry.issue(authority(), request(common_name(party), usage), NOW) for usage in USAGES]


def test_an_issued_certificate_is_in_entry_and_log(registry: Registry) -> None:
    """Under the digest of the request that asked for it."""
    asked = {usage: request(usage=usage) for usage in USAGES}
    issued = {usage: registry.issue(authority(), asked[usage], NOW) for usage in USAGES}
    [entry] = registry.entries()
    assert entry["signing_certificates"] == [issued["sign"].der]
    assert entry["sealing_certificates"] == [issued["encrypt"].der]
    assert entry["transport_certificates"] == [issued["tls"].der]
    assert [(leaf["index"], leaf["party"], leaf["digest"], leaf["request"]) for leaf in registry.leaves()] == [
        (index, "37", issued[usage].digest, asked[usage].digest) for index, usage in enumerate(USAGES)
    ]


def test_the_same_request_gets_the_same_certificate(registry: Registry) -> None:
    """A command run twice issues once."""
    asked = request()
    assert registry.issue(authority(), asked, NOW) == registry.issue(authority(), asked, NOW + DAY)
    assert len(registry.leaves()) == 1


def test_a_second_certificate_is_a_renewal(registry: Registry) -> None:
    """Nobody gets two by mistake, or by somebody else's request; a renewal says so."""
    registry.issue(authority(), request(), NOW)
    with pytest.raises(ConfigError, match="renew it"):
        registry.issue(authority(), request(), NOW + DAY)
    with pytest.raises(ConfigError, match="issue one"):
        registry.renew(authority(), request(usage="tls"), NOW + DAY)


def test_a_renewal_overlaps(registry: Registry) -> None:
    """Both are in the entry, the newest first; the old one stays valid to its end."""
    equip(registry, "37")
    [old] = [each for each in registry.status("P37") if each.usage == "sign"]
    new = registry.renew(authority(), request(), NOW + 700 * DAY)
    [entry] = registry.entries()
    assert entry["signing_certificates"] == [new.der, old.der]
    assert [each.state(NOW + 700 * DAY) for each in (old, new)] == ["valid", "valid"]
    assert [each.state(NOW + 731 * DAY) for each in (old, new)] == ["expired", "valid"]


def test_an_expired_certificate_stays_in_the_entry(registry: Registry) -> None:
    """What was signed under it must verify years later."""
    equip(registry, "37")
    later = NOW + 1000 * DAY
    new = registry.issue(authority(), request(), later)
    [entry] = registry.entries()
    assert len(entry["signing_certificates"]) == 2
    assert entry["signing_certificates"][0] == new.der


def test_a_key_is_certified_once(registry: Registry) -> None:
    """Neither for a second usage, nor for another party, nor again."""
    key = suite.generate_key()
    registry.issue(authority(), request(key=key), NOW)
    for other in (request(usage="encrypt", key=key), request("P53", key=key)):
        with pytest.raises(ConfigError, match="for a new key"):
            registry.issue(authority(), other, NOW)
    again = read_request(certificate_request("P37", key, "sign"))  # ECDSA: another digest
    with pytest.raises(ConfigError, match="for a new key"):
        registry.renew(authority(), again, NOW)


def test_nothing_is_issued_to_strangers_and_the_suspended(registry: Registry) -> None:
    """Joining comes first; a suspended party gets nothing."""
    with pytest.raises(ConfigError, match="not registered"):
        registry.issue(authority(), request("P11"), NOW)
    registry.suspend("37", "inspection", NOW)
    with pytest.raises(ConfigError, match="suspended"):
        registry.issue(authority(), request(), NOW)


def test_several_brokers_have_a_certificate_each(registry: Registry) -> None:
    """They are one principal on several machines."""
    first, second = (registry.issue(authority(), request("broker", "tls"), NOW) for _ in range(2))
    assert first.serial != second.serial
    assert registry.entries() == []


def test_a_revocation_is_final_and_logged(registry: Registry) -> None:
    """By serial number or digest, as openssl writes them or without colons; a second one changes nothing."""
    issued = registry.issue(authority(), request(), NOW)
    digest = ":".join(f"{byte:02X}" for byte in issued.digest)
    revoked = registry.revoke(digest, "key_compromise", NOW + DAY)
    assert registry.revoke(issued.serial.upper(), "superseded", NOW + 2 * DAY) == revoked
    assert (revoked.revoked_at, revoked.reason) == (NOW + DAY, "key_compromise")
    assert [leaf["kind"] for leaf in registry.leaves()] == ["certificate", "revocation"]
    assert [revoked.state(at) for at in (NOW, NOW + DAY)] == ["valid", "revoked"]
    with pytest.raises(ConfigError, match="no certificate 1234"):
        registry.revoke("1234", "superseded", NOW)


def test_a_revoked_request_is_not_served_again(registry: Registry) -> None:
    """Whoever lost a key asks with a new one, and gets it without a renewal."""
    asked = request()
    registry.revoke(registry.issue(authority(), asked, NOW).serial, "key_compromise", NOW)
    with pytest.raises(ConfigError, match="ask with a new key"):
        registry.issue(authority(), asked, NOW)
    assert registry.issue(authority(), request(), NOW).state(NOW) == "valid"


def test_revocation_lists_are_numbered_and_complete(registry: Registry) -> None:
    """Each one higher; expired certificates stay on them, for whoever verifies an old proof."""
    issued = registry.issue(authority(), request(), NOW)
    registry.revoke(issued.serial, "key_compromise", NOW + DAY)
    lists = [registry.crl(authority(), NOW + days * DAY) for days in (1, 2, 1000)]
    read = [read_crl(each["crl"], [authority().issuing]) for each in lists]
    assert [each.number for each in read] == [each["number"] for each in lists] == [1, 2, 3]
    for each in read:
        assert each.by_serial[int(issued.serial, 16)].at == NOW + DAY
        assert each.next_update - each.this_update == CRL_LIFE
    assert registry.newest_crl() == lists[-1]


def test_suspension_and_return_are_entries_of_their_own(registry: Registry) -> None:
    """Each with the next number; doing it twice changes nothing; the center cannot suspend itself."""
    equip(registry, "37")
    before = registry.member("37").number
    assert [registry.suspend("37", "r", NOW), registry.suspend("37", "r", NOW)] == [True, False]
    assert registry.suspended() == {"37"}
    assert [registry.resume("37", NOW), registry.resume("37", NOW)] == [True, False]
    assert (registry.member("37").number, registry.suspended()) == (before + 2, set())
    with pytest.raises(ConfigError, match="itself"):
        registry.suspend("center", "r", NOW)


def test_a_change_of_address_overlaps_and_ends(registry: Registry) -> None:
    """Both addresses are in force for as long as the party asked, then the new one only."""
    registry.change_address("37", "10.0.0.1", "10.0.0.2", NOW, overlap_days=7)
    assert registry.addresses(NOW)["37"] == ["10.0.0.1", "10.0.0.2"]
    assert registry.addresses(NOW + 7 * DAY - 1)["37"] == ["10.0.0.1", "10.0.0.2"]
    assert registry.addresses(NOW + 7 * DAY)["37"] == ["10.0.0.2"]
    assert "center" not in registry.addresses(NOW)
    equip(registry, "37")
    [entry] = registry.entries()
    assert [each["address"] for each in entry["addresses"]] == ["10.0.0.1", "10.0.0.2"]


def test_a_second_site_is_added(registry: Registry) -> None:
    """Beside the first, with the next number; once."""
    before = registry.member("37").number
    registry.add_address("37", "10.0.9.1", NOW)
    assert registry.addresses(NOW)["37"] == ["10.0.0.1", "10.0.9.1"]
    assert registry.member("37").number == before + 1
    with pytest.raises(ConfigError, match="already"):
        registry.add_address("37", "10.0.9.1", NOW)


def test_everything_done_is_in_the_trail(registry: Registry) -> None:
    """With when and why, oldest first."""
    issued = registry.issue(authority(), request(), NOW)
    registry.revoke(issued.serial, "key_compromise", NOW + 1)
    registry.suspend("37", "inspection 2026-11", NOW + 2)
    assert [(each.kind, each.at) for each in registry.trail("37")] == [
        ("registered", NOW),
        ("certificate issued", NOW),
        ("certificate revoked", NOW + 1),
        ("suspended", NOW + 2),
    ]
    assert registry.trail("37")[-1].detail == "inspection 2026-11"


def test_all_or_nothing(registry: Registry) -> None:
    """Of several changes made together none stays when one fails."""

    def both() -> None:
        with registry.together():
            registry.issue(authority(), request(), NOW)
            registry.issue(authority(), request("P11"), NOW)

    with pytest.raises(ConfigError):
        both()
    assert registry.status() == []
    assert registry.leaves() == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM certificate",
        "UPDATE certificate SET revoked_at = NULL",
        "UPDATE certificate SET der = x'00'",
        "DELETE FROM entry",
        "UPDATE entry SET suspended = 0",
        "DELETE FROM leaf",
        "UPDATE leaf SET party = '53'",
    ],
)
def test_the_file_itself_refuses_to_forget(registry: Registry, statement: str) -> None:
    """No program takes back what was issued, revoked, logged or numbered."""
    registry.revoke(registry.issue(authority(), request(), NOW).serial, "superseded", NOW)
    with pytest.raises(sqlite3.IntegrityError):
        registry._db.execute(statement)


def test_a_new_issuing_ca_goes_on_with_the_list(tmp_path: Path) -> None:
    """It revokes what the earlier one issued: to X.509 they are one CA with two keys."""
    root = create_root(NOW)
    first = create_issuing(root, NOW)
    second = create_issuing(root, NOW + DAY, first)
    with Registry(tmp_path / "registry.db") as registry:
        registry.register("37", NOW)
        old = registry.issue(first, request(), NOW)
        new = registry.renew(second, request(), NOW + DAY)
        registry.revoke(old.serial, "superseded", NOW + DAY)
        read = read_crl(registry.crl(second, NOW + DAY)["crl"], [second.issuing, *second.earlier])
    assert set(read.by_serial) == {int(old.serial, 16)}
    for der, issuer in ((old.der, first.issuing), (new.der, second.issuing)):
        x509.load_der_x509_certificate(der).verify_directly_issued_by(issuer)


class Conservation(RuleBasedStateMachine):
    """Whatever is done, in whatever order: numbers grow, nothing revoked comes back, no valid certificate is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.registry = Registry(Path(self.folder.name) / "registry.db")
        self.registry._db.execute("PRAGMA synchronous=OFF")  # nobody pulls the plug here
        self.now = NOW
        self.numbers: dict[str, int] = {}
        self.revoked: dict[str, int] = {}
        self.log: list[bytes] = []
        self.crl = 0
        for party in ("center", "37", "53"):
            self.registry.register(party, self.now, ("10.0.0.1",))

    def teardown(self) -> None:
        self.registry.close()
        self.folder.cleanup()

    @rule(days=st.integers(0, 400))
    def time_passes(self, days: int) -> None:
        self.now += days * DAY

    @rule(party=st.sampled_from(["center", "37", "53"]), usage=st.sampled_from(USAGES), renewal=st.booleans())
    def issue(self, party: str, usage: Usage, renewal: bool) -> None:
        act = self.registry.renew if renewal else self.registry.issue
        before = self.registry.member(party).number
        try:
            act(authority(), request(common_name(party), usage), self.now)
        except ConfigError:
            assert self.registry.member(party).number == before
        else:
            assert self.registry.member(party).number == before + 1

    @precondition(lambda self: self.registry.status())
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        which = data.draw(st.sampled_from(self.registry.status()))
        self.registry.revoke(which.serial, "superseded", self.now)
        self.revoked.setdefault(which.serial, self.now)

    @rule(party=st.sampled_from(["37", "53"]), out=st.booleans())
    def suspend_or_resume(self, party: str, out: bool) -> None:
        if out:
            self.registry.suspend(party, "test", self.now)
        else:
            self.registry.resume(party, self.now)

    @rule(party=st.sampled_from(["37", "53"]), last=st.integers(2, 250), days=st.integers(0, 30))
    def move(self, party: str, last: int, days: int) -> None:
        current = [each.address for each in self.registry.member(party).addresses if each.until is None]
        new = f"10.0.0.{last}"
        if new not in current:
            self.registry.change_address(party, current[0], new, self.now, overlap_days=days)
            assert {current[0], new} <= set(self.registry.addresses(self.now)[party]) or days == 0

    @rule()
    def publish_list(self) -> None:
        made = self.registry.crl(authority(), self.now)
        assert made["number"] > self.crl
        self.crl = made["number"]
        read = read_crl(made["crl"], [authority().issuing])
        assert {f"{serial:040x}" for serial in read.by_serial} == set(self.revoked)

    @invariant()
    def numbers_grow(self) -> None:
        numbers = {member.party: member.number for member in self.registry.members()}
        assert all(numbers[party] >= number for party, number in self.numbers.items())
        self.numbers = numbers

    @invariant()
    def the_log_only_grows(self) -> None:
        digests = [leaf["digest"] for leaf in self.registry.leaves()]
        assert digests[: len(self.log)] == self.log
        self.log = digests

    @invariant()
    def what_is_revoked_stays_revoked(self) -> None:
        held = {each.serial: each.revoked_at for each in self.registry.status() if each.revoked_at is not None}
        assert held == self.revoked

    @invariant()
    def entries_hold_every_certificate_and_each_is_logged(self) -> None:
        listed = {digest for entry in self.registry.entries() for digest in certificates_of(entry)}
        whole = {entry["party"] for entry in self.registry.entries()}
        assert listed == {each.digest for each in self.registry.status() if each.owner in whole}
        assert listed <= {leaf["digest"] for leaf in self.registry.leaves()}


Conservation.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestConservation = Conservation.TestCase
