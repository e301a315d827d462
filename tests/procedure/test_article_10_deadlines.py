"""Article 10 (反馈期限): limits in working days, over holidays and the days made up for them.

The oracles are two packages that share nothing with the calendar: `chinesecalendar` has the arrangements as published,
`holidays` the statutory days, also of a year whose arrangement is not out yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import chinese_calendar
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.demo.application import Sample, fill_in, write_databases
from pipeline.demo.population import generate
from pipeline.domain.calendar import Calendar, CalendarUnknown, YearDays, is_estimated
from pipeline.domain.parties import inbox
from pipeline.domain.records import Acceptance, CatalogEntry
from pipeline.province.calendar_files import directory, load_calendar, load_year
from pipeline.province.catalog_files import load_entries
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages import topics
from pipeline.stages.collect import SLACK
from tests.network import Clock, Network
from tests.scenario import codes, is_certified, standing

CALENDAR = load_calendar(Path("/no/calendar/of/an/operator"))
UTC_8 = dt.timezone(dt.timedelta(hours=8))
PUBLISHED = [dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(366 + 365 + 365)]
DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"
SILENT = ("37",)
"""A province whose adapter stands still."""


def at(written: str) -> int:
    """The instant (ms) of a time written in China."""
    return round(dt.datetime.fromisoformat(written).replace(tzinfo=UTC_8).timestamp() * 1000)


def counted(received: int, working_days: int) -> int:
    """The end of a limit, counted day by day with the arrangements as the independent package has them."""
    day = (dt.datetime(1970, 1, 1, 8, tzinfo=UTC_8) + dt.timedelta(milliseconds=received)).date()
    while working_days:
        day += dt.timedelta(1)
        working_days -= chinese_calendar.is_workday(day)
    return at(f"{day}T00:00:00") + 24 * 3600 * 1000 - 1


@pytest.mark.parametrize(
    ("received", "working_days", "due"),
    [
        # Spring Festival 2026: off from 15 to 23 February; Saturdays 14 and 28 February are worked
        ("2026-02-12T10:00:00", 2, "2026-02-14"),
        ("2026-02-13T10:00:00", 2, "2026-02-24"),
        ("2026-02-14T09:00:00", 2, "2026-02-25"),  # receipt on a make-up Saturday
        ("2026-02-18T23:00:00", 2, "2026-02-25"),  # receipt at 23:00 on a holiday
        ("2026-02-13T23:59:59.999", 2, "2026-02-24"),  # the last millisecond of the 13th, and the first of the 14th
        ("2026-02-14T00:00:00", 2, "2026-02-25"),
        ("2026-02-13T17:00:00", 5, "2026-02-27"),
        ("2026-02-24T08:30:00", 5, "2026-03-02"),  # over the make-up Saturday after the festival
        # National Day 2025: off from 1 to 8 October; Sunday 28 September and Saturday 11 October are worked
        ("2025-09-26T16:00:00", 2, "2025-09-29"),
        ("2025-09-30T16:00:00", 2, "2025-10-10"),
        ("2025-09-30T16:00:00", 3, "2025-10-11"),
        ("2025-10-05T23:00:00", 2, "2025-10-10"),
        # National Day 2026: off from 1 to 7 October; Sunday 20 September and Saturday 10 October are worked
        ("2026-09-18T16:00:00", 2, "2026-09-21"),
        ("2026-09-30T16:00:00", 3, "2026-10-10"),
        ("2026-10-10T12:00:00", 2, "2026-10-13"),  # receipt on the make-up Saturday itself
        # the year changes; in 2026 Sunday 4 January is worked
        ("2025-12-30T11:00:00", 2, "2026-01-04"),
        ("2025-12-31T23:59:59.999", 1, "2026-01-04"),
        ("2026-01-01T00:00:00", 1, "2026-01-04"),
    ],
)
def test_a_limit_ends_with_its_last_working_day(received: str, working_days: int, due: str) -> None:
    """Day 0 is the day of receipt in China, whatever day that is; the limit lasts to 23:59:59.999 of its last working day."""
    assert CALENDAR.due(at(received), working_days) == at(f"{due}T23:59:59.999") == counted(at(received), working_days)


@given(st.integers(at("2024-01-01T00:00:00"), at("2026-11-30T23:59:59.999")), st.integers(1, 15))
def test_any_limit_is_as_an_independent_count_has_it(received: int, working_days: int) -> None:
    """Whatever instant of three years, whatever limit: the same end as counted day by day with another's calendar."""
    assert CALENDAR.due(received, working_days) == counted(received, working_days)


