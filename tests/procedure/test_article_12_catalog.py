"""Article 12 (资源目录): the center publishes the catalog in numbered releases; what it says of coverage goes with every answer."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli.dossier_table import show_dossiers
from pipeline.demo.application import Sample
from pipeline.domain.dossiers import Dossier, Result
from pipeline.domain.parties import CENTER, MINISTRY
from pipeline.province.exports import as_csv, as_json
from pipeline.province.filing import file_application
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages import topics
from pipeline.stages.reference import ReferenceTables, make_anchor
from tests import catalog_desk as desk
from tests.network import Network
from tests.scenario import FEEDBACK, assert_equals_oracle

FROZEN = "山东省（省、市、县），1995 年以来，截至 2026-10-31"


def results_of(dossiers: list[Dossier], provider: str, category: str) -> list[Result]:
    """All persons' results of one provider in one category."""
    return [
        result
        for dossier in dossiers
        for person in dossier["persons"]
        for result in person["results"]
        if (result["provider"], result["category"]) == (provider, category)
    ]


def answered(network: Network, sample: Sample) -> list[Dossier]:
    """The sample's dossiers."""
    network.file(sample.application, sample.persons)
    network.run()
    return network.case(sample.application).dossiers()


def test_the_catalog_has_what_the_center_and_the_provinces_offer(network: Network) -> None:
    """部中心可供查询的信息和省级核对机构上报的信息: one release holds both, each entry under its provider."""
    release = network.reference.current
    assert release is not None
    providers = {provider for provider, _ in release.entries}
    assert MINISTRY in providers
    assert {"32", "37", "53"} <= providers
    for entry in release.entries.values():
        stated = ("name", "items", "region", "region_codes", "levels", "update_cycle", "sharing_conditions")
        assert all(entry[key] for key in (*stated, "period_covered", "as_of"))  # type: ignore[literal-required]
        assert (entry["version"], entry["release"]) == (1, 1)


def test_releases_are_numbered_and_any_of_them_is_there_to_be_read_later(network: Network) -> None:
    """定期发布: each release is the one before with what was reported; a newcomer rebuilds all of them from the topic."""
    for version, cycle in ((2, "每周"), (3, "每日")):
        desk.report(network, "37", desk.entry_of(network, "37", "medical", version=version, update_cycle=cycle))
        desk.accept_all(network)
        desk.publish(network)
        network.run()
    newcomer = ReferenceTables(
        make_anchor(
            network.authority.certificates,
            network.entries[CENTER],
            network.leaves,
            network.crl,
            network.identities[CENTER].signer,
            network.clock(),
        )
    )
    for message in network.broker.messages(topics.CATALOG):
        newcomer.apply(message.topic, message.key or b"", message.value)
    assert newcomer.releases() == [2, 3]  # release 1 was there before the topic of this test
    for number, cycle in ((2, "每周"), (3, "每日")):
        release, known = newcomer.release(number), network.reference.release(number)
        assert release is not None
        assert release == known
        assert release.entry("37", "medical")["update_cycle"] == cycle


def test_a_retired_resource_is_still_owed_to_who_asked_before(network: Network, sample: Sample) -> None:
    """Shown before publishing, and kept: the application's dossiers say what its own release promised.

    Were the newest release looked at, the provider would answer `category_not_offered`.
    """
    network.file(sample.application, sample.persons)
    network.run(without=("37",))
    desk.report(network, "37", retire=["vehicles"], without=["37"])
    desk.accept_all(network)
    shown = [(i.kind, i.asked.provider, i.asked.category, i.release) for i in desk.preview(network).impacts]
    assert shown == [("retired", "37", "vehicles", 1)]
    desk.publish(network)
    network.run()
    assert network.reference.current is not None
    assert ("37", "vehicles") not in network.reference.current.entries
    assert_equals_oracle(network, sample)
    assert desk.open_applications(network) == []


