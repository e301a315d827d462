"""What `hedx trace` shows: times, waits and marks as people read them."""

from __future__ import annotations

import pytest

from pipeline.cli.trace_words import (
    KINDS,
    duration,
    instant,
    kind_words,
    looked_words,
    mark_rows,
    missing_rows,
    place_rows,
    step_rows,
    summary,
)
from pipeline.domain.lifecycle import FACT
from pipeline.domain.wording import Language
from pipeline.kafka.scanning import Looked
from pipeline.ops.trace_reading import Lying
from pipeline.ops.trace_story import Step, Story, Wanting
from pipeline.province.trace_store import Mark

AT = 1_795_150_800_123  # 2026-11-20 13:00 in China


def step(kind: str, at: int, waited: int) -> Step:
    """A hop at the center."""
    return Step(at, "join", kind, "53", "37", 1, 5, "complete", "center", None, "e", "s", None, waited, None)


STORY = Story(
    "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d",
    "8a86f3110a8b46c59b1f2a79d1f20f6d",
    "53",
    "completed",
    (step("answer_accepted", AT, 0), step("section_closed", AT + 40, 40), step("certified", AT + 61_040, 61_000)),
    (),
    2,
    AT,
    AT + 61_040,
)


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_949, "59.9 s"),
        (60_000, "1 min 00 s"),
        (3_599_000, "59 min 59 s"),
        (3_600_000, "1 h 00 min"),
        (86_400_000, "1 d 00 h"),
        (1_000_000_000, "11 d 13 h"),
    ],
)
def test_a_wait_is_as_precise_as_its_length_asks_for(ms: int, words: str) -> None:
    """From milliseconds to days."""
    assert duration(ms) == words


def test_an_instant_is_told_in_china_to_the_millisecond() -> None:
    """Hops follow each other faster than in seconds."""
    assert instant(AT) == "2026-11-20 13:00:00.123"


def test_the_longest_wait_is_marked_once() -> None:
    """At the hop that ended it; the first hop waited for nothing."""
    heads, rows = step_rows(STORY, "en")
    assert [row[-1] for row in rows] == ["", "", "◀ longest wait"]
    assert [row[1] for row in rows] == ["", "+40 ms", "+1 min 01 s"]
    assert len(heads) == len(rows[0])
    assert rows[0][3:6] == ("answer accepted", "Yunnan", "Shandong")
    assert step_rows(STORY, "zh")[1][2][-1] == "◀ 最长等待"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_table_has_a_head_for_each_cell(lang: Language) -> None:
    """In both languages."""
    place = Lying("hedx.center.requests", 2, 71, AT, "ab" * 16, 900, 4, ("application",), (1, 2, 3, 7), ("x",))
    tables = [
        step_rows(STORY, lang),
        mark_rows([Mark(None, "outbox", "waits_for_receipt", place="t", message_id="ab")], lang),
        missing_rows([Wanting("37", 1, 10, AT, late=True), Wanting("32", 1, 10, None, late=False)], lang),
        place_rows([place], lang),
    ]
    for heads, rows in tables:
        assert {len(row) for row in rows} == {len(heads)}
    assert tables[3][1][0][5:7] == ("application × 4", "1–3, 7")
    assert len(summary(STORY, lang)) == 5


def test_what_was_not_read_is_said_with_why() -> None:
    """Silence would mean that nothing is there."""
    lines = looked_words([Looked("a", 3, 5, AT), Looked("b", 0, 0, None, cut=True, why="denied")], "en")
    assert lines == [
        "a: 3 partitions, 5 records, since 2026-11-20 13:00:00.123",
        "b: 0 partitions, 0 records; not all of it: denied",
    ]


def test_every_fact_of_the_life_cycle_has_words() -> None:
    """What the table of the life cycle names is told in words; a kind that is new is shown as it is."""
    assert set(FACT.values()) <= KINDS.keys()
    assert kind_words("some_new_kind", "zh") == "some_new_kind"
