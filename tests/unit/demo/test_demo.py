"""The demo's people, registers and applications: sound, seeded, and as awkward as real ones."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import stdnum.cn.ric
import stdnum.cn.uscc

from pipeline.demo.application import TODAY, Sample, random_application, sample_application
from pipeline.demo.population import Resident, generate
from pipeline.demo.providers import CATALOG, PROVIDERS
from pipeline.domain.catalog import BASIC_CATEGORIES, check_answer
from pipeline.domain.errors import ConfigError
from pipeline.domain.review import check_application, check_roster, check_schedule
from pipeline.domain.subjects import subject_of
from pipeline.province.catalog_files import load_release
from pipeline.province.forms import load_form, write_form_yaml, write_roster_csv
from pipeline.province.provider_files import differences, load_provider
from pipeline.province.sources import Sources, open_sources, sqlite_url
from tests import oracle

NOW = 1_795_000_000_000


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample_application(tmp_path_factory.mktemp("sample") / "databases")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return random_application(tmp_path_factory.mktemp("random") / "files", seed=11, rows=14)


def sources_of(sample: Sample) -> dict[str, Sources]:
    return {
        party: open_sources(sample.providers / f"{party}.yaml", sqlite_url(sample.databases / f"{party}.db"))
        for party in sample.parties
    }


def noted(sample: Sample, note: str) -> list[Resident]:
    return [resident for resident in sample.population.residents if note in resident.notes]


def looked_up(sample: Sample, category: str, party: str, who: Resident) -> list[dict[str, Any]]:
    period = next(r["period"] for r in sample.application["schedule"] if r["category"] == category)
    entries = sources_of(sample)[party].lookup(category, period, [who.document_number]).entries
    return [{i["item"]: i["value"] for i in entry["items"]} for entry in entries[who.document_number]]


@pytest.mark.parametrize("kind", ["sample", "large"])
def test_files_applications_without_a_fault(kind: str, request: pytest.FixtureRequest) -> None:
    """The review of form, roster and schedule finds nothing in what the demo files."""
    made: Sample = request.getfixturevalue(kind)
    form, release = made.application, load_release([made.catalog])
    assert check_application(form, TODAY) + check_roster(form, made.persons, TODAY) == []
    assert check_schedule(form, release) == []


def test_has_the_size_and_rows_of_the_sample(sample: Sample) -> None:
    """120 persons at least in 70 households; 全国, 部中心 and 山东; all three forms of period; none is the requester."""
    assert len(sample.persons) >= 120
    assert len({person["household"] for person in sample.persons}) == 70
    schedule = sample.application["schedule"]
    assert {row["provider"] for row in schedule} == {"all", "00", "37"}
    assert {row["period"]["kind"] for row in schedule if row["provider"] == "37"} == {"latest", "day", "range"}
    assert {row["category"] for row in schedule} == set(BASIC_CATEGORIES)
    assert sample.application["requester"] == "53"


def test_has_every_edge_case(sample: Sample) -> None:
    """Each case of the list is in the sample's roster, and is what it says."""
    first, second = noted(sample, "namesake")
    assert first.name == second.name
    assert first.document_number != second.document_number
    assert noted(sample, "check_x")[0].document_number.endswith("X")
    assert noted(sample, "retired_region")[0].document_number.startswith("532101")
    assert max(map(ord, noted(sample, "rare_name")[0].name)) > 0xFFFF
    assert "·" in noted(sample, "dotted_name")[0].name
    kinds = Counter(person["document_type"] for person in sample.persons)
    assert set(kinds) == {"resident_id", "residence_permit", "birth_certificate", "none"}
    assert any(p["consent_by"] == "guardian" and p["document_type"] == "resident_id" for p in sample.persons)
    renamed = noted(sample, "renamed")[0]
    assert looked_up(sample, "household_registration", "00", renamed)[0]["former_name"] == renamed.former_name


def test_pays_a_deceased_person(sample: Sample) -> None:
    """部中心 has the cremation, and the pension was paid after it."""
    elder = noted(sample, "deceased_pensioner")[0]
    died = looked_up(sample, "cremation", "00", elder)[0]["died_on"]
    paid = looked_up(sample, "social_insurance", "53", elder)[0]
    assert paid["settled_on"] > died
    assert float(paid["monthly_benefit"]) > 0


def test_finds_property_in_another_province(sample: Sample) -> None:
    """A household of 云南 has a home in 山东."""
    owner = noted(sample, "property_elsewhere")[0]
    assert looked_up(sample, "real_estate", "37", owner)[0]["location"].startswith("山东省")


def test_makes_numbers_that_an_independent_check_accepts(large: Sample) -> None:
    """python-stdnum computes the same check characters, of residents and of companies."""
    numbers = [person["document_number"] for person in large.persons if person["document_type"] == "resident_id"]
    assert all(stdnum.cn.ric.calc_check_digit(number) == number[-1] for number in numbers)
    assert len(set(numbers)) == len(numbers)
    with closing(sqlite3.connect(large.databases / "00.db")) as connection:
        codes = [code for (code,) in connection.execute("SELECT uscc FROM company_people")]
    assert codes
    assert all(stdnum.cn.uscc.is_valid(code) for code in codes)


