"""Results go to the unit of the mandate and to nobody else, and every opening, reading and export is in the log (Art. 11)."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from pipeline.crypto.trust import Trust
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.province import access
from pipeline.province.access import AccessEntry
from pipeline.province.casefile import CaseFile
from pipeline.province.exports import COLUMNS
from pipeline.province.handover import NOTICE, ExportRefused, Kind, hand_over, hand_over_sealed
from tests.network import Network
from tests.scenario import REQUESTER, network_for


@pytest.fixture
def network(sample: Sample, tmp_path: Path) -> Network:
    """The application done."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    return network


@pytest.fixture
def unit(sample: Sample) -> str:
    """The entrusting unit of the mandate."""
    return sample.application["approving_authority"]


def log_of(network: Network, party: str = REQUESTER) -> list[AccessEntry]:
    return access.entries(network.parties[party].store.connection)


def refused(case: CaseFile, path: Path, **asked: str) -> str:
    """The code of a refused export; no file is there after it, and the log has the code."""
    with pytest.raises(ExportRefused) as caught:
        hand_over(case, path, "json", **asked)
    assert not path.exists()
    last = access.entries(case.connection)[-1]
    assert (last.act, last.detail["code"]) == ("export_refused", caught.value.code)
    return caught.value.code


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_the_unit_of_the_mandate_gets_the_dossiers_and_reads_what_they_are_for(
    network: Network, sample: Sample, unit: str, tmp_path: Path, kind: Kind
) -> None:
    """Unit, purpose, category, certificate and the article stand in the file, whose digest stands in the log."""
    case, path = network.case(sample.application), tmp_path / f"dossiers.{kind}"
    handed = hand_over(case, path, kind, unit=unit, purpose=sample.application["purpose"])
    text = path.read_text(encoding="utf-8-sig")
    certificate = case.certificate()
    assert certificate is not None
    for said in (NOTICE, unit, sample.application["purpose"], "最低生活保障", certificate.digest.hex()):
        assert said in text
    assert path.stat().st_mode & 0o077 == 0
    last = log_of(network)[-1]
    assert (last.number, last.act, last.unit) == (handed.number, "exported", unit)
    assert last.detail["sha256"] == handed.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert last.detail["households"] == len(case.dossiers())


def test_an_export_says_what_reading_says(network: Network, sample: Sample, unit: str, tmp_path: Path) -> None:
    """The same dossiers; in CSV the head is five lines that a reader can pass over."""
    case = network.case(sample.application)
    hand_over(case, tmp_path / "d.json", "json", unit=unit)
    assert json.loads((tmp_path / "d.json").read_text())["dossiers"] == case.dossiers()
    hand_over(case, tmp_path / "d.csv", "csv", unit=unit)
    lines = (tmp_path / "d.csv").read_text(encoding="utf-8-sig").splitlines()
    body = [line for line in lines if not line.startswith("#")]
    assert len(lines) - len(body) == 5
    assert tuple(next(csv.reader(body))) == COLUMNS


@pytest.mark.parametrize("written", ["　{}　", "{}\n", " {}"])
def test_the_same_unit_otherwise_written_is_the_same(
    network: Network, sample: Sample, unit: str, tmp_path: Path, written: str
) -> None:
    """Blanks around it and full width are no other unit."""
    hand_over(network.case(sample.application), tmp_path / "d.json", "json", unit=written.format(unit))
    assert (tmp_path / "d.json").exists()


@pytest.mark.parametrize("other", ["某银行", "", "{}一", "{} 二科", "民政局"])
def test_another_unit_gets_nothing(network: Network, sample: Sample, unit: str, tmp_path: Path, other: str) -> None:
    """Neither one that contains it nor one that is contained in it; and the log names nobody, only a digest."""
    named = other.format(unit)
    assert refused(network.case(sample.application), tmp_path / "d.json", unit=named) == "unit_mismatch"
    assert log_of(network)[-1].detail["unit_named"] == hashlib.sha256(named.encode()).hexdigest()


def test_another_purpose_gets_nothing(network: Network, sample: Sample, unit: str, tmp_path: Path) -> None:
    """Used for, or in disguise for, something else."""
    case = network.case(sample.application)
    assert refused(case, tmp_path / "d.json", unit=unit, purpose="贷款审批") == "purpose_mismatch"


def test_what_is_not_whole_over_or_suspended_is_not_exported(
    network: Network, sample: Sample, unit: str, tmp_path: Path
) -> None:
    """Each has a code of its own."""
    db = network.parties[REQUESTER].store.connection
    for state in ("withdrawn", "rejected"):
        db.execute("UPDATE application SET state = ?", (state,))
        case = network.case(sample.application)
        assert refused(case, tmp_path / "d.json", unit=unit) == f"application_{state}"
    db.execute("UPDATE application SET state = 'certified'")
    network.parties[REQUESTER].store.note_suspension(True)
    assert refused(network.case(sample.application), tmp_path / "d.json", unit=unit) == "party_suspended"
    network.parties[REQUESTER].store.note_suspension(False)
    db.execute("DELETE FROM bundle WHERE provider = '37'")
    assert refused(network.case(sample.application), tmp_path / "d.json", unit=unit) == "incomplete"


