"""Who looks on never matters: what an observer raises is counted, said once without its words, and goes nowhere."""

from __future__ import annotations

import logging
import threading

import pytest

from pipeline.domain.errors import Retryable
from pipeline.domain.tracing import sent
from pipeline.kafka.hops import Hop, Hopping
from pipeline.kafka.observing import Observers, Restored, Worked
from pipeline.kafka.onlooking import Telling, tell
from pipeline.stages.effects import Effects, Message

APPLICATION = "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d"
SECRET = "唐永建 13800138000"


def raising(*_: object) -> None:
    """Somebody who looks on and quotes a row."""
    raise KeyError(SECRET)


def test_what_is_raised_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """By class and place, never its text; another place is another line, and an error of our own is none of anybody's either."""
    telling = Telling()

    def later() -> None:
        raise Retryable(SECRET)

    for _ in range(3):
        telling(raising, 1)
    telling(later)
    assert sorted(telling.failed.values()) == [1, 3]
    first, second = caplog.messages
    assert "KeyError in raising (unit/kafka/test_onlooking.py:" in first
    assert "Retryable in later (" in second
    assert SECRET not in caplog.text
    assert {(record.levelno, record.exc_info) for record in caplog.records} == {(logging.ERROR, None)}


def test_whoever_is_told_gets_what_was_said() -> None:
    """Arguments by place and by name; nothing is counted."""
    telling, told = Telling(), []

    def note(one: int, other: int) -> None:
        told.append((one, other))

    telling(note, 1, other=2)
    assert told == [(1, 2)]
    assert not telling.failed


def test_what_ends_a_process_does_not_end_here() -> None:
    """An interrupt is nobody's failure."""
    telling = Telling()

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        telling(interrupted)


def test_threads_count_together() -> None:
    """None is lost."""
    telling = Telling()

    def many() -> None:
        for _ in range(200):
            telling(raising)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(telling.failed.values()) == [800]


class Raising:
    """Raises whatever it is told."""

    worked = restored = aborted = hopped = carried = raising


class Notes:
    """Writes down by which name it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def worked(self, work: Worked) -> None:
        self.told.append("worked")

    def restored(self, restored: Restored) -> None:
        self.told.append("restored")

    def aborted(self, stage: str, reason: str) -> None:
        self.told.append("aborted")

    def hopped(self, *_: object) -> None:
        self.told.append("hopped")

    def carried(self, *_: object) -> None:
        self.told.append("carried")


def test_one_that_raises_keeps_the_next_from_nothing() -> None:
    """Of several observers, and of several that are told of hops, the one after it is told all the same."""
    notes = Notes()
    before = tell.failed.total()
    observers = Observers([Raising(), notes])
    observers.worked(Worked("x", (), Effects(), 0, 0.0, 0.0))
    observers.restored(Restored("x", [0], 1, 0.1))
    observers.aborted("x", "why")
    hopping = Hopping([Raising(), notes])
    hopping.hopped([Hop(0, "x", "sent", APPLICATION, sent(APPLICATION, "53"), None)], 0, 0.0)
    hopping.carried("x", [Message("t", 0, 0, 0, None, None)], (), 0, 0.0)
    assert notes.told == ["worked", "restored", "aborted", "hopped", "carried"]
    assert tell.failed.total() == before + 5
