"""hedx ca, party and doctor, from the founding ceremony to revocation, as officers at two places type them."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.center.anchor_files import read_anchor
from pipeline.center.installation import Installation
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.enrolment import known_requests
from pipeline.crypto.keystore import load_identity
from pipeline.crypto.requests import USAGES
from pipeline.crypto.revocation import read_crl
from pipeline.crypto.suite import H
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage, NotReady
from pipeline.stages.anchor import trust_of

DAY = 24 * 3600 * 1000
PARTY = "37"


class Place:
    """A machine: its HEDX_HOME, and `hedx` on it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def installation(self) -> Installation:
        return Installation(self.home)

    def hedx(self, *words: str | Path, expect: Exit = Exit.FINE) -> str:
        """Run a command that ends as expected; its stdout, then its stderr."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err):
            environment.setenv("HEDX_HOME", str(self.home))
            environment.setenv("LC_ALL", "en_US.UTF-8")
            code = run([str(word) for word in words])
        told = out.getvalue() + err.getvalue()
        assert code == expect, told
        return told

    def json(self, *words: str | Path, expect: Exit = Exit.FINE) -> Any:
        """The same with --json."""
        return json.loads(self.hedx(*words, "--json", expect=expect).splitlines()[0])

    def pending(self, party: str) -> list[Path]:
        return [self.home / "parties" / party / "pending" / f"{usage}.csr" for usage in USAGES]


def papers(center: Place, party: str) -> None:
    """The written application and its filing, on record at the center (Art. 4)."""
    center.hedx("party", "application", party, "--document", "联网书面申请", "--date", "2026-01-05")
    filed = ("--document", "联网备案", "--number", "备〔2026〕1号", "--date", "2026-01-12")
    center.hedx("party", "filing", party, *filed)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, its root's folder taken away, the center as its first party, and 山东 as the next."""
    folder = tmp_path_factory.mktemp("exchange")
    center, province = Place(folder / "center"), Place(folder / "shandong")
    center.hedx("ca", "init", "--root", folder / "medium")
    (folder / "medium").rename(folder / "locked-away")
    center.hedx("party", "request", "--party", "center")
    center.hedx("party", "join", "center", *csr(center.pending("center")), "--out", folder / "first")
    center.hedx("party", "install", *pems(folder / "first"), "--party", "center")
    province.hedx("party", "request", "--party", PARTY)
    asked = csr(province.pending(PARTY))
    papers(center, PARTY)
    center.hedx("party", "join", PARTY, "--address", "10.1.2.3", *asked, "--out", folder / "handed")
    anchor = ("--anchor", folder / "handed" / "anchor")
    province.hedx("party", "install", *pems(folder / "handed"), "--party", PARTY, *anchor)
    return folder


@pytest.fixture(autouse=True)
def _own_copy(exchange: Path, tmp_path: Path) -> None:
    """Every test works on a copy."""
    shutil.copytree(exchange, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Place]:
    """Another machine, of some name."""
    return lambda name: Place(tmp_path / name)


@pytest.fixture
def center(tmp_path: Path) -> Place:
    """The center's machine."""
    return Place(tmp_path / "center")


@pytest.fixture
def province(tmp_path: Path) -> Place:
    """山东's machine."""
    return Place(tmp_path / "shandong")


def csr(paths: list[Path]) -> list[str | Path]:
    return [word for path in paths for word in ("--csr", path)]


