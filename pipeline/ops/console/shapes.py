"""From documents of other processes and records of Kafka to what the page shows. Pure; nothing in it names a person."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pipeline.center.desk import Waiting
from pipeline.domain.catalog import BASIC_CATEGORIES, Release
from pipeline.domain.parties import is_party
from pipeline.domain.records import Fault
from pipeline.domain.wording import explain
from pipeline.ops.health import DAY, Facts, Finding
from pipeline.ops.health_words import cure, told

Document = dict[str, Any]

STATUSES: Final = ("stopped", "stalled", "warn", "ok")
"""Of a group, the gravest first."""
TREND: Final = 60
"""Points of a trend line."""
_TELLING: Final = re.compile(r"[0-9]{1,8}|[0-9]{4}-[0-9]{2}-[0-9]{2}")


# ---- lag ---------------------------------------------------------------------------------------------------------------


def lag_rows(document: Document) -> list[Document]:
    """One row for each group and topic: the partitions' lag together, the gravest status first, then the longest wait."""
    rows = []
    for group in document["groups"]:
        by_topic: dict[str, list[Document]] = {}
        for partition in group["partitions"]:
            by_topic.setdefault(partition["topic"], []).append(partition)
        rows += [_row(group, topic, partitions) for topic, partitions in by_topic.items()] or [_row(group, "", [])]
    return sorted(rows, key=lambda row: (STATUSES.index(row["status"]), -(row["lag_seconds"] or 0), row["group"]))


def _row(group: Document, topic: str, partitions: Sequence[Document]) -> Document:
    """`status` and `rule` are those of the topic's gravest partition, and the group's where it is graver as a whole."""
    seconds = [one["lag_seconds"] for one in partitions if one["lag_seconds"] is not None]
    ratios = [one["retention_ratio"] for one in partitions if one.get("retention_ratio") is not None]
    worst = min(partitions, key=lambda one: STATUSES.index(one["status"]), default=group)
    judged = group if group["status"] == "stopped" or not partitions else worst
    same = judged["status"] == group["status"]
    return {
        "group": group["group"],
        "topic": topic,
        "state": group["state"],
        "members": group["members"],
        "status": judged["status"],
        "rule": judged["rule"],
        "reason": group["reason"] if same else judged.get("reason", ""),
        "lag": sum(one["lag"] or 0 for one in partitions),
        "lag_seconds": max(seconds, default=None),
        "partitions": len(partitions),
        "retention_ratio": max(ratios, default=None),
        "compacted": any(one.get("compacted") for one in partitions),
    }


class Trends:
    """The last `TREND` values of each group and topic's lag in seconds, in memory only."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, str], deque[float]] = {}

    def added(self, rows: Iterable[Document]) -> list[Document]:
        """The rows with their trend; groups that are gone are forgotten."""
        points: dict[tuple[str, str], deque[float]] = {}
        for row in rows:
            key = row["group"], row["topic"]
            points[key] = self._points.get(key, deque(maxlen=TREND))
            points[key].append(round(row["lag_seconds"] or 0.0, 1))
            row["trend"] = list(points[key])
        self._points = points
        return list(rows)


# ---- catalog, certificates, desk -----------------------------------------------------------------------------------------


def catalog_table(release: Release | None) -> Document:
    """The release with each entry's limit; of the texts that parties report nothing."""
    if release is None:
        return {"number": None, "published_at": None, "categories": [], "entries": []}
    known = [category for category in BASIC_CATEGORIES if release.offers(category)]
    others = [category for category in release.categories() if category not in BASIC_CATEGORIES]
    return {
        "number": release.number,
        "published_at": release.published_at,
        "categories": known + others,
        "entries": [
            {
                "provider": provider,
                "category": category,
                "working_days": entry["feedback_working_days"],
                "seconds": entry["feedback_seconds"],
                "as_of": entry["as_of"],
                "items": len(entry["items"]),
                "version": entry["version"],
            }
            for (provider, category), entry in sorted(release.entries.items())
        ],
    }


def certificates_table(facts: Facts) -> Document:
    """All certificates, those that end first on top, and the revocation list; `sight` shows the first of what a caller may see."""
    held = sorted(facts.certificates, key=lambda one: (one.not_after, one.party, one.usage))
    rows = [
        {
            "party": one.party,
            "usage": one.usage,
            "serial": one.serial,
            "not_after": one.not_after,
            "days": (one.not_after - facts.now) // DAY,
            "revoked": one.revoked,
        }
        for one in held
    ]
    crl = facts.revocation_list
    listed = None if crl is None else {"number": crl.number, "made_at": crl.made_at, "next_update": crl.next_update}
    return {"rows": rows, "count": len(rows), "crl": listed}


