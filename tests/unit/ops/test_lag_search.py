"""The search over time, against a log in memory: exact, in few rounds, whatever the flow of records."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ops.lag_samples import Place, Target
from pipeline.ops.lag_search import ROUNDS, Found, SearchingSince
from pipeline.ops.lag_since import Answers, ReadElseSearch

NOW = 1_800_000_000_000
QUARTER = 90 * 86_400_000
PLACE: Place = ("in", 0)


class Log:
    """Records of partitions as (offset, timestamp), and how often it was asked."""

    def __init__(self, **records: list[Found]) -> None:
        self.records = {(topic, 0): found for topic, found in records.items()}
        self.asked = 0

    def __call__(self, times: Mapping[Place, int]) -> Mapping[Place, Found]:
        """As Kafka answers ListOffsets for timestamps."""
        self.asked += 1
        return {
            place: next(((o, at) for o, at in self.records[place] if at >= time), (-1, -1))
            for place, time in times.items()
        }


def search(log: Log, *targets: Target) -> Answers:
    """One search at NOW."""
    return SearchingSince(log, lambda: NOW)(targets)


ages = st.lists(st.integers(0, QUARTER), min_size=1, max_size=40)


@given(ages, st.data())
def test_on_a_log_that_brokers_stamp_it_is_exact(ages: list[int], data: st.DataObject) -> None:
    """Any ages up to the longest retention, equal ones too, at any offset: a sparse log is solved to the millisecond."""
    stamps = sorted(NOW - age for age in ages)
    offset = data.draw(st.integers(0, len(stamps) - 1))
    target = Target("in", 0, offset, len(stamps))
    log = Log(**{"in": list(enumerate(stamps))})
    found = search(log, target)[target]
    assert found is not None
    assert log.asked <= ROUNDS
    assert abs(found - stamps[offset]) <= (0 if log.asked < ROUNDS else QUARTER // 2**14)


@given(ages, st.data())
def test_where_clocks_disagree_it_is_the_latest_stamp_up_to_the_offset(ages: list[int], data: st.DataObject) -> None:
    """Never later than that, and a little earlier only when the rounds are used up."""
    stamps = [NOW - age for age in ages]
    offset = data.draw(st.integers(0, len(stamps) - 1))
    log = Log(**{"in": list(enumerate(stamps))})
    target = Target("in", 0, offset, len(stamps))
    found = search(log, target)[target]
    latest = max(stamps[: offset + 1])
    assert found is not None
    assert latest - (0 if log.asked < ROUNDS else QUARTER // 2**14) <= found <= latest


def test_a_dense_even_flow_takes_few_rounds() -> None:
    """100,000 records over an hour: a handful of requests."""
    stamps = [NOW - 3_600_000 + number * 36 for number in range(100_000)]
    log = Log(**{"in": list(enumerate(stamps))})
    target = Target("in", 0, 70_000, 100_000)
    assert search(log, target) == {target: stamps[70_000]}
    assert log.asked < 10


def test_all_partitions_are_asked_in_one_request_a_round() -> None:
    """Three topics take no more requests than the slowest of them."""
    logs = {
        "a": [(n, NOW - 10_000 + n) for n in range(9)],
        "b": [(n, NOW - 5 * (9 - n)) for n in range(9)],
        "c": [(0, NOW - QUARTER)],
    }
    alone = []
    for topic, records in logs.items():
        log = Log(**{topic: records})
        search(log, Target(topic, 0, len(records) - 1, len(records)))
        alone.append(log.asked)
    log = Log(**logs)
    targets = [Target(topic, 0, len(records) - 1, len(records)) for topic, records in logs.items()]
    assert search(log, *targets) == {each: logs[each.topic][-1][1] for each in targets}
    assert log.asked == max(alone)


def test_two_groups_on_one_partition() -> None:
    """Each gets its own answer."""
    log = Log(**{"in": [(0, NOW - 3000), (1, NOW - 2000), (2, NOW - 1000)]})
    one, other = Target("in", 0, 0, 3), Target("in", 0, 2, 3)
    assert search(log, one, other) == {one: NOW - 3000, other: NOW - 1000}


def test_what_is_compacted_away_at_the_beginning() -> None:
    """The first record there is, when the offset lies before it; none at all: no answer."""
    target = Target("in", 0, 2, 9)
    assert search(Log(**{"in": [(7, NOW - 1000)]}), target) == {target: NOW - 1000}
    assert search(Log(**{"in": []}), target) == {}


def test_a_record_of_the_future() -> None:
    """A producer's clock that is fast makes nothing younger than now."""
    target = Target("in", 0, 0, 1)
    assert search(Log(**{"in": [(0, NOW + 60_000)]}), target)[target] == NOW + 60_000


class Source:
    """A source that knows some answers, and remembers what it was asked."""

    def __init__(self, answers: dict[Target, int | None]) -> None:
        self.answers = answers
        self.asked: list[Target] = []

    def __call__(self, targets: list[Target]) -> Answers:
        self.asked += targets
        return {target: self.answers[target] for target in targets if target in self.answers}


def test_what_may_be_read_is_read_and_the_rest_searched() -> None:
    """A reader's `only markers` stands; what it cannot say, behind an open transaction, is searched."""
    open_, markers, inbox = Target("events", 0, 1, 9), Target("events", 1, 8, 9), Target("inbox", 0, 1, 9)
    read, searched = Source({markers: None}), Source({open_: 11, inbox: 12})
    ask = ReadElseSearch(read, searched, lambda topic: topic == "events")  # type: ignore[arg-type]
    assert ask([open_, markers, inbox]) == {markers: None, open_: 11, inbox: 12}
    assert read.asked == [open_, markers]
    assert searched.asked == [open_, inbox]


def test_a_group_that_stands_still_costs_nothing() -> None:
    """A timestamp is remembered while the offset is asked about, also under a later end; `only markers` is not."""
    target, markers = Target("in", 0, 1, 9), Target("in", 1, 1, 2)
    read = Source({target: 5, markers: None})
    ask = ReadElseSearch(read, Source({}), lambda topic: True)  # type: ignore[arg-type]
    ask([target, markers])
    later = target._replace(end=10)
    assert ask([later, markers]) == {later: 5, markers: None}
    assert read.asked == [target, markers, markers]
    ask([])
    ask([target])
    assert read.asked[-1] == target