def test_a_suspension_that_the_adapter_hears_of_stops_exports(
    network: Network, sample: Sample, unit: str, tmp_path: Path
) -> None:
    """And its end lets them go on."""
    entry = network.entries[REQUESTER]
    for number, suspended in ((2, True), (3, False)):
        network.reference.trust.update({**entry, "number": number, "suspended": suspended})
        network.parties[REQUESTER].deliveries.tend()
        assert network.case(sample.application).suspended() is suspended
    hand_over(network.case(sample.application), tmp_path / "d.json", "json", unit=unit)


def test_a_pack_is_not_made_where_the_province_holds_the_key(
    network: Network, sample: Sample, unit: str, tmp_path: Path
) -> None:
    """There is nothing sealed to the unit to put in."""
    with pytest.raises(ExportRefused) as caught:
        hand_over_sealed(network.case(sample.application), tmp_path / "pack", unit=unit)
    assert caught.value.code == "not_held_by_unit"
    assert log_of(network)[-1].detail["sealed"] is True


def test_a_mandate_put_in_the_place_of_the_one_filed_is_seen(network: Network, sample: Sample, tmp_path: Path) -> None:
    """Whoever has the file cannot make it another unit's: the certificate names the mandate by its digest."""
    other = {**sample.application, "application_id": "a0000000-0000-4000-8000-000000000000"}
    filing = network.file({**other, "approving_authority": "某银行"}, sample.persons)  # type: ignore[typeddict-item]
    network.parties[REQUESTER].store.connection.execute(
        "UPDATE application SET mandate = ?, mandate_digest = ? WHERE application_id = ?",
        (filing.mandate_raw, filing.mandate_digest, sample.application["application_id"]),
    )
    with pytest.raises(InvalidMessage) as caught:
        hand_over(network.case(sample.application), tmp_path / "d.json", "json", unit="某银行")
    assert caught.value.code == "mandate_mismatch"
    last = log_of(network)[-1]
    assert (last.act, last.detail["code"]) == ("export_refused", "mandate_mismatch")


def test_the_requesters_log_has_every_bundle_opened_and_every_reading(network: Network, sample: Sample) -> None:
    """Who, when, for whom and for which purpose; counts and digests, and no person."""
    case = network.case(sample.application)
    opened = log_of(network)
    held = network.parties[REQUESTER].store.connection
    digests = {row[0].hex() for row in held.execute("SELECT DISTINCT digest FROM answer")}
    own = [entry for entry in opened if "provider" in entry.detail]  # 云南 is asked as well, by itself
    assert {entry.detail["bundle"] for entry in own} == digests
    assert {(entry.act, entry.actor) for entry in own} == {("opened", "process:adapter")}
    assert sum(entry.detail["answers"] for entry in own) == held.execute("SELECT count(*) FROM answer").fetchone()[0]
    case.dossiers()
    case.roster()
    case.form()
    read = log_of(network)[len(opened) :]
    assert [(entry.act, entry.detail["what"]) for entry in read] == [
        ("read", w) for w in ("dossiers", "roster", "form")
    ]
    assert all(entry.actor == access.user() for entry in read)
    for entry in log_of(network):
        assert (entry.unit, entry.purpose) == (sample.application["approving_authority"], sample.application["purpose"])
        said = json.dumps(entry.detail, ensure_ascii=False)
        assert not any(p["name"] in said or (p["document_number"] or "-") in said for p in sample.persons)


def test_a_providers_log_has_every_roster_it_opened(network: Network, sample: Sample) -> None:
    """Who asked about how many persons, for which unit and purpose: by the mandate, not by the center's word."""
    [entry] = log_of(network, "37")
    assert (entry.act, entry.requester, entry.detail["persons"]) == ("opened", REQUESTER, len(sample.persons))
    assert (entry.unit, entry.purpose) == (sample.application["approving_authority"], sample.application["purpose"])
    assert entry.application_id == sample.application["application_id"]


def test_what_cannot_be_logged_is_not_read(network: Network, sample: Sample, unit: str, tmp_path: Path) -> None:
    """The row comes first: a log that does not take it keeps the dossiers closed."""
    case = network.case(sample.application)
    case.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON access BEGIN SELECT RAISE(ABORT, 'no space left'); END"
    )
    for read in (case.dossiers, case.roster, case.form, lambda: hand_over(case, tmp_path / "d", "json", unit=unit)):
        with pytest.raises(Exception, match="no space left"):
            read()
    assert not (tmp_path / "d").exists()


def test_state_and_certificate_need_no_key(network: Network, sample: Sample) -> None:
    """Persons and answers do."""
    store = network.parties[REQUESTER].store.connection
    case = CaseFile(store, sample.application["application_id"], network.reference.trust)
    assert (case.state, case.is_complete(), case.certificate() is not None) == ("incomplete", True, True)
    before = len(log_of(network))
    for read in (case.dossiers, case.roster, case.form):
        with pytest.raises(ConfigError, match="identity"):
            read()
    assert len(log_of(network)) == before


def test_another_partys_identity_reads_nothing(network: Network, sample: Sample) -> None:
    """Its keys do not unlock the application's."""
    store = network.parties[REQUESTER].store.connection
    trust: Trust = network.reference.trust
    case = CaseFile(store, sample.application["application_id"], trust, network.identities["37"])
    with pytest.raises(InvalidMessage) as caught:
        case.dossiers()
    assert caught.value.code == "not_a_recipient"
