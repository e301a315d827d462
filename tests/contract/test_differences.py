"""What a re-check changed: signed by the requester, kept encrypted with it, read under both applications' keys only."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.records import Person
from pipeline.province import differences, shredding
from pipeline.province.access import entries
from pipeline.province.casefile import CaseFile
from pipeline.province.differences import differences_of
from pipeline.province.handover import hand_over
from tests.disputes import PROVIDER, ROWS, Original, register_vehicle, with_id
from tests.scenario import network_for, small_sample

OLD, NEW = "鲁A00001", "鲁A00002"


@pytest.fixture
def person(original: Original) -> Person:
    """Who has one vehicle in the original; in the re-check it is another model, and there are two."""
    return with_id(original.sample.persons)[3]


@pytest.fixture
def original(tmp_path: Path) -> Original:
    """An original in which somebody of the roster has a vehicle."""
    sample = small_sample(tmp_path, *ROWS)
    register_vehicle(sample, with_id(sample.persons)[3], OLD, "大众 捷达")
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    return Original(sample, network)


@pytest.fixture
def recheck(original: Original, person: Person) -> CaseFile:
    """Its re-check, after the register changed."""
    register_vehicle(original.sample, person, OLD, "比亚迪 秦")
    register_vehicle(original.sample, person, NEW, "长城 哈弗")
    filed = original.recheck([person["number"]], [1], PROVIDER)
    original.network.run()
    return original.network.case(filed)


def test_every_field_that_changed_is_there(recheck: CaseFile, person: Person) -> None:
    """The model of the one that was known, and all of the one that is new."""
    found = differences_of(recheck)
    told = {(d["entry"], d["item"]): (d["before"], d["after"]) for d in found.differences}
    assert {d["number"] for d in found.differences} == {person["number"]}
    assert {d["provider"] for d in found.differences} == {PROVIDER}
    assert told[1, "model"] == ("大众 捷达", "比亚迪 秦")
    assert told[2, "plate"] == (None, NEW)
    assert (1, "plate") not in told
    assert (found.compared, found.attempt) == (1, 2)


def test_it_is_signed_by_the_requester_and_names_both_certificates(recheck: CaseFile, original: Original) -> None:
    """Whoever has the signed object and the two certificates can check it: it is a statement of the province's own."""
    found = differences_of(recheck)
    [raw] = found.signed
    trust = original.network.reference.trust
    verified = signed.verify(raw, "differences", trust, now=original.network.clock(), issuer="53", audience="53")
    record = framing.decode_as("Differences", verified.payload)
    first, second = original.network.case(original.application).certificate(), recheck.certificate()
    assert first is not None
    assert second is not None
    assert (record["before"], record["after"]) == (first.digest, second.digest)
    assert record["differences"] == found.differences


def test_it_is_compared_and_signed_once(recheck: CaseFile) -> None:
    """The second reading shows the very object of the first."""
    assert differences_of(recheck).signed == differences_of(recheck).signed


def test_what_is_kept_is_encrypted_and_on_no_topic(recheck: CaseFile, original: Original, tmp_path: Path) -> None:
    """Values of persons are nowhere in the store's files in clear, and nothing of it is sent."""
    network = original.network
    before = network._ends()
    differences_of(recheck)
    network.run()
    assert network._ends() == before
    secrets = [text.encode() for text in (NEW, "比亚迪 秦", "大众 捷达")]
    for path in (tmp_path / "parties" / "53").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret in content], path.name


def test_the_access_logs_of_both_say_so(recheck: CaseFile, original: Original) -> None:
    """Values of both are read, every time."""
    differences_of(recheck)
    differences_of(recheck)
    for application_id in (recheck.application_id, original.id):
        acts = [(e.act, e.detail.get("what")) for e in entries(recheck.connection, application_id)]
        assert acts.count(("read", "differences")) == 2


