"""Sessions and their ends, names that are taken, and how often something may be tried."""

from __future__ import annotations

import pytest

from pipeline.ops.console.gate import Caller, Refusal
from pipeline.ops.console.sessions import IDLE, LONGEST, MOST, Sessions, person_named
from pipeline.ops.console.throttle import Throttle
from tests.console import NOW

OPS = Caller("ops", "operator", "0a", "f1", None)
ANOTHER = Caller("ops", "operator", "0b", "f2", None)


def test_a_session_is_its_certificates() -> None:
    """With another certificate of the same principal the cookie opens nothing."""
    sessions = Sessions()
    session = sessions.open(OPS, "王芳", NOW)
    assert sessions.find(session.id, OPS, NOW, used=False) is session
    assert sessions.find(session.id, ANOTHER, NOW, used=False) is None
    assert sessions.find("", OPS, NOW, used=False) is None


def test_a_session_ends_when_nothing_is_heard() -> None:
    """After 15 minutes without a sign of life; what the page asks by itself is none."""
    sessions = Sessions()
    session = sessions.open(OPS, "王芳", NOW)
    assert sessions.find(session.id, OPS, NOW + IDLE - 1, used=False)
    assert sessions.find(session.id, OPS, NOW + IDLE, used=False) is None


def test_a_session_in_use_goes_on_for_eight_hours() -> None:
    """Each sign of life prolongs it; eight hours are its end all the same."""
    sessions = Sessions()
    session = sessions.open(OPS, "王芳", NOW)
    for at in range(NOW, NOW + LONGEST, IDLE - 1):
        assert sessions.find(session.id, OPS, at, used=True)
    assert session.ends() == NOW + LONGEST
    assert sessions.find(session.id, OPS, NOW + LONGEST, used=True) is None


def test_sessions_of_a_certificate_are_bounded() -> None:
    """One more ends the oldest of that certificate, and nobody else's."""
    sessions = Sessions()
    other = sessions.open(ANOTHER, "李", NOW)
    opened = [sessions.open(OPS, "王芳", NOW + n) for n in range(MOST + 1)]
    found = [sessions.find(one.id, OPS, NOW + MOST, used=False) is not None for one in opened]
    assert found == [False] + [True] * MOST
    assert sessions.find(other.id, ANOTHER, NOW, used=False)


def test_a_closed_session_is_gone() -> None:
    """Signing out ends it at once, and closing it again does nothing."""
    sessions = Sessions()
    session = sessions.open(OPS, "王芳", NOW)
    sessions.close(session)
    sessions.close(session)
    assert sessions.find(session.id, OPS, NOW, used=False) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "name_missing"),
        ("  ", "name_missing"),
        (None, "name_missing"),
        (["王"], "name_missing"),
        ("王" * 65, "name_invalid"),
        ("王\u0007芳", "name_invalid"),
        ("\u200b", "name_invalid"),
        ("王芳 110101199003074258", "name_invalid"),
        ("ops", "name_of_principal"),
        (" ＯＰＳ ", "name_of_principal"),
        ("Center", "name_of_principal"),
        ("p37", "name_of_principal"),
        ("o\u200bps", "name_invalid"),
    ],
)
def test_names_that_are_no_persons(text: object, code: str) -> None:
    """Nobody acts as `ops` alone, nor under a name that cannot be read."""
    with pytest.raises(Refusal) as refused:
        person_named(text)
    assert (refused.value.status, refused.value.code) == (400, code)


def test_a_name_is_taken_without_its_blanks() -> None:
    """What goes into the log is one line, trimmed."""
    assert person_named("  Wang  Fang ") == "Wang Fang"


def test_a_throttle_lets_a_burst_pass_then_one_at_a_time() -> None:
    """Three at once, then one every ten seconds; another's tries do not count."""
    throttle = Throttle(3, 10_000)
    assert [throttle.wait("a", NOW) for _ in range(4)] == [0, 0, 0, 10_000]
    assert throttle.wait("b", NOW) == 0
    assert throttle.wait("a", NOW + 9_999) > 0
    assert throttle.wait("a", NOW + 10_000) == 0
    assert throttle.wait("a", NOW + 10_000) == 10_000


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Neither more tries nor an error."""
    throttle = Throttle(1, 10_000)
    assert throttle.wait("a", NOW) == 0
    assert throttle.wait("a", NOW - 60_000) > 0