def test_no_record_is_said_with_coverage_and_date_wherever_it_is_shown(
    network: Network, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """查无记录: 覆盖…, 截至…: in the dossier, in JSON, in every line of CSV, and on the screen."""
    dossiers = answered(network, sample)
    empty = [r for r in results_of(dossiers, "37", "vehicles") if r["status"] == "no_record"]
    assert empty
    wanted = f"查无记录：覆盖山东省公安交管和海事登记的车船，截至 2026-10-31（受理时目录：{FROZEN}）"
    assert {result["note"] for result in empty} == {wanted}
    assert wanted in as_json(dossiers, {}).decode()
    rows = list(csv.DictReader(io.StringIO(as_csv(dossiers, {}).decode("utf-8-sig"))))
    silent = [row for row in rows if row["status"] == "no_record"]
    assert silent
    assert all(row["note"].startswith("查无记录：覆盖") and "截至 2026-" in row["note"] for row in silent)
    show_dossiers(dossiers, {}, "zh")
    shown = capsys.readouterr().out
    assert "覆盖范围和截止日期（“查无记录”以此为限）" in shown
    [line] = [line for line in shown.splitlines() if "山东省公安交管和海事登记的车船" in line]
    assert "2026-10-31" in line


def test_acceptance_freezes_the_coverage(network: Network, sample: Sample) -> None:
    """A release that comes later says something else; what was promised stays, signed by the center."""
    network.file(sample.application, sample.persons)
    network.run(without=("37",))
    place = {"region": "济南市", "region_codes": ["3701"], "as_of": "2026-11-19"}
    later = desk.entry_of(network, "37", "vehicles", version=2, **place)
    desk.report(network, "37", later, without=["37"])
    desk.accept_all(network)
    desk.publish(network)
    network.run()
    acceptance = network.case(sample.application).acceptance()
    assert acceptance is not None
    [frozen] = [
        q["coverage"] for q in acceptance["sub_queries"] if (q["provider"], q["category"]) == ("37", "vehicles")
    ]
    assert frozen == {
        "region": "山东省",
        "region_codes": ["37"],
        "levels": ["province", "city", "county"],
        "period_covered": "1995 年以来",
        "as_of": "2026-10-31",
    }
    results = results_of(network.case(sample.application).dossiers(), "37", "vehicles")
    assert {result["accepted_coverage"] for result in results} == {FROZEN}
    assert_equals_oracle(network, sample)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({}, []),
        ({"as_of": "2026-11-15"}, []),
        ({"as_of": "2026-03-31"}, ["as_of_earlier"]),
        ({"region_codes": ["3701", "3702"]}, ["region_narrower"]),
        ({"levels": ["省"]}, ["levels_fewer"]),
    ],
)
def test_an_answer_from_less_than_the_catalog_promised_is_marked(
    tmp_path: Path, network: Network, sample: Sample, change: dict[str, Any], differs: list[str]
) -> None:
    """Whoever decides on a household must know that the register was older, or smaller, than promised; found or not."""
    content = yaml.safe_load((sample.providers / "37.yaml").read_text(encoding="utf-8"))
    content["resources"]["vehicles"] |= change
    path = tmp_path / "37.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    network.connect_sources("37", open_sources(path, sqlite_url(sample.databases / "37.db")))
    dossiers = answered(network, sample)
    results = results_of(dossiers, "37", "vehicles")
    assert {r["status"] for r in results} == {"found", "no_record"}
    assert all(result["coverage_differs"] == differs for result in results)
    assert all(("注意" in (r["note"] or "")) == bool(differs) for r in results if r["status"] == "no_record")
    exported = json.loads(as_json(dossiers, {}))["dossiers"]
    assert results_of(exported, "37", "vehicles") == results
    others = [r for d in dossiers for p in d["persons"] for r in p["results"] if r["provider"] != "37"]
    assert not any(result["coverage_differs"] for result in others)


def test_what_was_never_answered_claims_no_coverage(network: Network, sample: Sample) -> None:
    """Expired is not 查无记录: it says which coverage was promised, and nothing of what is on record within it."""
    network.file(sample.application, sample.persons)
    network.run(without=("37",))
    network.pass_time(FEEDBACK + 5, without=("37",))
    results = results_of(network.case(sample.application).dossiers(), "37", "vehicles")
    assert {(r["status"], r["coverage"], r["as_of"], r["note"]) for r in results} == {("expired", None, None, None)}
    assert {result["accepted_coverage"] for result in results} == {FROZEN}


@pytest.mark.parametrize(("days", "in_force"), [(6, True), (8, False)])
def test_an_application_is_filed_under_the_release_in_force(
    network: Network, sample: Sample, days: int, in_force: bool
) -> None:
    """依据资源目录: one that was replaced more than a week before the signing has retired resources; the fault names the new one."""
    release = network.reference.current
    assert release is not None
    kept = [
        entry for entry in release.entries.values() if (entry["provider"], entry["category"]) != ("32", "education")
    ]
    network.publish(2, kept)
    network.clock.advance(days * 24 * 3600)
    member = network.parties[sample.application["requester"]]
    filing = file_application(
        sample.application,
        sample.persons,
        identity=member.identity,
        trust=network.reference.trust,
        release=1,
        now=network.clock(),
    )
    member.store.file(filing, 1, network.clock())
    network.run()
    rejection = network.case(sample.application).rejection()
    if in_force:
        assert rejection is None
    else:
        assert rejection is not None
        assert [(f["code"], f["args"]["current"]) for f in rejection["faults"]] == [("release_superseded", "2")]