def test_what_was_put_in_its_place_is_found(recheck: CaseFile, original: Original, person: Person) -> None:
    """The kept differences of another re-check do not pass for this one's, nor a part that is missing."""
    differences_of(recheck)
    other = original.recheck([person["number"]], [1], PROVIDER)
    original.network.run()
    case = original.network.case(other)
    differences_of(case)
    db: sqlite3.Connection = case.connection
    rows = recheck.rows()
    query = "SELECT signed FROM difference WHERE application_id = ?"
    [foreign] = db.execute(query, (case.application_id,)).fetchone()
    db.execute("UPDATE difference SET signed = ? WHERE application_id = ?", (foreign, recheck.application_id))
    with pytest.raises(InvalidMessage, match="decrypt_failed"):
        differences_of(recheck)
    moved = rows.seal("difference", case.rows().open("difference", foreign))
    db.execute("UPDATE difference SET signed = ? WHERE application_id = ?", (moved, recheck.application_id))
    with pytest.raises(InvalidMessage, match="differences_mismatch"):
        differences_of(recheck)


def test_a_long_list_is_signed_in_parts(recheck: CaseFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed object has 900 KiB at most; every part names how many there are, and one that is missing is missed."""
    monkeypatch.setattr(differences, "PART_SIZE", 60)
    found = differences_of(recheck)
    assert len(found.signed) > 2
    assert (2, "plate") in {(d["entry"], d["item"]) for d in found.differences}
    recheck.connection.execute("DELETE FROM difference WHERE part = 2")
    with pytest.raises(InvalidMessage, match="differences_mismatch"):
        differences_of(recheck)


def test_a_first_application_and_one_without_certificate_have_none(original: Original, person: Person) -> None:
    """There is nothing to compare, or not yet."""
    with pytest.raises(ConfigError, match="is no re-check"):
        differences_of(original.network.case(original.application))
    waiting = original.recheck([person["number"]], [1], PROVIDER)
    with pytest.raises(ConfigError, match="not complete"):
        differences_of(original.network.case(waiting))


@pytest.mark.parametrize("which", ["original", "recheck"])
def test_shredding_either_destroys_them(recheck: CaseFile, original: Original, which: str, tmp_path: Path) -> None:
    """They hold values of both. The other application is read and exported as before."""
    differences_of(recheck)
    shredded = original.network.case(original.application) if which == "original" else recheck
    shredding.shred(shredded, original.network.clock())
    assert recheck.connection.execute("SELECT count(*) FROM difference").fetchone() == (0,)
    with pytest.raises(ConfigError, match="shredded"):
        differences_of(recheck.beside(recheck.application_id))
    if which == "original":
        case = recheck.beside(recheck.application_id)
        hand_over(case, tmp_path / "d.json", "json", unit=original.application["approving_authority"])
        assert json.loads((tmp_path / "d.json").read_text())["differences"] is None


def test_an_export_has_them_beside_the_dossiers(
    recheck: CaseFile, original: Original, person: Person, tmp_path: Path
) -> None:
    """In JSON whole, with what was signed; in CSV how many there are, above the lines."""
    unit = original.application["approving_authority"]
    hand_over(recheck, tmp_path / "d.json", "json", unit=unit)
    exported: dict[str, Any] = json.loads((tmp_path / "d.json").read_text())
    found = differences_of(recheck)
    told = exported["differences"]["differences"]
    assert {difference.pop("sub_query") for difference in told} == {f"{original.id}/{person['number']}/1/{PROVIDER}"}
    assert told == found.differences
    assert [bytes.fromhex(raw) for raw in exported["differences"]["signed"]] == found.signed
    assert exported["application"]["recheck"]["original"] == original.id
    assert bytes.fromhex(exported["application"]["recheck"]["certificate"]) == found.before
    hand_over(recheck, tmp_path / "d.csv", "csv", unit=unit)
    [line] = [
        row[0]
        for row in csv.reader((tmp_path / "d.csv").read_text(encoding="utf-8-sig").splitlines())
        if row[0].startswith("# 复核")
    ]
    assert original.id in line
    assert f"差异 {len(found.differences)} 处" in line
