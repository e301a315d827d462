"""Before the certificate nothing leaves a province but what says on every part that it is not the result (部分结果)."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.demo.application import Sample
from pipeline.province.access import entries
from pipeline.province.handover import (
    PARTIAL,
    ExportRefused,
    hand_over,
    hand_over_partial,
    refuse_partial_pack,
)
from pipeline.province.shredding import shred
from tests.delaying import withdraw
from tests.network import Network
from tests.oracle import from_dossiers
from tests.scenario import network_for, standing

LATE = "37"
"""The provider that has not answered yet."""


@pytest.fixture
def network(tmp_path: Path, sample: Sample) -> Network:
    """Everybody has answered but one."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=5)
    network.run(without=[LATE])
    return network


def unit_of(sample: Sample) -> str:
    """Who gets it."""
    return sample.application["approving_authority"]


def read_json(path: Path) -> dict[str, Any]:
    """An export."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Head lines and rows of an export."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    head = [line for line in lines if line.startswith(("#", '"#'))]
    return head, list(csv.DictReader(line for line in lines if line not in head))


def results(exported: dict[str, Any]) -> list[dict[str, Any]]:
    """Every result of an export."""
    return [r for dossier in exported["dossiers"] for person in dossier["persons"] for r in person["results"]]


def refused(network: Network, sample: Sample, path: Path, **how: Any) -> str:
    """The code with which a partial export is refused; nothing is written, and the log has the refusal."""
    case = network.case(sample.application)
    with pytest.raises(ExportRefused) as error:
        hand_over_partial(case, path, "json", unit=how.get("unit", unit_of(sample)), purpose=how.get("purpose"))
    assert not path.exists()
    last = entries(case.connection, case.application_id)[-1]
    assert (last.act, last.detail["code"]) == ("export_refused", error.value.code)
    return error.value.code


def test_without_partial_nothing_is_exported_before_the_certificate(
    network: Network, sample: Sample, tmp_path: Path
) -> None:
    """The rule that has held all along."""
    with pytest.raises(ExportRefused, match="incomplete"):
        hand_over(network.case(sample.application), tmp_path / "d.json", "json", unit=unit_of(sample))


def test_a_partial_export_shows_what_is_here_and_what_is_pending(
    network: Network, sample: Sample, tmp_path: Path
) -> None:
    """Each person x row x provider stands there once; answered ones say what the whole result will say."""
    case = network.case(sample.application)
    hand_over_partial(case, tmp_path / "d.json", "json", unit=unit_of(sample))
    partial = read_json(tmp_path / "d.json")
    assert {r["status"] for r in results(partial) if r["provider"] == LATE} == {"pending"}
    assert {r["status"] for r in results(partial) if r["provider"] == "53"} <= {"found", "no_record"}
    network.run()
    whole = network.case(sample.application).dossiers()
    seen = from_dossiers(partial["dossiers"])
    wanted = from_dossiers(whole)
    assert seen.keys() == wanted.keys()
    answered = {key: value for key, value in seen.items() if "pending" not in repr(value)}
    assert answered
    assert {key: wanted[key] for key in answered} == answered


def test_every_part_is_marked(network: Network, sample: Sample, tmp_path: Path) -> None:
    """The file, each dossier, each line of the CSV and its head; a certificate is not named, there is none."""
    case = network.case(sample.application)
    hand_over_partial(case, tmp_path / "d.json", "json", unit=unit_of(sample))
    exported = read_json(tmp_path / "d.json")
    assert exported["partial"] == PARTIAL
    assert {dossier["partial"] for dossier in exported["dossiers"]} == {PARTIAL}
    assert exported["certificate"] == ""
    hand_over_partial(case, tmp_path / "d.csv", "csv", unit=unit_of(sample))
    head, rows = read_csv(tmp_path / "d.csv")
    assert PARTIAL in head[0]
    assert rows
    assert {row["partial"] for row in rows} == {PARTIAL}


def test_the_whole_result_bears_no_mark(network: Network, sample: Sample, tmp_path: Path) -> None:
    """Or the mark would mean nothing."""
    network.run()
    case = network.case(sample.application)
    for kind in ("json", "csv"):
        hand_over(case, tmp_path / f"d.{kind}", kind, unit=unit_of(sample))
        assert "PARTIAL" not in (tmp_path / f"d.{kind}").read_text(encoding="utf-8-sig")
        assert "pending" not in (tmp_path / f"d.{kind}").read_text(encoding="utf-8-sig")


def test_a_section_that_is_certified_says_who_refused(tmp_path: Path, sample: Sample) -> None:
    """Of one that is not, a refusal is pending: only the certificate says whom it is about."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=5)
    network.run(without=["applications"])
    network.run(without=["join", LATE])
    network.run(without=[LATE])
    hand_over_partial(network.case(sample.application), tmp_path / "a.json", "json", unit=unit_of(sample))
    before = {r["status"] for r in results(read_json(tmp_path / "a.json")) if r["category"] == "business"}
    assert before == {"pending"}
    network.run(without=["applications"])  # the sections are certified, the application is not yet
    assert network.case(sample.application).certificate() is None
    hand_over_partial(network.case(sample.application), tmp_path / "b.json", "json", unit=unit_of(sample))
    after = {r["status"] for r in results(read_json(tmp_path / "b.json")) if r["category"] == "business"}
    assert after == {"refused"}