def test_answers_as_the_catalog_promises(large: Sample) -> None:
    """Every provider file keeps its catalog entries, and every entry found passes the check of answers."""
    release = load_release([large.catalog])
    checked = 0
    for party, sources in sources_of(large).items():
        entries = [entry for (provider, _), entry in release.entries.items() if provider == party]
        assert differences(sources.spec, entries) == []
        for entry in entries:
            period: Any = {"kind": "latest", "start": None, "end": None}
            result = sources.lookup(entry["category"], period, [subject_of(person) for person in large.persons])
            standing = sources.standing(entry["category"])
            for found in filter(None, result.entries.values()):
                answer: Any = {"row": 1, "status": "found", "as_of": standing.as_of, "entries": found}
                assert check_answer(entry, answer) is None
                checked += 1
    assert checked > 1000


@pytest.mark.parametrize("kind", ["sample", "large"])
def test_agrees_with_the_oracle_field_by_field(kind: str, request: pytest.FixtureRequest) -> None:
    """Bulk look-ups give what plain SQL, person by person, says: found, no record, refused and unavailable."""
    made: Sample = request.getfixturevalue(kind)
    want = oracle.expected(
        made.application,
        made.persons,
        providers=made.providers,
        catalog=made.catalog,
        databases=made.databases,
        now=NOW,
    )
    got = oracle.from_dossiers(
        {"household": person["household"], "persons": [{"number": person["number"], "results": results}]}
        for person, results in results_of(made)
    )
    assert got.keys() == want.keys()
    assert [key for key in want if got[key] != want[key]] == []
    assert {result["status"] for result in want.values()} == {"found", "no_record", "refused", "unavailable"}


def results_of(made: Sample) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Each person with the results of every row and provider, from look-ups as an answering province makes them."""
    subjects = {person["number"]: subject_of(person) for person in made.persons}
    results: dict[int, list[dict[str, Any]]] = {number: [] for number in subjects}
    for party, sources in sources_of(made).items():
        for row in made.application["schedule"]:
            category = row["category"]
            if row["provider"] not in ("all", party) or category not in sources.spec.resources:
                continue
            found = sources.lookup(category, row["period"], list(subjects.values()))
            for number, subject in subjects.items():
                result = {"row": row["row"], "category": category, "provider": party, "as_of": None, "coverage": None}
                result |= {"code": found.refused_all or found.refused.get(subject), "until": found.unavailable_until}
                entries = found.entries.get(subject)
                result["entries"] = [{i["item"]: i["value"] for i in entry["items"]} for entry in entries or ()]
                if entries is None:
                    result["status"] = "refused" if result["code"] else "unavailable"
                else:
                    result["status"] = "found" if entries else "no_record"
                    standing = sources.standing(category)
                    result["as_of"], result["coverage"] = standing.as_of, standing.coverage
                results[number].append(result)
    return [(person, results[person["number"]]) for person in made.persons]


def test_is_the_same_for_the_same_seed(tmp_path: Path, sample: Sample) -> None:
    """Form, roster and every row of every database depend on the seed alone."""
    again = sample_application(tmp_path / "again")
    assert (again.application, again.persons) == (sample.application, sample.persons)
    for party in sample.parties:
        with (
            closing(sqlite3.connect(again.databases / f"{party}.db")) as one,
            closing(sqlite3.connect(sample.databases / f"{party}.db")) as two,
        ):
            assert list(one.iterdump()) == list(two.iterdump())
    other = sample_application(tmp_path / "other", seed=2)
    assert other.persons != sample.persons


def test_knows_persons_outside_the_roster_too(sample: Sample) -> None:
    """A look-up has somebody to leave out."""
    known = {person["document_number"] for person in sample.persons}
    with closing(sqlite3.connect(sample.databases / "53.db")) as connection:
        registered = {number for (number,) in connection.execute("SELECT sfzh FROM hj_ck")}
    assert registered & known
    assert len(registered - known) > 20


def test_survives_being_written_and_read_as_form_and_roster(tmp_path: Path, sample: Sample) -> None:
    """What an office would file as YAML and CSV is the same application, rare characters and all."""
    form, release = sample.application, load_release([sample.catalog])
    write_form_yaml(tmp_path / "form.yaml", form, release)
    write_roster_csv(tmp_path / "roster.csv", sample.persons, form["roster_date"], form["roster_dataset"])
    loaded = load_form(
        tmp_path / "form.yaml",
        tmp_path / "roster.csv",
        release=release,
        today=TODAY,
        requester=form["requester"],
        application_id=form["application_id"],
    )
    assert loaded.faults == []
    assert (loaded.application, loaded.roster) == (form, sample.persons)


def test_covers_all_ten_categories_between_four_parties() -> None:
    """No two parties of the demo offer the same, together they offer everything in Art. 3."""
    offered = {path.stem: frozenset(load_provider(path).resources) for path in PROVIDERS.glob("*.yaml")}
    assert set(offered) == {"00", "32", "37", "53"} == {path.stem for path in CATALOG.glob("*.yaml")}
    assert frozenset().union(*offered.values()) == set(BASIC_CATEGORIES)
    assert len(set(offered.values())) == len(offered)


def test_never_overwrites_a_database(sample: Sample) -> None:
    """A database that is there is the operator's, and stays."""
    with pytest.raises(ConfigError, match="there already"):
        sample_application(sample.databases)


def test_makes_exactly_the_persons_and_households_asked_for() -> None:
    """Counts are met, and impossible ones are refused."""
    made = generate(3, today=TODAY, persons=300, households=120)
    assert (len(made.residents), len(made.households)) == (300, 120)
    assert all(1 <= len(household) <= 6 for household in made.households)
    assert all(household[0].relation == "户主" for household in made.households)
    with pytest.raises(ValueError, match="do not fit"):
        generate(3, today=TODAY, persons=10, households=11)
