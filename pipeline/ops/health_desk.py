"""Probes: what waits for an officer past its limit (Art. 10), and dead letters that nobody has decided about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pipeline.center.deadletters import DeadLetters
from pipeline.center.desk import read_desk
from pipeline.kafka.clock import real_clock
from pipeline.ops.health_seen import DeskSeen, LettersSeen
from pipeline.ops.health_site import ASK, Site

SINCE: Final = 30 * 24 * 3600 * 1000
"""ms for which letters are looked at: what is older was seen by the doctor of its time."""
MOST: Final = 1000


def desk(site: Site) -> Mapping[str, Any]:
    """`desk`; only the center reads it."""
    if site.bootstrap is None or not site.holds("center"):
        return {}
    stages = Counter(waiting.item["stage"] for waiting in read_desk(site.bootstrap, site.client("center")))
    return {"desk": DeskSeen(stages["overdue"], stages["warn"])}


def letters(site: Site) -> Mapping[str, Any]:
    """`letters`; the center and ops read them."""
    if site.bootstrap is None or not (site.holds("center") or site.holds("ops")):
        return {}
    since = real_clock() - SINCE
    found = DeadLetters(site.bootstrap, site.client("center", "ops"), seconds=2 * ASK).list(
        since=since, state="open", limit=MOST + 1
    )
    by_code = Counter(letter.code for letter in found[:MOST])
    return {"letters": LettersSeen(since, dict(by_code), more=len(found) > MOST)}