def test_after_the_certificate_there_is_nothing_partial(network: Network, sample: Sample, tmp_path: Path) -> None:
    """Also for one with gaps: what is missing then is certified."""
    network.pass_time(60 * 24 * 3600, without=[LATE])
    assert standing(network, sample.application).statuses()["expired"] > 0
    assert refused(network, sample, tmp_path / "d.json") == "certified"


@pytest.mark.parametrize(
    ("how", "code"),
    [({"unit": "另一个民政局"}, "unit_mismatch"), ({"purpose": "放贷"}, "purpose_mismatch")],
)
def test_unit_and_purpose_bind_partial_exports_too(
    network: Network, sample: Sample, tmp_path: Path, how: dict[str, str], code: str
) -> None:
    """Art. 11 knows no partial exceptions."""
    assert refused(network, sample, tmp_path / "d.json", **how) == code


def test_what_is_withdrawn_or_was_never_accepted_is_not_exported(tmp_path: Path, sample: Sample) -> None:
    """Nobody was asked, or nobody may use it."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    assert refused(network, sample, tmp_path / "d.json") == "nothing_yet"
    network.run(without=[LATE])
    withdraw(network, sample.application)
    network.run(without=[LATE])
    assert refused(network, sample, tmp_path / "d.json") == "application_withdrawn"


def test_a_sealed_pack_is_never_partial(network: Network, sample: Sample) -> None:
    """Its worth is its certificate: without one its reader could prove nothing."""
    case = network.case(sample.application)
    with pytest.raises(ExportRefused, match="partial_sealed"):
        refuse_partial_pack(case)
    last = entries(case.connection, case.application_id)[-1]
    assert (last.act, last.detail["code"]) == ("export_refused", "partial_sealed")


def test_it_is_in_the_access_log_and_known_to_shredding(network: Network, sample: Sample, tmp_path: Path) -> None:
    """Under an act of its own: `exported_partial`, with the file's digest."""
    case = network.case(sample.application)
    handed = hand_over_partial(case, tmp_path / "d.csv", "csv", unit=unit_of(sample))
    last = entries(case.connection, case.application_id)[-1]
    assert (last.number, last.act, last.detail["sha256"]) == (handed.number, "exported_partial", handed.sha256)
    [outside] = shred(case, network.clock())
    assert (outside.act, outside.sha256) == ("exported_partial", handed.sha256)
    assert outside.path == str((tmp_path / "d.csv").resolve())
