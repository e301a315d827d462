"""`hedx apply export | shred | status`, `hedx access`, `hedx unit`: as an official and a unit use them."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.codec import framing
from pipeline.demo.application import Sample
from pipeline.province.unit_keys import read_public
from tests.network import Network
from tests.scenario import REQUESTER

PASSPHRASE = "correct horse battery"


@pytest.fixture
def done(home: Network, sample: Sample) -> str:
    """The application, filed and finished; its id."""
    home.file(sample.application, sample.persons)
    home.run()
    return sample.application["application_id"]


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command with --json said on stdout since the last look."""
    return json.loads(capsys.readouterr().out)


def unit_of(sample: Sample) -> str:
    return sample.application["approving_authority"]


def test_an_export_needs_a_unit(done: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever does not say for whom gets a usage error and no file."""
    assert run(["apply", "export", done, "-o", "d.json"]) == Exit.USAGE
    assert "--unit" in capsys.readouterr().err
    assert not Path("d.json").exists()


def test_an_export_for_the_unit_of_the_mandate(done: str, sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    """The file, its digest, its row in the log."""
    assert run(["apply", "export", done, "--unit", unit_of(sample), "--format", "csv", "-o", "d.csv", "--json"]) == 0
    found = said(capsys)
    assert found["sha256"] == hashlib.sha256(Path("d.csv").read_bytes()).hexdigest()
    lines = Path("d.csv").read_text(encoding="utf-8-sig").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert {row["name"] for row in rows} == {person["name"] for person in sample.persons}
    assert run(["access", "list", "--application", done, "--json"]) == 0
    last = said(capsys)[-1]
    assert (last["number"], last["act"], last["detail"]["sha256"]) == (found["access"], "exported", found["sha256"])
    assert last["actor"].startswith("user:")


def test_an_export_for_another_unit_is_refused_and_logged(done: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the code on stderr, a row in the log."""
    assert run(["apply", "export", done, "--unit", "某银行", "-o", "d.json"]) == Exit.FAILED
    assert "unit_mismatch" in capsys.readouterr().err
    assert not Path("d.json").exists()
    assert run(["access", "list"]) == 0
    assert "export_refused" in capsys.readouterr().out


def test_status_opens_nothing(done: str, sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    """It says done, not found; and leaves no trace in the log, for nobody's data were read."""
    assert run(["access", "list", "--json"]) == 0
    before = said(capsys)
    assert run(["apply", "status", done, "--json"]) == Exit.FINE
    found = said(capsys)
    assert (found["state"], found["complete"]) == ("completed", True)
    assert found["by_status"] == {"done": 2 * len(sample.persons)}
    assert run(["access", "list", "--json"]) == 0
    assert said(capsys) == before


def test_shredding_asks_for_the_id(
    done: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is typed must be the id; else nothing is destroyed."""
    monkeypatch.setattr("click.prompt", lambda *_, **__: "yes")
    assert run(["apply", "shred", done]) == Exit.USAGE
    assert "nothing was destroyed" in capsys.readouterr().err
    assert Path("parties", REQUESTER, "keys", done).exists()
    monkeypatch.setattr("click.prompt", lambda *_, **__: done)
    assert run(["apply", "shred", done]) == Exit.FINE
    assert not Path("parties", REQUESTER, "keys", done).exists()


def test_a_shredded_application_shows_its_evidence(
    done: str, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """Listed as shredded, certificate verified; exports are named as out of reach, and there is no other."""
    assert run(["apply", "export", done, "--unit", unit_of(sample), "-o", "d.json", "--json"]) == 0
    digest = said(capsys)["sha256"]
    assert run(["apply", "shred", done, "--yes", "--json"]) == Exit.FINE
    [file] = said(capsys)["out_of_reach"]
    assert (file["file"], file["sha256"], file["unit"]) == (str(Path("d.json").resolve()), digest, unit_of(sample))
    assert run(["apply", "status", done, "--json"]) == Exit.FINE
    found = said(capsys)
    assert found["state"] == "shredded"
    assert len(found["certificate"]) == 64
    assert run(["apply", "status", "--json"]) == Exit.FINE
    assert said(capsys)[0]["state"] == "shredded"
    assert run(["apply", "export", done, "--unit", unit_of(sample), "-o", "e.json"]) == Exit.FAILED
    assert "shredded" in capsys.readouterr().err


def test_a_unit_makes_its_keys_and_opens_its_pack_without_the_province(
    home: Network, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """keygen, a filing under its key, a sealed export, open: the dossiers of the ordinary way."""
    Path("pass").write_text(PASSPHRASE + "\n")
    assert run(["unit", "keygen", "-o", "unit", "--count", "2", "--passphrase-file", "pass", "--json"]) == 0
    public, other = said(capsys)
    key = Path(public).with_suffix(".key")
    assert key.stat().st_mode & 0o077 == 0
    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    assert read_public(Path(public)).kid != read_public(Path(other)).kid
    home.file(sample.application, sample.persons, reply_key=read_public(Path(public)))
    home.run()
    application_id = sample.application["application_id"]
    assert run(["apply", "status", application_id, "--json"]) == Exit.FINE
    assert said(capsys)["held_by_unit"] is True
    asked = ["apply", "export", application_id, "--unit", unit_of(sample)]
    assert run([*asked, "-o", "d.json"]) == Exit.FAILED
    assert "held_by_unit" in capsys.readouterr().err
    assert run([*asked, "--sealed", "-o", "pack", "--json"]) == 0
    assert "dossiers" not in said(capsys)
    opening = ["unit", "open", "pack", "--roots", "anchor/authorities.pem", "--passphrase-file", "pass", "--key"]
    assert run([*opening, "unit", "-o", "opened.json", "--json"]) == 0
    told = capsys.readouterr()
    assert "REVOCATION WAS NOT CHECKED" in told.err
    unchecked = json.loads(told.out.splitlines()[0])
    assert (unchecked["unit"], unchecked["revocation_list"]) == (unit_of(sample), None)
    crl = home.new_crl(17)
    pem = x509.load_der_x509_crl(crl["crl"]).public_bytes(Encoding.PEM)
    for content in (crl["crl"], pem, framing.encode("RevocationList", crl)):
        Path("list").write_bytes(content)
        assert run([*opening, "unit", "-o", "checked.json", "--crl", "list", "--json"]) == 0
        told = capsys.readouterr()
        assert "revocation was checked as of" in told.err
        assert json.loads(told.out.splitlines()[0])["revocation_list"] == 17
    Path("list").write_bytes(b"no list")
    assert run([*opening, "unit", "-o", "x.json", "--crl", "list"]) == Exit.FAILED
    assert "no revocation list" in capsys.readouterr().err
    opened = json.loads(Path("opened.json").read_text())
    assert {p["name"] for d in opened["dossiers"] for p in d["persons"]} == {p["name"] for p in sample.persons}
    assert opened["unit"] == unit_of(sample)
    assert opened["application"] == sample.application
    assert run([*opening, str(Path(other).with_suffix(".key")), "-o", "x.json"]) == Exit.FAILED
    assert "another key" in capsys.readouterr().err
    Path("pass").write_text("wrong passphrase")
    assert run([*opening, "unit", "-o", "x.json"]) == Exit.FAILED
    assert "passphrase" in capsys.readouterr().err
    assert not Path("x.json").exists()


def test_a_short_passphrase_protects_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused before a key is made."""
    monkeypatch.chdir(tmp_path)
    Path("pass").write_text("short")
    assert run(["unit", "keygen", "-o", "unit", "--passphrase-file", "pass"]) == Exit.FAILED
    assert "12 characters" in capsys.readouterr().err
    assert not Path("unit").exists()


def test_what_others_wrote_forges_no_line_in_the_list(
    home: Network, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """A purpose comes from another province; controls in it are shown, not obeyed."""
    purpose = "最低生活保障\x1b[2J\u202e审核"
    application: Any = {**sample.application, "purpose": purpose}
    home.file(application, sample.persons)
    assert home.case(application).form()["purpose"] == purpose
    assert run(["access", "list"]) == 0
    out = capsys.readouterr().out
    assert "\x1b[2J" not in out
    assert "\u202e" not in out
    assert "\\u202e" in out
