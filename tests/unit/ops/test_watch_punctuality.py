"""Punctuality over weeks: each sub-query stands in one status at any time, and a late answer is told as long as what it answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.domain.counting import part
from pipeline.domain.records import EventPart, LifecycleEvent
from pipeline.ops.watch_punctuality import KEPT
from pipeline.ops.watch_tables import WatchTables
from pipeline.ops.watch_views import Document, Views
from tests.unit.ops.watch_events import DAY, NOW, change, closed, dispatched
from tests.watch_oracle import WatchOracle

DAY_0 = NOW // DAY * DAY
STATUSES = ("done", "refused", "unavailable", "expired", "late", "withdrawn")
CATEGORY = "medical"


@dataclass(frozen=True)
class Asked:
    """`count` sub-queries alike of one section. Days after `DAY_0`; `answered`: when what had expired was answered; None: never."""

    section: int
    provider: str
    count: int
    status: str
    answered: int | None


@dataclass(frozen=True)
class Section:
    """A section and what was asked in it: dispatched on a day, certified so many days later."""

    number: int
    dispatched: int
    certified: int
    asked: tuple[Asked, ...]

    def events(self) -> list[LifecycleEvent]:
        """As the stages would write them."""
        name = f"application-{self.number}"
        began = DAY_0 + self.dispatched * DAY
        made = [change("started", began, 3, "started", name)]
        late: defaultdict[int, list[EventPart]] = defaultdict(list)
        first: list[EventPart] = []
        for number, one in enumerate(self.asked):
            parts = [part(CATEGORY, one.count, deadline=began)]
            made.append(dispatched(one.provider, began + 1 + number, name, self.number, parts=parts))
            first.append(part(CATEGORY, one.count, one.status, provider=one.provider))
            if one.answered is not None:
                late[one.answered] += [
                    part(CATEGORY, one.count, "done", provider=one.provider),
                    part(CATEGORY, -one.count, "expired", provider=one.provider),
                ]
        made.append(closed(DAY_0 + self.certified * DAY + 100, first, name, self.number))
        for version, (day, moved) in enumerate(sorted(late.items()), 2):
            made.append(closed(DAY_0 + day * DAY + 100 + version, moved, name, self.number, version))
        return made

    def stand(self, today: int) -> list[tuple[str, str, int]]:
        """(provider, status, how many), one by one, as they stand at the end of the day `today`."""
        if today < self.dispatched or self.certified <= today - KEPT:
            return []
        if today < self.certified:
            return [(one.provider, "open", one.count) for one in self.asked]
        return [
            (one.provider, "late" if one.answered is not None and one.answered <= today else one.status, one.count)
            for one in self.asked
        ]


@st.composite
def sections(draw: st.DrawFn) -> list[Section]:
    """Some sections over seventy days."""
    made = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        begun = draw(st.integers(0, 40))
        certified = begun + draw(st.integers(0, 5))
        asked = []
        for _ in range(draw(st.integers(1, 4))):
            status = draw(st.sampled_from(["done", "refused", "unavailable", "withdrawn", "expired", "expired"]))
            answered = draw(st.none() | st.integers(certified, certified + 40)) if status == "expired" else None
            provider = draw(st.sampled_from(["32", "37"]))
            asked.append(Asked(number, provider, draw(st.integers(1, 9)), status, answered))
        made.append(Section(number, begun, certified, tuple(asked)))
    return made


def rows_of(tables: WatchTables, today: int) -> list[Document]:
    """The table at the end of a day."""
    return Views(tables, lambda: DAY_0 + (today + 1) * DAY - 1, lambda: 0.0).punctuality()


def figures(rows: Sequence[Document]) -> dict[str, Counter[str]]:
    """Provider → status → how many, without zeros."""
    return {
        row["provider"]: Counter({status: row[status] for status in (*STATUSES, "open") if row[status]}) for row in rows
    }


@settings(max_examples=150, deadline=None)
@given(sections(), st.sets(st.integers(0, 90), max_size=30))
@example([Section(1, 0, 0, (Asked(1, "37", 500, "expired", 14),))], set(range(60)))
def test_each_sub_query_stands_in_one_status_on_every_day(made: list[Section], forgotten: set[int]) -> None:
    """Over months, whenever the watch lets go of what is old: by a recount one by one, and by plain SQL."""
    events = sorted((event for section in made for event in section.events()), key=lambda event: event["at"])
    tables, read = WatchTables(), 0
    for today in range(90):
        end = DAY_0 + (today + 1) * DAY
        while read < len(events) and events[read]["at"] < end:
            tables.add(events[read])
            read += 1
        if today in forgotten:
            tables.forget(end - 1)
        wanted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for section in made:
            for provider, status, count in section.stand(today):
                wanted[provider][status] += count
        rows = rows_of(tables, today)
        assert {who: counts for who, counts in figures(rows).items() if counts} == wanted
        for row in rows:
            assert all(row[status] >= 0 for status in (*STATUSES, "open"))
            assert row["asked"] == wanted[row["provider"]].total()
        settled = WatchOracle(events[:read]).settled(DAY_0 + (today - KEPT + 1) * DAY)
        told = {who: +Counter({s: n for s, n in counts.items() if s != "open"}) for who, counts in wanted.items()}
        assert {who: +counts for who, counts in settled.items()} == {who: n for who, n in told.items() if n}


@settings(max_examples=60, deadline=None)
@given(sections(), st.integers(0, 60), st.randoms(use_true_random=False))
def test_a_watch_that_began_later_counts_whole_sections(made: list[Section], since: int, random: Random) -> None:
    """Events from some day on, in any order: of a section whose first certificate was not read, nothing is counted."""
    begin = DAY_0 + since * DAY
    events = [event for section in made for event in section.events() if event["at"] >= begin]
    random.shuffle(events)
    tables = WatchTables(since=begin)
    for event in events:
        tables.add(event)
    today = 85
    wanted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for section in made:
        if section.certified >= since:
            for provider, status, count in section.stand(today):
                wanted[provider][status] += count
    assert {who: counts for who, counts in figures(rows_of(tables, today)).items() if counts} == wanted


def test_a_supplement_of_what_is_forgotten_is_forgotten_too() -> None:
    """However many come: nothing is kept of them for good."""
    tables = WatchTables()
    for number in range(50):
        tables.add(closed(DAY_0 + 40 * DAY, [part(CATEGORY, 1, "done", provider="37")], f"a{number}", version=2))
    table = tables.punctuality
    assert table.remembered == 50
    tables.forget(DAY_0 + (40 + KEPT) * DAY)
    assert table.remembered == 0