def pems(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pem"))


def set_clock(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let so many days pass for every command."""
    at = time.time_ns() // 1_000_000 + int(days * DAY)
    for module in ("ca", "party", "party_own", "party_ip", "doctor"):
        monkeypatch.setattr(f"pipeline.cli.{module}.wall_clock", lambda: at)


def test_founding_shows_both_fingerprints_once(place: Callable[[str], Place], tmp_path: Path) -> None:
    """They are compared and written down; a second founding is refused, wherever the root may be."""
    made = place("new")
    told = made.hedx("ca", "init", "--root", tmp_path / "medium")
    for path in (tmp_path / "medium" / "root.pem", made.home / "authority" / "issuing.pem"):
        digest = x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256())
        assert ":".join(f"{byte:02X}" for byte in digest) in told
    assert "already" in made.hedx("ca", "init", "--root", tmp_path / "other", expect=Exit.FAILED)
    assert "never overwritten" in place("second").hedx("ca", "init", "--root", tmp_path / "medium", expect=Exit.FAILED)


def test_everyday_work_needs_no_root(center: Place, province: Place, tmp_path: Path) -> None:
    """Issuing, renewing, revoking, listing: the root's key is in its own folder only, which is locked away."""
    assert not list(center.home.rglob("root.key"))
    center.hedx("ca", "crl", "--out", tmp_path / "list.pem")
    assert "reading" not in center.hedx("ca", "renew-issuing", "--root", tmp_path / "gone", expect=Exit.FAILED)


def test_private_keys_stay_where_they_were_made(center: Place, province: Place, tmp_path: Path) -> None:
    """Nothing that goes to and fro holds a private key, and no key file is at both places."""
    for path in (tmp_path / "handed").rglob("*"):
        assert path.is_dir() or b"PRIVATE KEY" not in path.read_bytes()
    keys = [{path.read_bytes() for path in each.home.rglob("*.key")} for each in (center, province)]
    assert len(keys[0]) == 4
    assert len(keys[1]) == 3
    assert not keys[0] & keys[1]


def test_a_party_that_joined_can_sign_and_knows_its_requests(center: Place, province: Place) -> None:
    """Its certificates are what the center's registry publishes; the log names requests that it knows."""
    identity = load_identity(province.installation.identity_folder(PARTY))
    with center.installation.registry() as registry:
        [entry] = [entry for entry in registry.entries() if entry["party"] == PARTY]
        logged = {leaf["request"] for leaf in registry.leaves() if leaf["party"] == PARTY}
    assert entry["signing_certificates"] == [identity.signer.certificate]
    assert entry["addresses"][0]["address"] == "10.1.2.3"
    assert known_requests(province.installation.party(PARTY)).keys() == logged
    trust = trust_of(province.installation.anchor())
    assert trust.parties() == ["center"]


def test_joining_registers_nobody_for_a_wrong_request(center: Place, place: Callable[[str], Place]) -> None:
    """Another's request among three good ones: neither entry nor certificate."""
    here, there = place("here"), place("there")
    here.hedx("party", "request", "--party", "53")
    there.hedx("party", "request", "--party", "32")
    mixed, address = [*here.pending("53")[:2], there.pending("32")[2]], ("--address", "10.5.3.1")
    assert "asks for P32" in center.hedx("party", "join", "53", *csr(mixed), *address, expect=Exit.FAILED)
    assert "--address" in center.hedx("party", "join", "53", *csr(here.pending("53")), expect=Exit.USAGE)
    damaged = here.pending("53")[0]
    text = damaged.read_text()
    damaged.write_text(text[:100] + ("A" if text[100] != "A" else "B") + text[101:])
    told = center.hedx("party", "join", "53", *csr(here.pending("53")), *address, expect=Exit.FAILED)
    assert str(damaged) in told
    assert [row["party"] for row in center.json("party", "list")] == ["center", PARTY]
    assert len(center.json("ca", "status", "--all")) == 6


def test_an_anchor_of_another_exchange_is_refused(
    province: Place, place: Callable[[str], Place], tmp_path: Path
) -> None:
    """A party that has joined is not led to another root by a folder that somebody sends."""
    other = place("impostor")
    other.hedx("ca", "init", "--root", tmp_path / "impostor-root")
    other.hedx("party", "request", "--party", "center")
    other.hedx("party", "join", "center", *csr(other.pending("center")), "--out", tmp_path / "impostor-first")
    other.hedx("party", "install", *pems(tmp_path / "impostor-first"), "--party", "center")
    other.hedx("party", "anchor", "--out", tmp_path / "lure")
    province.hedx("party", "request", "--party", PARTY)
    lure = ("--party", PARTY, "--anchor", tmp_path / "lure")
    told = province.hedx("party", "install", pems(tmp_path / "impostor-first")[0], *lure, expect=Exit.FAILED)
    assert "another root" in told


def test_renewal_overlaps_and_lists_both(
    center: Place, province: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two years on but for a month: new keys at the party, old ones valid to their end."""
    set_clock(monkeypatch, 700)
    province.hedx("party", "request", "--party", PARTY, "--only", "sign", "--only", "encrypt")
    requests = province.pending(PARTY)[:2]
    told = center.hedx("ca", "issue", *requests, expect=Exit.FAILED)
    assert "renew it" in told
    center.hedx("ca", "renew", *requests, "--out", tmp_path / "renewed")
    before = load_identity(province.installation.identity_folder(PARTY))
    province.hedx("party", "install", *pems(tmp_path / "renewed"), "--party", PARTY)
    after = load_identity(province.installation.identity_folder(PARTY))
    assert after.signer.thumbprint != before.signer.thumbprint
    rows = [row for row in center.json("ca", "status") if row["party"] == PARTY and row["usage"] == "sign"]
    assert [row["days_left"] for row in rows] == [729, 29]
    assert [row["days_left"] for row in center.json("ca", "status", "--within", "60") if row["party"] == PARTY] == [
        29,
        29,
    ]


def test_what_was_signed_years_ago_still_verifies(
    center: Place, province: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three years later, under a certificate that has expired: as of then it holds, as of now it does not."""
    then = time.time_ns() // 1_000_000
    signer = load_identity(province.installation.identity_folder(PARTY)).signer
    made = signed.sign("mandate", b"payload", signer, audience="center", now=then)
    set_clock(monkeypatch, 3 * 365)
    province.hedx("party", "request", "--party", PARTY, "--only", "sign")
    center.hedx("ca", "issue", province.pending(PARTY)[0], "--out", tmp_path / "new")
    with center.installation.registry() as registry:
        entries = registry.entries()
    trust = trust_of(province.installation.anchor())
    for entry in entries:
        trust.update(entry)
    assert signed.verify(made.raw, "mandate", trust, now=then, audience="center").payload == b"payload"
    with pytest.raises((InvalidMessage, NotReady)) as refused:
        signed.verify(made.raw, "mandate", trust, now=then + 3 * 365 * DAY, audience="center")
    assert isinstance(refused.value, InvalidMessage | NotReady)
    assert refused.value.code in ("certificate_expired", "crl_stale")


def test_revoking_is_all_or_nothing_and_on_the_list(center: Place, province: Place, tmp_path: Path) -> None:
    """By serial number, with a reason; an unknown number among them revokes none."""
    serials = [row["serial"] for row in center.json("ca", "status") if row["party"] == PARTY]
    reason = ("--reason", "key-compromise")
    assert "no certificate ffff" in center.hedx("ca", "revoke", serials[0], "ffff", *reason, expect=Exit.FAILED)
    assert len(center.json("ca", "status")) == 6
    told = center.hedx("ca", "revoke", *serials[:2], *reason)
    assert "hedx ca publish" in told
    first = center.json("ca", "crl", "--out", tmp_path / "list.pem")
    assert center.json("ca", "crl")["crl"] == first["crl"] + 1
    der = x509.load_pem_x509_crl((tmp_path / "list.pem").read_bytes())
    read = read_crl(der.public_bytes(Encoding.DER), [center.installation.issuing().issuing])
    assert {f"{serial:040x}" for serial in read.by_serial} == set(serials[:2])
    assert {row["state"] for row in center.json("ca", "status", "--all") if row["party"] == PARTY} == {
        "revoked",
        "valid",
    }
    assert "--reason" in center.hedx("ca", "revoke", serials[2], expect=Exit.USAGE)


def test_a_new_issuing_ca_is_handed_to_the_parties(center: Place, province: Place, tmp_path: Path) -> None:
    """Its certificates install only where the new anchor came first; those of the earlier one go on."""
    center.hedx("ca", "renew-issuing", "--root", tmp_path / "locked-away")
    center.hedx("ca", "switch-issuing", "--yes")
    province.hedx("party", "request", "--party", PARTY)
    center.hedx("ca", "renew", *province.pending(PARTY), "--out", tmp_path / "renewed")
    files = pems(tmp_path / "renewed")
    assert "certificate for" in province.hedx("party", "install", *files, "--party", PARTY, expect=Exit.FAILED)
    center.hedx("party", "anchor", "--out", tmp_path / "anchor")
    told = province.hedx("party", "install", *files, "--party", PARTY, "--anchor", tmp_path / "anchor")
    assert "compare by telephone" in told
    assert len(province.installation.roots()) == 3
    with center.installation.registry() as registry:
        [entry] = [entry for entry in registry.entries() if entry["party"] == PARTY]
    trust = trust_of(province.installation.anchor())
    trust.update(entry)
    issuers = {
        x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        for der in entry["signing_certificates"]
    }
    assert len(issuers) == 2
    for der in entry["signing_certificates"]:
        assert trust.signer(H(der)).party == PARTY


def test_a_new_issuing_ca_signs_nothing_before_the_switch(center: Place, province: Place, tmp_path: Path) -> None:
    """The daily list is taken by who has the old anchor for as long as that takes, then by who has the new one."""
    old = trust_of(province.installation.anchor())
    center.hedx("ca", "renew-issuing", "--root", tmp_path / "locked-away")
    assert "switch-issuing first" in center.hedx(
        "ca", "renew-issuing", "--root", tmp_path / "locked-away", expect=Exit.FAILED
    )
    published(center, old)
    center.hedx("party", "anchor", "--out", tmp_path / "anchor")
    new = Trust(read_anchor(tmp_path / "anchor").roots)
    published(center, new)
    center.hedx("ca", "switch-issuing", "--yes")
    published(center, new)
    with pytest.raises(InvalidMessage) as refused:
        published(center, old)
    assert refused.value.code == "crl_invalid"
    assert "renew-issuing makes one" in center.hedx("ca", "switch-issuing", "--yes", expect=Exit.FAILED)
    assert not list(center.installation.authority.glob("*.next.key"))


def published(center: Place, trust: Trust) -> None:
    """The daily publication, its list read by who holds `trust`. Raises InvalidMessage."""
    signer = load_identity(center.installation.identity_folder("center")).signer
    outputs = center.installation.publication(signer, time.time_ns() // 1_000_000)
    [crl] = [output.value for output in outputs if output.key == b"crl"]
    trust.revoke(framing.decode_as("RevocationList", signed.peek(crl or b"").payload))  # type: ignore[arg-type]


def test_a_service_gets_a_tls_certificate(center: Place, place: Callable[[str], Place], tmp_path: Path) -> None:
    """A broker says under which names it is reached; nobody else may."""
    broker = place("broker-1")
    assert "--host" in broker.hedx("party", "request", "--service", "broker", expect=Exit.USAGE)
    assert "--host" in broker.hedx("party", "request", "--party", PARTY, "--host", "x", expect=Exit.USAGE)
    broker.hedx("party", "request", "--service", "broker", "--host", "10.9.0.1", "--host", "kafka-1.hedx")
    request = broker.home / "principals" / "broker" / "pending" / "tls.csr"
    [row] = center.json("ca", "issue", request, "--out", tmp_path / "out")
    center.hedx("party", "anchor", "--out", tmp_path / "anchor")
    broker.hedx("party", "install", row["file"], "--service", "broker", "--anchor", tmp_path / "anchor")
    assert {path.name for path in (broker.home / "principals" / "broker").iterdir() if path.is_file()} == {
        "passphrase",
        "tls.key",
        "tls.pem",
        "authorities.pem",
    }


def test_a_party_is_shown_with_all_that_was_done_to_it(center: Place, province: Place) -> None:
    """In words for officials, Chinese or English, and as JSON."""
    shown = center.json("party", "show", PARTY)
    assert shown["addresses"] == ["10.1.2.3"]
    assert [each["kind"] for each in shown["trail"]] == [
        "application recorded",
        "filing recorded",
        "registered",
        *["certificate issued"] * 3,
    ]
    assert "Shandong" in center.hedx("party", "list", "--lang", "en")
    chinese = center.hedx("party", "show", PARTY, "--lang", "zh")
    assert all(word in chinese for word in ("山东", "登记地址", "签发证书", "剩余天数"))
    assert "not registered" in center.hedx("party", "show", "53", expect=Exit.FAILED)
    assert "is no party" in center.hedx("party", "show", "99", expect=Exit.USAGE)


def test_doctor_is_content_with_a_new_installation(center: Place, province: Place) -> None:
    """At the center and at the party, each looking at what it has; the center's list is new."""
    for each in (center, province):
        assert each.json("doctor", "--only", "files")["findings"] == []
    assert "all is well" in province.hedx("doctor", "--only", "files")
    assert "一切正常" in province.hedx("doctor", "--only", "files", "--lang", "zh")


@pytest.mark.parametrize(
    ("days", "severities"),
    [(365 - 61, set()), (365 - 59, {"notice"}), (365 - 29, {"warning"}), (365 - 6, {"alarm"}), (366, {"alarm"})],
)
def test_doctor_warns_before_certificates_expire(
    province: Place, monkeypatch: pytest.MonkeyPatch, days: int, severities: set[str]
) -> None:
    """The TLS certificate is the first to end, after a year; the revocation list is another matter."""
    set_clock(monkeypatch, days)
    findings = province.json("doctor", "--only", "files", expect=Exit.UNHEALTHY)["findings"]
    about = [each for each in findings if each.get("usage") == "tls"]
    assert {each["severity"] for each in about} == severities
    assert all("hedx party request" in each["cure"] for each in about)
    assert "crl_stale" in {each["code"] for each in findings}  # nobody has published for a year


def test_doctor_finds_keys_open_to_others(province: Place) -> None:
    """And exits 10."""
    os.chmod(province.installation.identity_folder(PARTY) / "sign.key", 0o644)
    told = province.json("doctor", "--only", "files", expect=Exit.UNHEALTHY)
    [finding] = told["findings"]
    assert (told["healthy"], finding["code"]) == (False, "file_open")
    assert "chmod" in finding["cure"]


def test_doctor_finds_a_revoked_certificate(center: Place) -> None:
    """Of which there is no other."""
    found = center.json("ca", "status")
    [serial] = [row["serial"] for row in found if (row["party"], row["usage"]) == ("center", "sign")]
    center.hedx("ca", "revoke", serial, "--reason", "superseded")
    center.hedx("ca", "crl")
    codes = [each["code"] for each in center.json("doctor", "--only", "files", expect=Exit.UNHEALTHY)["findings"]]
    assert codes == ["certificate_revoked"]


def test_doctor_writes_metrics(province: Place, tmp_path: Path) -> None:
    """One line a certificate, for node_exporter."""
    province.hedx("doctor", "--only", "files", "--metrics", tmp_path / "hedx.prom")
    lines = (tmp_path / "hedx.prom").read_text().splitlines()
    assert sum(line.startswith('hedx_certificate_expiry_seconds{party="37"') for line in lines) == 3
    assert sum(line.startswith('hedx_certificate_expiry_seconds{party="ca"') for line in lines) == 2
    assert any(line.startswith("hedx_crl_next_update_seconds ") for line in lines)


def test_doctor_looks_at_a_party_that_has_not_joined_yet(place: Callable[[str], Place], tmp_path: Path) -> None:
    """Its requests wait; after a week that is worth a notice."""
    made = place("early")
    made.hedx("party", "request", "--party", "53")
    assert made.json("doctor", "--only", "files")["findings"] == []
    for path in made.pending("53"):
        os.utime(path, (0, 0))
    assert {each["code"] for each in made.json("doctor", "--only", "files")["findings"]} == {"request_waits"}


def test_doctor_wants_an_installation(place: Callable[[str], Place]) -> None:
    """A wrong HEDX_HOME is not reported as a healthy one."""
    assert "HEDX_HOME" in place("nowhere").hedx("doctor", expect=Exit.FAILED)
