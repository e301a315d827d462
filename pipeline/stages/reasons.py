"""Reasons for a rejection as they travel: each once, and never more than a message can carry."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.domain.faults import fault
from pipeline.domain.records import Fault

MOST = 1000
"""Reasons a rejection lists at most: some 300 bytes each, in a message of at most 900 KiB."""
MORE = "faults_more"


def listed(faults: Iterable[Fault]) -> list[Fault]:
    """`faults` without repetitions: all, or the first `MOST` and how many more there are. Lists may be listed again."""
    distinct: dict[tuple[object, ...], Fault] = {}
    left_out = 0
    for reason in faults:
        if reason["code"] == MORE:
            left_out += int(reason["args"]["count"])
        else:
            distinct.setdefault(_identity(reason), reason)
    found = list(distinct.values())
    left_out += max(0, len(found) - MOST)
    return found[:MOST] + ([fault("faults_more", count=left_out)] if left_out else [])


def _identity(reason: Fault) -> tuple[object, ...]:
    args = tuple(sorted(reason["args"].items()))
    return reason["code"], reason["field"], reason["number"], reason["row"], args
