"""A simulated calendar over a real Kafka and real processes: five working days pass in seconds, and a deadline with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.app import publish
from pipeline.crypto.keystore import load_identity
from pipeline.demo.application import random_application
from pipeline.demo.preparation import entries_of
from pipeline.demo.simulated_calendar import SimulatedCalendar
from pipeline.domain.calendar import local_date
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Application
from pipeline.kafka.clock import follow, wall_clock
from pipeline.province.calendar_files import load_calendar, year_files
from pipeline.stages.reference import publish_catalog
from tests.exchange import LONG, Exchange, own_broker
from tests.processes import wait_until

pytestmark = pytest.mark.timeout(400)

UNHURRIED = 2
"""A catalog release in which everybody has five working days."""


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[SimulatedCalendar]:
    """A simulated calendar that this process, and those it starts, go by."""
    made = SimulatedCalendar(tmp_path / "clock")
    made.start()
    yield made
    follow(None)


@pytest.fixture
def exchange(tmp_path: Path, calendar: SimulatedCalendar) -> Iterator[Exchange]:
    """Three parties, the years until the next one known, and release `UNHURRIED`."""
    sample = random_application(
        tmp_path / "sample", seed=7, persons=12, providers=("00", "37", "53"), rows=6, today=local_date(calendar.now())
    )
    made = Exchange(tmp_path, sample, own_broker(tmp_path))
    know_years(made.installation.folder / "calendar", local_date(calendar.now()).year)
    with made as exchange:
        signer = load_identity(exchange.installation.identity_folder(CENTER)).signer
        entries = [{**entry, "feedback_seconds": None, "feedback_working_days": 5} for entry in entries_of(sample)]
        outputs = publish_catalog(UNHURRIED, entries, signer, wall_clock())  # type: ignore[arg-type]
        publish(exchange.bootstrap, outputs, "hedx.center.setup", extra=exchange.security(CENTER))
        yield exchange


def know_years(folder: Path, year: int) -> None:
    """A made-up file for each year that is not shipped: this test must run in any year."""
    folder.mkdir(parents=True)
    for missing in {year, year + 1} - set(year_files(folder)):
        text = (
            f"year: {missing}\nstatus: estimated\nsource: made up\ndays_off: {{{missing}-01-01: 元旦}}\nmake_up: {{}}\n"
        )
        (folder / f"{missing}.yaml").write_text(text, encoding="utf-8")


def test_an_unanswered_query_expires_when_five_simulated_working_days_are_over(
    exchange: Exchange, calendar: SimulatedCalendar
) -> None:
    """山东 is silent: on the last working day it is still waited for, the day after the certificate says 未反馈.

    Breaks when any process goes by its own clock: a deadline that join compares with real append times, a watermark in
    real time, or a revocation list that stays stale.
    """
    persons = exchange.sample.persons
    application = exchange.application(persons)
    exchange.processes.stop("37")
    began = time.monotonic()
    exchange.file(application, persons, release=UNHURRIED)
    wait_until("accepted", lambda: exchange.case(application).acceptance() is not None, LONG)
    acceptance = exchange.case(application).acceptance()
    assert acceptance is not None
    [deadline] = {query["deadline"] for query in acceptance["sub_queries"]}
    years = load_calendar(exchange.installation.folder / "calendar")
    assert deadline == years.due(acceptance["accepted_at"], 5)
    assert acceptance["calendar"] == years.basis_of(acceptance["accepted_at"], deadline)
    others = {party for party in exchange.sample.parties if party != "37"}
    wait_until("the others' answers", lambda: answered(exchange, application) == others, LONG, pause=0.2)

    day_passes(exchange, calendar, years.warn_at(deadline))
    time.sleep(3.0)  # several ticks of every stage: time for a deadline to fire that should not
    assert exchange.case(application).certificate() is None

    day_passes(exchange, calendar, deadline + 1)
    case = exchange.wait_complete(application)
    certificate = case.certificate()
    assert certificate is not None
    statuses = certificate.result["statuses"]
    assert {status["status"] for status in statuses if status["provider"] == "37"} == {"expired"}
    assert "expired" not in {status["status"] for status in statuses if status["provider"] != "37"}
    assert certificate.result["closed_at"] > deadline
    assert time.monotonic() - began < LONG
    assert "time is simulated" in exchange.processes.tail("join", 20_000)

    exchange.processes.restart("37")  # it works through its inbox, days late
    again = exchange.wait_complete(application, version=2).certificate()
    assert again is not None
    assert "expired" not in {status["status"] for status in again.result["statuses"]}


def answered(exchange: Exchange, application: Application) -> set[str]:
    """The providers of whom the requester holds something."""
    query = "SELECT DISTINCT provider FROM bundle WHERE application_id = ?"
    return {row[0] for row in exchange.store("53").execute(query, (application["application_id"],))}


def day_passes(exchange: Exchange, calendar: SimulatedCalendar, at: int) -> None:
    """Jump, and publish what the center publishes every day: a revocation list."""
    calendar.jump_to(at)
    signer = load_identity(exchange.installation.identity_folder(CENTER)).signer
    outputs = exchange.installation.publication(signer, wall_clock())
    publish(exchange.bootstrap, outputs, "hedx.center.setup", extra=exchange.security(CENTER))
