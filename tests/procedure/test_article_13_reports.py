"""Article 13 (上报): a province reports in time what it offers others of its own area, at which levels."""

from __future__ import annotations

import pytest

from pipeline.demo.providers import CATALOG
from pipeline.domain.catalog_checks import check_report
from pipeline.domain.coverage import LEVELS, coverage_of, coverage_words
from pipeline.domain.records import CatalogEntry
from pipeline.province.catalog_files import load_entries
from tests import catalog_desk as desk
from tests.network import Network


def test_a_report_names_area_and_levels(network: Network) -> None:
    """本区域各级信息资源: regions as codes of GB/T 2260, and each level whose registers are in it."""
    county = desk.entry_of(
        network,
        "37",
        "medical",
        version=2,
        region="济南市、青岛市",
        region_codes=["3701", "3702"],
        levels=["city", "county"],
    )
    desk.report(network, "37", county)
    desk.accept_all(network)
    desk.publish(network)
    network.run()
    release = network.reference.current
    assert release is not None
    entry = release.entry("37", "medical")
    assert (entry["region_codes"], entry["levels"]) == (["3701", "3702"], ["city", "county"])
    assert coverage_words(coverage_of(entry)).startswith("济南市、青岛市（市、县），")
    assert len(LEVELS) == 6


@pytest.mark.parametrize("codes", [["32"], ["3701", "320102"], ["00"]])
def test_a_province_reports_of_its_own_area_only(network: Network, codes: list[str]) -> None:
    """Nobody says what another province, or the country, has on record."""
    entry = desk.entry_of(network, "37", "medical", version=2, region_codes=codes)
    desk.report(network, "37", entry)
    [reported] = desk.on_desk(network)
    assert [fault["code"] for fault in reported.item["faults"]] == ["catalog_region_foreign"]


def test_what_a_province_offers_changes_when_it_reports_it(network: Network) -> None:
    """及时上报: the report waits for an officer, not for a date; the next application is under the new release."""
    entry = desk.entry_of(network, "37", "medical", version=2, as_of="2026-11-19")
    desk.report(network, "37", entry)
    [reported] = desk.on_desk(network)
    assert reported.item["since"] <= network.clock()
    desk.accept_all(network)
    desk.publish(network)
    network.run()
    assert network.reference.current is not None
    assert network.reference.current.entry("37", "medical")["as_of"] == "2026-11-19"
    [own] = desk.told(network, "37")
    assert own.decision is not None
    assert own.decision["accepted"]


def test_a_change_without_a_new_version_is_no_report(network: Network) -> None:
    """Two contents under one version could not be told apart by who has the older one."""
    changed = desk.entry_of(network, "37", "medical", update_cycle="每日")
    faults = check_report("37", [changed], [], network.reference.current)
    assert [fault["code"] for fault in faults] == ["catalog_version"]


def test_what_the_demos_parties_report_is_sound(network: Network) -> None:
    """Their files pass the checks that the center makes of what comes over the wire."""
    files = sorted(CATALOG.glob("*.yaml"))
    assert len(files) == 4
    for file in files:
        entries: list[CatalogEntry] = load_entries(file)
        assert check_report(file.stem, entries, [], None) == []
