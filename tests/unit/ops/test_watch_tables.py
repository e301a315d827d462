"""The watch's tables: idempotent, whatever the order, and equal to plain SQL over the same events."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.domain.counting import part
from pipeline.domain.records import LifecycleEvent
from pipeline.ops.watch_latency import ANSWERED, LEGS
from pipeline.ops.watch_minutes import KEPT
from pipeline.ops.watch_tables import WatchTables
from pipeline.ops.watch_views import Document, SeveralRequesters, Views
from tests.unit.ops.watch_events import DAY, HOUR, MINUTE, NOW, change, closed, dispatched, event, exchange
from tests.watch_oracle import WatchOracle, nearest_rank


def tables_of(events: list[LifecycleEvent]) -> WatchTables:
    """Tables that took these in, in this order."""
    tables = WatchTables()
    for each in events:
        tables.add(each)
    return tables


def views_of(tables: WatchTables, now: int = NOW) -> Views:
    """Their documents at `now`."""
    return Views(tables, lambda: now, lambda: 0.0)


def everything(tables: WatchTables, now: int = NOW) -> Document:
    """All that the tables say, but for how often they met a copy."""
    views = views_of(tables, now)
    listed = [views.applications(state, None, None, 500) for state in (None, "completed", "incomplete", "filed")]
    ids = [row["application_id"] for page in listed for row in page["applications"]]
    return {
        "summary": {**views.summary(), "duplicates": None},
        "rates": views.rates(KEPT),
        "latency": views.latency(KEPT),
        "punctuality": views.punctuality(),
        "flow": views.flow(),
        "listed": listed,
        "applications": [views.application(name) for name in ids],
        "risks": views.risks(),
        "totals": [vars(tables.totals)],
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(seed: int, applications: int, random: Random) -> None:
    """Any permutation with any copies: the same figures, rows and histories, and every copy is told."""
    events = exchange(seed, applications)
    shuffled = [*events, *random.choices(events, k=len(events) // 2)]
    random.shuffle(shuffled)
    once, repeated = tables_of(events), tables_of(shuffled)
    assert everything(repeated) == everything(once)
    assert repeated.duplicates == len(shuffled) - len(events)
    assert repeated.events == len(events)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_figures_are_those_of_plain_sql(seed: int, applications: int) -> None:
    """Minutes, sub-queries, states, what is missing and what became of all of it, as SQLite counts them."""
    events = exchange(seed, applications)
    tables, oracle = tables_of(events), WatchOracle(events)
    views = views_of(tables)
    assert tables.events == oracle.events()
    rates = views.rates(KEPT)
    minutes = [(m["minute"], m["applications"], m["subqueries"], m["answers"]) for m in rates["minutes"]]
    assert [row for row in minutes if any(row[1:])] == oracle.minutes()
    assert tables.totals.subqueries == oracle.subqueries()
    for row in views.punctuality():
        settled = oracle.settled().get(row["provider"], Counter())
        for status in ("done", "refused", "unavailable", "expired", "late"):
            assert row[status] == settled.get(status, 0), (row, status)
        assert row["open"] == oracle.unsettled().get(row["provider"], 0)
        assert row["asked"] == row["open"] + sum(settled.values())
    states = oracle.states()
    for application, state in states.items():
        document = views.application(application)
        assert document is not None
        assert document["state"] == state
        assert {each["provider"]: each["subqueries"] for each in document["missing"]} == oracle.missing(application)
    ended = ("completed", "incomplete")
    assert sum(views.summary()["open"].values()) == sum(state not in ended for state in states.values())


def test_percentiles_of_legs_are_within_their_error() -> None:
    """Each leg, against the exact nearest rank of the same durations."""
    events = exchange(7, 200)
    latency = {row["leg"]: row for row in views_of(tables_of(events)).latency(KEPT)}
    oracle = WatchOracle(events)
    exact = {leg: oracle.leg(kind) for kind, leg in LEGS.items()} | {ANSWERED: oracle.turnarounds()}
    assert {leg for leg, values in exact.items() if values} == latency.keys()
    for leg, row in latency.items():
        assert row["count"] == len(exact[leg])
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            wanted = nearest_rank(exact[leg], share) / 1000
            assert abs(row[name] - wanted) <= 0.0101 * wanted


def test_what_is_no_event_is_counted_by_its_fault() -> None:
    """Garbage, another record, bytes too many and a tombstone are told apart, and are no event."""
    tables = WatchTables()
    other = framing.encode("Watermark", {"source": 0, "sources": 1, "time": 0})
    genuine = framing.encode("LifecycleEvent", event("arrived", 0))
    for value in (b"garbage, long enough", other, genuine + b"x", None):
        tables.read(value)
    assert tables.unreadable == {"schema_unknown": 1, "schema_unexpected": 1, "avro_invalid": 1, "value_missing": 1}
    tables.read(genuine)
    assert tables.events == 1


def test_what_is_old_is_forgotten_and_the_open_is_kept() -> None:
    """Minutes after a day, days after thirty, the ended after a week; an open application stays, with what it lacks."""
    ended = change("rejected", NOW, 2, "rejected", "ended")
    open_one = [change("started", NOW, 3, "started", "open"), dispatched("32", NOW, "open")]
    tables = tables_of([ended, *open_one, closed(NOW, [part("medical", 5, "done", provider="32")])])
    later = NOW + 31 * DAY
    tables.forget(later)
    views = views_of(tables, later)
    assert views.application("ended") is None
    known = views.application("open")
    assert known is not None
    assert known["missing"] == [{"provider": "32", "persons": 5, "subqueries": 10, "deadline": NOW + 3 * HOUR}]
    assert views.latency(KEPT) == []
    assert [(row["done"], row["open"]) for row in views.punctuality()] == [(0, 10)]
    assert tables.minutes.of(NOW // MINUTE) == {}


def test_what_the_watch_has_not_forgotten_is_not_touched() -> None:
    """Forgetting at the time of the newest event changes no figure."""
    events = exchange(3, 20)
    tables = tables_of(events)
    before = everything(tables)
    tables.forget(NOW)
    assert everything(tables) == before


def test_totals_begin_with_the_watch_up_to_date() -> None:
    """What was rebuilt is no growth: the series are there, at 0."""
    tables = tables_of(exchange(3, 5))
    tables.totals.from_nothing()
    assert set(tables.totals.subqueries.values()) == {0}
    tables.add(dispatched("32", NOW, "new"))
    assert tables.totals.subqueries["32", "medical"] == 5


def test_an_id_that_two_requesters_chose_is_two_applications() -> None:
    """A requester that takes another's id changes nothing of the other's, and does not stand for it."""
    tables = tables_of([change("started", NOW, 3, "started", "x"), dispatched("32", NOW, "x")])
    honest = views_of(tables).application("x")
    tables.add(event("section_received", NOW, "intake", "x", party="44", section=9, since=NOW))
    assert views_of(tables).application("x", "37") == honest
    with pytest.raises(SeveralRequesters) as several:
        views_of(tables).application("x")
    assert several.value.parties == ["37", "44"]
    other = views_of(tables).application("x", "44")
    assert other is not None
    assert (other["party"], other["state"], other["missing"]) == ("44", "filed", [])
    assert views_of(tables).application("x", "32") is None
