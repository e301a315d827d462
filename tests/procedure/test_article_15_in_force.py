"""Article 15 (自发布之日起实施): what the regulation orders holds from the first day, before anybody has set anything."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pipeline.center.installation import Installation, set_up
from pipeline.demo.application import TODAY, Sample
from pipeline.domain.calendar import EVIDENCE_WORKING_DAYS, START_WORKING_DAYS
from pipeline.domain.parties import PROVINCES
from pipeline.domain.rules import CaseFacts
from pipeline.province.calendar_files import load_calendar
from pipeline.province.evidence_retention import load_retention
from pipeline.province.rule_files import load_rule_book
from tests.network import Network
from tests.scenario import assert_equals_oracle, bundles_in, network_for, schedule_of, with_form

NOW = 1_795_150_800_000


@pytest.fixture
def fresh(tmp_path: Path) -> Installation:
    """An installation as its set-up leaves it: keys, and not one file of an operator's."""
    installation = Installation(tmp_path / "home")
    set_up(installation, ["00", "37"], NOW)
    return installation


def test_limits_are_counted_from_the_first_day(fresh: Installation) -> None:
    """Two working days to the start and five for documents: known without a calendar file of the operator's."""
    calendar = load_calendar(fresh.folder / "calendar")
    assert (START_WORKING_DAYS, EVIDENCE_WORKING_DAYS) == (2, 5)
    assert calendar.after(dt.date(2026, 11, 20), START_WORKING_DAYS) == dt.date(2026, 11, 24)  # over a weekend
    assert calendar.after(dt.date(2026, 11, 20), EVIDENCE_WORKING_DAYS) == dt.date(2026, 11, 27)


def test_no_province_is_without_rules(fresh: Installation) -> None:
    """A province that has written no 实施细则 of its own is under the nation's: a business may not ask for everything."""
    book = load_rule_book(fresh.folder / "rules")
    schedule = schedule_of(("全国", "medical", ""))
    for party in PROVINCES:
        facts = CaseFacts(party, "高龄津贴", "高龄津贴核对", schedule, 10)
        assert book.for_party(party).verdict(facts).kind == "reject", party


def test_documents_are_kept_from_the_first_day(fresh: Installation) -> None:
    """Without a file of the province's there is a time to keep documents, and it is years."""
    assert load_retention(fresh.folder / "parties" / "37" / "retention.yaml").years("最低生活保障") >= 1


def test_a_catalog_release_is_in_force_from_its_publication(tmp_path: Path, sample: Sample) -> None:
    """What is filed after it is served under it; what was accepted before keeps the release it was accepted with."""
    network = network_for(sample, tmp_path)
    release = network.reference.current
    assert release is not None
    before, after = sample, with_form(sample, application_id="f0000000-0000-4000-8000-000000000000")
    network.file(before.application, before.persons)
    network.run(without=("37",))
    network.publish(2, [{**entry, "release": 2} for entry in release.entries.values()])
    network.file(after.application, after.persons)
    network.run()
    served = {
        bundle.header.application_id: bundle.header.release
        for bundle in bundles_in(network, "37", "requests", "request")
    }
    assert served == {before.application["application_id"]: 1, after.application["application_id"]: 2}
    for one in (before, after):
        assert_equals_oracle(network, one)


def test_an_application_of_the_first_day_is_carried_out(network: Network, sample: Sample) -> None:
    """Nothing has to be switched on: a form dated today goes through all of it today."""
    assert sample.application["form_date"] == TODAY.isoformat()
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)