def test_every_day_of_the_published_years_is_as_published() -> None:
    """The year files hold what the State Council arranged, day by day."""
    assert [d for d in PUBLISHED if CALENDAR.is_working_day(d) != chinese_calendar.is_workday(d)] == []


def test_statutory_days_are_off_and_an_estimated_year_has_these_alone() -> None:
    """《全国年节及纪念日放假办法》: also of 2027, with the days in lieu and lunar dates as another computes them."""
    for year in (2024, 2025, 2026):
        assert [day for day in holidays.country_holidays("CN", years=year) if CALENDAR.is_working_day(day)] == []
    estimated = CALENDAR.years[2027]
    assert estimated.status == "estimated"
    assert estimated.days_off == set(holidays.country_holidays("CN", years=2027))
    assert estimated.make_up == frozenset()


def test_an_estimated_year_is_marked_and_an_unknown_one_refused() -> None:
    """A limit into 2027 says that it was estimated; one into 2028 is an error that names the year."""
    received = at("2026-12-30T10:00:00")
    basis = CALENDAR.basis_of(received, CALENDAR.due(received, 2))
    assert basis == "2026 published, 2027 estimated"
    assert is_estimated(basis)
    assert not is_estimated(CALENDAR.basis_of(received, CALENDAR.due(received, 1)))
    with pytest.raises(CalendarUnknown) as raised:
        CALENDAR.due(at("2027-12-30T10:00:00"), 3)
    assert raised.value.year == 2028


# -- the whole way, on the in-memory network: an application accepted on the last afternoon before Spring Festival 2026 ----

ACCEPTED = "2026-02-13T15:00:00"
DUE = at("2026-02-27T23:59:59.999")
"""Five working days later: Saturday 14 February is worked, then 24 to 27 February."""