def finding_row(finding: Finding) -> Document:
    """A finding of `hedx doctor` as an alert, with its cure, in both languages."""
    return {
        "severity": finding.severity,
        "code": finding.code,
        "party": str(finding.args.get("party", "")),
        "zh": told(finding, "zh"),
        "en": told(finding, "en"),
        "cure_zh": cure(finding, "zh"),
        "cure_en": cure(finding, "en"),
    }


def desk_rows(waiting: Iterable[Waiting]) -> list[Document]:
    """What waits for an officer, and due when; of the form nothing, and of reasons no text that somebody wrote."""
    return [
        {
            "requester": one.requester,
            "application_id": one.application_id,
            "digest": one.digest.hex() if one.digest else None,
            "persons": one.item["persons"],
            "since": one.item["since"],
            "due": one.item["due"],
            "stage": one.item["stage"],
            "approvals": len(one.item["approvals"]),
            "faults": [_fault(each) for each in one.item["faults"]],
        }
        for one in waiting
    ]


def _fault(fault: Fault) -> Document:
    """The words for a fault; what its arguments quote of the form is left out."""
    told: Fault = {**fault, "args": {key: value if _is_telling(value) else "…" for key, value in fault["args"].items()}}
    return {"code": fault["code"], "zh": explain(told, "zh"), "en": explain(told, "en")}


def _is_telling(value: object) -> bool:
    """Whether an argument is a number, a day, or a word of the exchange's own, and not of the form."""
    text = str(value)
    return is_party(text) or text in BASIC_CATEGORIES or _TELLING.fullmatch(text) is not None


# ---- health at a glance ------------------------------------------------------------------------------------------------


def alerts(view: Mapping[str, Any]) -> list[Document]:
    """All that needs a look, the gravest first. `view`: kind of event → its newest value, as one caller may see them."""
    found = [*_of_sources(view), *_of_lag(view), *_of_watch(view), *_of_letters(view), *_of_desk(view)]
    found += view.get("findings") or []
    order = {"alarm": 0, "warning": 1, "notice": 2}
    return sorted(found, key=lambda one: order[one["severity"]])


def _of_sources(view: Mapping[str, Any]) -> Iterable[Document]:
    for name, state in (view.get("sources") or {}).items():
        if not state["ok"]:
            yield {"severity": "warning", "code": "source_away", "source": name, "at": state["at"]}


def _of_lag(view: Mapping[str, Any]) -> Iterable[Document]:
    lag = view.get("lag") or {"rows": [], "absent": []}
    for row in lag["rows"]:
        if row["status"] != "ok":
            severity = "warning" if row["status"] == "warn" else "alarm"
            keys = ("group", "topic", "status", "rule", "reason", "lag", "lag_seconds")
            yield {"severity": severity, "code": f"lag_{row['status']}", **{key: row[key] for key in keys}}
    told = {row["group"] for row in lag["rows"] if row["status"] != "ok"}
    for group in lag["absent"]:
        if group not in told:
            yield {"severity": "warning", "code": "group_absent", "group": group}


def _of_watch(view: Mapping[str, Any]) -> Iterable[Document]:
    risks = view.get("risks") or {"stuck": [], "deadlines": []}
    if risks["stuck"]:
        yield {"severity": "alarm", "code": "stuck", "count": len(risks["stuck"])}
    if risks["deadlines"]:
        yield {"severity": "warning", "code": "deadlines", "count": len(risks["deadlines"])}


def _of_letters(view: Mapping[str, Any]) -> Iterable[Document]:
    count = sum(letter["state"] == "open" for letter in view.get("dead_letters") or [])
    if count:
        yield {"severity": "warning", "code": "dead_letters", "count": count}


def _of_desk(view: Mapping[str, Any]) -> Iterable[Document]:
    stages = [row["stage"] for row in (view.get("desk") or {}).get("rows", [])]
    if overdue := stages.count("overdue"):
        yield {"severity": "alarm", "code": "desk_overdue", "count": overdue}
    if due := stages.count("warn"):
        yield {"severity": "warning", "code": "desk_due", "count": due}
