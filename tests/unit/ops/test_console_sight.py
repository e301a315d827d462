"""What a province sees: its own figures, and nothing of anybody else's."""

from __future__ import annotations

import json

import pytest

from pipeline.ops.console.gate import Caller
from pipeline.ops.console.shapes import alerts
from pipeline.ops.console.sight import CERTIFICATES, seen, seen_application, without_names
from pipeline.ops.console.words import own_code
from tests.console import MINE, OTHERS, events, watched

PROVINCE = Caller("P37", "viewer", "0a", "f1", "37")
OPS = Caller("ops", "operator", "0b", "f2", None)
OFFICER = Caller("center", "officer", "0c", "f3", None)


def test_the_centers_people_see_everything_but_the_desk() -> None:
    """What waits for an officer is shown to officers."""
    for kind, value in events().items():
        assert seen(kind, value, OFFICER) == value
        assert seen(kind, value, OPS) == (None if kind == "desk" else value)


@pytest.mark.parametrize("kind", ["summary", "flow", "latency", "dead_letters", "desk"])
def test_a_province_sees_no_figures_of_all_together(kind: str) -> None:
    """From sums, others' figures could be told."""
    assert seen(kind, events()[kind], PROVINCE) is None


def test_nothing_of_another_party_is_in_what_a_province_sees() -> None:
    """No group, provider, holder or application of 53 in any event for 37, and its own are there."""
    shown = {kind: seen(kind, value, PROVINCE) for kind, value in events().items()}
    text = json.dumps(shown, ensure_ascii=False)
    assert OTHERS not in text
    assert "hedx.53" not in text
    assert "hedx.center" not in text
    assert '"53"' not in text
    assert [row["group"] for row in shown["lag"]["rows"]] == ["hedx.37.answer"]
    assert shown["lag"]["healthy"] is True
    assert [row["provider"] for row in shown["punctuality"]] == ["37"]
    assert shown["rates"]["by_party"] == [{"party": "37", "applications": 1, "subqueries": 4}]
    assert [one["application_id"] for one in shown["risks"]["deadlines"]] == [MINE]
    assert shown["risks"]["stuck"] == []
    assert [row["party"] for row in shown["certificates"]["rows"]] == ["37"]
    assert shown["certificates"]["count"] == 1
    assert shown["findings"] == []


def test_of_many_certificates_a_caller_sees_the_first_of_its_own() -> None:
    """However many of others end before them; and everybody's first are the center's to see."""
    rows = [{"party": "53" if n < 40 else "37", "usage": "tls", "serial": f"{n}", "days": n} for n in range(80)]
    value = {"rows": rows, "count": 80, "crl": None}
    own, all_ = seen("certificates", value, PROVINCE), seen("certificates", value, OPS)
    assert own == {"rows": rows[40 : 40 + CERTIFICATES], "count": 40, "crl": None}
    assert all_ == {"rows": rows[:CERTIFICATES], "count": 80, "crl": None}


def test_an_event_nobody_thought_of_is_not_shown_to_a_province() -> None:
    """What is not listed is hidden, not shown."""
    assert seen("something_new", {"party": "37"}, PROVINCE) is None


def test_a_province_has_no_alert_about_others() -> None:
    """Alerts are made of what the caller sees."""
    view = {kind: seen(kind, value, PROVINCE) for kind, value in events().items()}
    assert [(one["code"], one["count"]) for one in alerts(view)] == [("deadlines", 1)]


def test_a_province_sees_its_own_applications() -> None:
    """Those that it filed."""
    assert seen_application(watched(MINE, "37"), PROVINCE)
    assert not seen_application(watched(OTHERS, "53"), PROVINCE)
    assert seen_application(watched(OTHERS, "53"), OPS)


def test_officers_are_not_named() -> None:
    """The history says that an officer decided, not who; and a provider's own code is not repeated."""
    shown = without_names(watched(MINE, "37"))
    assert [each["by"] for each in shown["history"]] == [None, "officer"]
    assert own_code("not_identifiable") == "not_identifiable"
    assert own_code("王芳_declined") == "other_code"
    assert "王芳" not in json.dumps(shown, ensure_ascii=False)
