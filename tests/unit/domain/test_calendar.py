"""Working days: the arithmetic alone, with years made up here (the real years are held in tests/procedure)."""

import datetime as dt

import pytest

from pipeline.domain.calendar import (
    CHINA,
    ESTIMATED,
    PUBLISHED,
    Calendar,
    CalendarUnknown,
    YearDays,
    end_of_day,
    is_estimated,
    local_date,
    start_of_day,
)


def days(*written: str) -> frozenset[dt.date]:
    return frozenset(map(dt.date.fromisoformat, written))


CALENDAR = Calendar(
    {
        2030: YearDays(days("2030-05-01", "2030-05-02", "2030-05-03"), days("2030-05-04"), PUBLISHED, "a notice"),
        2031: YearDays(days("2031-01-01"), frozenset(), ESTIMATED, "the statutory days"),
    }
)


def at(written: str) -> int:
    """The instant (ms) of a time written in China."""
    return round(dt.datetime.fromisoformat(written).replace(tzinfo=CHINA).timestamp() * 1000)


def test_a_day_off_a_weekend_and_a_make_up_day() -> None:
    """A weekday off is off, a make-up Saturday is worked, the other weekend days are not."""
    worked = [day for day in range(1, 8) if CALENDAR.is_working_day(dt.date(2030, 5, day))]
    assert worked == [4, 6, 7]  # Wed to Fri off, Saturday made up, Sunday free


@pytest.mark.parametrize(
    ("received", "number", "due"),
    [
        ("2030-04-29T09:00:00", 1, "2030-04-30"),
        ("2030-04-29T09:00:00", 2, "2030-05-04"),
        ("2030-05-02T23:00:00", 2, "2030-05-06"),  # day 0 is a holiday
        ("2030-05-04T08:00:00", 2, "2030-05-07"),  # day 0 is a make-up day and does not count itself
        ("2030-12-31T10:00:00", 2, "2031-01-03"),  # the year changes
    ],
)
def test_a_limit_counts_working_days_after_the_day_of_receipt(received: str, number: int, due: str) -> None:
    """Day 0 never counts, and the limit lasts to the last millisecond of its last working day."""
    assert CALENDAR.due(at(received), number) == at(f"{due}T23:59:59.999")


def test_the_day_changes_at_midnight_in_china() -> None:
    """One millisecond before 24:00 in China is still that day, whatever the day elsewhere."""
    midnight = start_of_day(dt.date(2030, 4, 30))
    assert midnight == at("2030-04-30T00:00:00")
    assert (local_date(midnight - 1), local_date(midnight)) == (dt.date(2030, 4, 29), dt.date(2030, 4, 30))
    assert end_of_day(dt.date(2030, 4, 29)) == midnight - 1


def test_the_warning_begins_with_the_last_working_day() -> None:
    """A limit in working days warns when one working day is left; one that ends on a day off, on the day before it."""
    assert CALENDAR.warn_at(at("2030-05-06T23:59:59.999")) == at("2030-05-06T00:00:00")
    assert CALENDAR.warn_at(at("2030-05-03T12:00:00")) == at("2030-04-30T00:00:00")


def test_the_longest_time_a_limit_takes_is_over_all_days_of_receipt() -> None:
    """From the start of the last working day before the holidays to the end of the limit after them."""
    day = 24 * 3600 * 1000
    assert CALENDAR.longest(1) == 5 * day - 1  # 30 April at 00:00 to the 4th at 24:00
    assert CALENDAR.longest(2) == 7 * day - 1  # 30 April at 00:00 to the 6th at 24:00
    with pytest.raises(CalendarUnknown, match="2032"):
        CALENDAR.longest(600)
    with pytest.raises(CalendarUnknown):
        Calendar({}).longest(1)


def test_an_unknown_year_is_an_error_that_names_it() -> None:
    """Nothing is guessed about a year without a file, whether the limit begins, ends or warns in it."""
    for ask in (
        lambda: CALENDAR.due(at("2031-12-31T10:00:00"), 1),
        lambda: CALENDAR.basis(dt.date(2031, 1, 1), dt.date(2032, 1, 1)),
    ):
        with pytest.raises(CalendarUnknown, match="2032") as raised:
            ask()
        assert raised.value.year == 2032
    with pytest.raises(CalendarUnknown, match="2029"):
        CALENDAR.warn_at(at("2029-12-31T10:00:00"))


def test_an_estimated_year_is_marked() -> None:
    """The basis names every year a limit was counted with; day 0 itself is not among the days counted."""
    assert CALENDAR.basis(dt.date(2030, 12, 1), dt.date(2031, 1, 2)) == "2030 published, 2031 estimated"
    received = at("2030-12-31T10:00:00")
    basis = CALENDAR.basis_of(received, CALENDAR.due(received, 1))
    assert basis == "2031 estimated"
    assert is_estimated(basis)
    assert not is_estimated("2030 published")


def test_a_limit_of_no_days_is_refused() -> None:
    """A limit is at least one working day."""
    with pytest.raises(ValueError, match="at least one"):
        CALENDAR.due(at("2030-04-29T09:00:00"), 0)
