"""What `hedx lag --json` and `/api/lag` say: one document of a judged poll. Times in ms, durations in s."""

from __future__ import annotations

from typing import Any

from pipeline.ops.lag_history import Judged, JudgedGroup


def document(judged: Judged, cluster: str, every: float | None = None) -> dict[str, Any]:
    """The document, ready for JSON. `every`: seconds between two polls; None: there was only this one."""
    return {
        "now": judged.poll.at,
        "cluster": cluster,
        "poll_seconds": every,
        "groups": [_group(group) for group in judged.groups],
        "absent": [group.sample.name for group in judged.groups if group.sample.absent],
        "healthy": judged.healthy,
    }


def _group(group: JudgedGroup) -> dict[str, Any]:
    return {
        "group": group.sample.name,
        "state": group.sample.state,
        "members": group.sample.members,
        "status": group.verdict.status,
        "rule": group.verdict.rule,
        "reason": group.verdict.reason,
        "lag": group.lag,
        "lag_seconds": group.seconds,
        "partitions": _partitions(group),
    }


def _partitions(group: JudgedGroup) -> list[dict[str, Any]]:
    return [
        {
            "topic": topic,
            "partition": partition,
            "committed": each.committed,
            "end": each.end,
            "begin": each.begin,
            "lag": each.lag,
            "lag_seconds": each.seconds,
            "retention_ratio": each.ratio,
            "compacted": each.compacted,
            "status": group.partitions[topic, partition].status,
            "rule": group.partitions[topic, partition].rule,
        }
        for (topic, partition), each in sorted(group.sample.partitions.items())
    ]
