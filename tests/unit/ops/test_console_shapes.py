"""From documents and records to rows and alerts."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.center.desk import Waiting
from pipeline.domain.catalog import Release
from pipeline.ops.console.shapes import (
    TREND,
    Trends,
    alerts,
    catalog_table,
    certificates_table,
    desk_rows,
    finding_row,
    lag_rows,
)
from pipeline.ops.health import DAY, Facts, HeldCertificate, HeldList, examine
from pipeline.province.catalog_files import load_entries
from tests.console import MINE, NOW, events, group, lag_document, partition

CATALOG = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "catalog"


def test_lag_is_told_by_group_and_topic_the_gravest_first() -> None:
    """Records add up over partitions, the wait is the longest of them."""
    rows = lag_rows(lag_document())
    assert [row["group"] for row in rows[:2]] == ["hedx.center.join", "hedx.53.deliver"]
    assert rows[0]["lag"] == 40 + 41 + 42
    assert rows[0]["lag_seconds"] == 14.5
    assert (rows[0]["status"], rows[0]["rule"], rows[0]["partitions"]) == ("stopped", 2, 3)


def test_a_topic_is_not_blamed_for_another() -> None:
    """Of a group with two topics only the one that waits is out of order."""
    bad = group("g", partition("a", 0, 5, 400.0, "warn", 7), partition("b", 0), status="warn", rule=7, reason="late")
    rows = lag_rows({"groups": [bad]})
    assert [(row["topic"], row["status"], row["rule"]) for row in rows] == [("a", "warn", 7), ("b", "ok", 10)]


def test_a_group_without_partitions_still_has_a_row() -> None:
    """One that is expected and absent has neither topic nor wait."""
    [row] = lag_rows({"groups": [group("hedx.37.answer", status="stopped", rule=1, reason="expected", members=0)]})
    assert (row["topic"], row["status"], row["lag"], row["lag_seconds"]) == ("", "stopped", 0, None)


def test_trends_are_bounded_and_forget_who_is_gone() -> None:
    """At most so many points; a group that comes back starts anew."""
    trends, rows = Trends(), lag_rows(lag_document())
    for _ in range(TREND + 5):
        shown = trends.added(rows)
    assert len(shown[0]["trend"]) == TREND
    trends.added([])
    assert len(trends.added(rows)[0]["trend"]) == 1


def test_the_catalog_table_has_no_text_that_a_party_wrote() -> None:
    """Limits, dates and counts; never sharing conditions, regions or names as reported."""
    entries = [entry for file in sorted(CATALOG.glob("*.yaml")) for entry in load_entries(file)]
    shown = catalog_table(Release.of(3, entries, NOW))
    text = json.dumps(shown, ensure_ascii=False)
    assert (shown["number"], len(shown["entries"])) == (3, len(entries))
    assert not any(entry["sharing_conditions"] in text for entry in entries if entry["sharing_conditions"])
    assert not any(entry["region"] in text for entry in entries)
    assert catalog_table(None)["number"] is None


def test_certificates_stand_in_the_order_in_which_they_end() -> None:
    """With the days left, and the list's date."""
    held = [HeldCertificate("37", "tls", "0a", NOW + 90 * DAY), HeldCertificate("53", "sign", "0b", NOW + 5 * DAY)]
    facts = Facts(NOW, held, HeldList(4, NOW, NOW + 7 * DAY))
    shown = certificates_table(facts)
    assert [(row["party"], row["days"]) for row in shown["rows"]] == [("53", 5), ("37", 90)]
    assert shown["crl"] == {"number": 4, "made_at": NOW, "next_update": NOW + 7 * DAY}
    [found] = [finding_row(each) for each in examine(facts)]
    assert (found["severity"], found["party"]) == ("alarm", "53")
    assert found["zh"] != found["en"]


def test_the_desk_quotes_nothing_of_a_form() -> None:
    """Words for the reason, numbers and categories in it, and no text that somebody wrote."""
    faults = [
        {
            "code": "hold_purpose",
            "field": "purpose",
            "number": None,
            "row": None,
            "args": {"purpose": "王芳 13800138000"},
        }
    ]
    item = {"kind": "review", "application_id": MINE, "party": "53", "since": NOW, "due": NOW + DAY, "stage": "warn",
            "faults": faults, "approvals": [{"officer": "李四", "account": "root", "at": NOW}], "persons": 3, "subject": b"\x01" * 32}  # fmt: skip
    [row] = desk_rows([Waiting("53", MINE, item)])  # type: ignore[arg-type]
    text = json.dumps(row, ensure_ascii=False)
    assert "王芳" not in text
    assert "13800138000" not in text
    assert "李四" not in text
    assert (row["approvals"], row["stage"], row["digest"]) == (1, "warn", "01" * 32)


def test_alerts_tell_the_gravest_first() -> None:
    """A stopped stage before a dead letter; each with what the page's sentence needs."""
    found = alerts(events())
    order = [one["severity"] for one in found]
    assert order == sorted(order, key=["alarm", "warning", "notice"].index)
    codes = {one["code"] for one in found}
    assert codes == {"lag_stopped", "stuck", "deadlines", "dead_letters", "desk_overdue", "certificate_expires"}
    [lag] = [one for one in found if one["code"] == "lag_stopped"]
    assert (lag["group"], lag["rule"], lag["lag_seconds"]) == ("hedx.center.join", 2, 14.5)


def test_no_alert_where_all_is_well() -> None:
    """Nothing is told of groups in order, settled letters, and sources that answer."""
    row = lag_rows({"groups": [group("g", partition("t", 0))]})[0]
    view = {"lag": {"rows": [row], "absent": []}, "sources": {"lag": {"ok": True, "at": None}},
            "dead_letters": [{"state": "replayed"}], "desk": {"rows": [{"stage": "open"}]}, "findings": []}  # fmt: skip
    assert alerts(view) == []


def test_a_source_that_is_away_is_an_alert() -> None:
    """So is a group that ought to be there, once."""
    view = {"sources": {"watch": {"ok": False, "at": NOW}}, "lag": {"rows": [], "absent": ["hedx.37.answer"]}}
    assert [(one["code"], one.get("source") or one.get("group")) for one in alerts(view)] == [
        ("source_away", "watch"),
        ("group_absent", "hedx.37.answer"),
    ]