@pytest.fixture(scope="module")
def winter(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """An application of February 2026 and its providers' databases."""
    databases, parties = tmp_path_factory.mktemp("winter"), ["00", "37", "53"]
    population = generate(5, today=dt.date(2026, 2, 12), persons=12, home="53")
    write_databases(databases, DEMO / "providers", parties, population, 5, strangers=20)
    schedule = [("全国", "social_insurance", ""), ("部中心", "marriage", "")]
    return fill_in(5, population, schedule, parties, DEMO / "providers", DEMO / "catalog", databases)


def network_of(sample: Sample, folder: Path, days: Sequence[str] = (), calendar: Calendar | None = None) -> Network:
    """A network in which it is `ACCEPTED`; the providers `days` have 5 working days for social insurance."""
    catalog = [
        limited(entry, days) for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")
    ]
    network = Network(folder, sample.parties, catalog, clock=Clock(at(ACCEPTED)), calendar=calendar)
    for party in sample.parties:
        database = sqlite_url(sample.databases / f"{party}.db")
        network.connect_sources(party, open_sources(sample.providers / f"{party}.yaml", database))
    return network


def limited(entry: CatalogEntry, days: Sequence[str]) -> CatalogEntry:
    """The entry with 5 working days instead of its seconds, where its provider is one of `days`."""
    if entry["provider"] not in days or entry["category"] != "social_insurance":
        return entry
    return {**entry, "feedback_seconds": None, "feedback_working_days": 5}


def accepted(network: Network, sample: Sample) -> Acceptance:
    """File the application and let everybody but 37 work."""
    network.file(sample.application, sample.persons)
    network.run(without=SILENT)
    acceptance = network.case(sample.application).acceptance()
    assert acceptance is not None
    return acceptance


def test_deadlines_are_frozen_at_acceptance_with_what_they_were_counted_with(tmp_path: Path, winter: Sample) -> None:
    """冻结: the signed acceptance has each provider's own deadline, and says which years' arrangement it rests on."""
    acceptance = accepted(network_of(winter, tmp_path, SILENT), winter)
    deadlines = {query["provider"]: query["deadline"] for query in acceptance["sub_queries"] if query["row"] == 1}
    assert deadlines["37"] == DUE
    assert deadlines["53"] == acceptance["accepted_at"] + 3_600_000
    assert acceptance["calendar"] == "2026 published"


def test_without_a_limit_in_working_days_no_calendar_is_named(tmp_path: Path, winter: Sample) -> None:
    """Seconds need no arrangement, so no year is named."""
    assert accepted(network_of(winter, tmp_path), winter)["calendar"] == ""


def test_an_unanswered_query_expires_when_its_last_working_day_is_over(tmp_path: Path, winter: Sample) -> None:
    """Not in the festival, not a millisecond before the center may know that the day has passed; then it is 未反馈."""
    network = network_of(winter, tmp_path, SILENT)
    accepted(network, winter)
    for moment in ("2026-02-20T23:59:59.999", "2026-02-27T18:00:00"):
        network.clock.now = at(moment)
        network.run(without=SILENT)
        assert not is_certified(network, winter.application), moment
    network.clock.now = DUE + SLACK  # all that was appended up to the deadline itself is known to be there
    network.run(without=SILENT)
    assert not is_certified(network, winter.application)
    network.clock.now += 1
    network.run(without=SILENT)
    result = standing(network, winter.application)
    assert result.of("37", "social_insurance") == {("expired", None): 12}
    assert result.of("53", "social_insurance") == {("done", None): 12}


@pytest.mark.parametrize(
    ("appended", "version"),
    [pytest.param(DUE, 1, id="in the last millisecond"), pytest.param(DUE + 1, 2, id="a millisecond later")],
)
def test_the_append_time_decides_to_the_millisecond(
    tmp_path: Path, winter: Sample, appended: int, version: int
) -> None:
    """An answer of the last millisecond is punctual; one of 00:00 is late, and comes as a supplement, not as a loss."""
    network = network_of(winter, tmp_path, SILENT)
    accepted(network, winter)
    slow = network.parties["37"]
    network._feed(slow, inbox("37", "requests"), slow.answers.work)  # it has its answers, and they wait in its outbox
    network.clock.now = appended
    network.send("37")  # now they are sent, and the center looks at them later
    network.pass_time(60)
    result = standing(network, winter.application)
    assert result.version == version
    assert result.of("37", "social_insurance") == {("done", None): 12}
    assert codes(network) == []


def test_an_estimated_year_is_marked_in_the_signed_acceptance(tmp_path: Path, winter: Sample) -> None:
    """推算: whoever reads the acceptance later sees that the limit rests on an estimate."""
    known = load_year(directory() / "2026.yaml")
    estimated = Calendar({2026: YearDays(known.days_off, known.make_up, "estimated", "an estimate")})
    assert accepted(network_of(winter, tmp_path, SILENT, estimated), winter)["calendar"] == "2026 estimated"


def test_an_unknown_year_is_never_guessed_at_admission(tmp_path: Path, winter: Sample) -> None:
    """No deadline, so no acceptance: the application waits for an officer, with the year named, and nobody is asked."""
    network = network_of(winter, tmp_path, SILENT, Calendar({}))
    network.file(winter.application, winter.persons)
    network.run()
    case = network.case(winter.application)
    assert case.acceptance() is None
    assert case.rejection() is None
    assert "calendar_unknown" in held_for(network)
    assert codes(network) == []


def held_for(network: Network) -> list[str | None]:
    """Codes of the events that say that an application waits for an officer."""
    events = [framing.decode_as("LifecycleEvent", m.value or b"") for m in network.broker.messages(topics.EVENTS)]
    return [event["code"] for event in events if event["kind"] == "held"]
