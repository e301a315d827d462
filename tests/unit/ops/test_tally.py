"""The counts behind the watch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.domain.records import LifecycleEvent
from pipeline.ops.tally import Row, Tally


def event(number: int, at: int = 0, kind: str = "section_received", count: int = 1) -> LifecycleEvent:
    """An event of intake."""
    return {
        "event_id": f"e{number}",
        "at": at,
        "stage": "intake",
        "kind": kind,
        "application_id": None,
        "section": None,
        "party": "37",
        "provider": None,
        "count": count,
        "code": None,
        "by": None,
        "since": None,
        "state": None,
        "change": None,
        "parts": [],
    }


def test_counts_by_minute_stage_and_kind() -> None:
    """Events of one minute and kind add up; another minute or kind is another row, the oldest first."""
    tally = Tally()
    for one in (event(1, 60_000, count=3), event(2, 119_999, count=4), event(3, 0), event(4, 60_000, kind="rejected")):
        tally.add(one)
    assert list(tally.rows()) == [
        Row("1970-01-01 00:00", "intake", "section_received", 1, 1),
        Row("1970-01-01 00:01", "intake", "rejected", 1, 1),
        Row("1970-01-01 00:01", "intake", "section_received", 2, 7),
    ]


@given(st.lists(st.integers(0, 9), min_size=1))
def test_order_and_repetition_change_nothing(numbers: list[int]) -> None:
    """Any order, any repetition: the same rows, and every repetition is told."""
    once, repeated = Tally(), Tally()
    for number in sorted(set(numbers)):
        once.add(event(number, at=number * 30_000))
    for number in numbers:
        repeated.add(event(number, at=number * 30_000))
    assert list(repeated.rows()) == list(once.rows())
    assert repeated.duplicates == len(numbers) - len(set(numbers))


def test_counts_what_it_cannot_read_by_the_faults_code() -> None:
    """Garbage, another record and a tombstone are told apart and counted as no event."""
    tally = Tally()
    other = framing.encode("Watermark", {"source": 0, "sources": 1, "time": 0})
    for value in (b"garbage, long enough", other, framing.encode("LifecycleEvent", event(1)) + b"x", None):
        tally.read(value)
    assert tally.unreadable == {
        "schema_unknown": 1,
        "schema_unexpected": 1,
        "avro_invalid": 1,
        "value_missing": 1,
    }
    assert tally.events == 0
