"""Probe: our clock against the brokers', and whether anything keeps it right. Nothing is written for it.

With the operator's files: the active controller's own clock, which it tells with the metadata quorum, to within half of the way there
and back. Else: the newest append time on an inbox that may be described, which tells only whether we are behind it. Of the other
brokers' clocks nothing is said; each stamps what it leads.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.crypto.certificates import party_of_principal
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka import wire
from pipeline.kafka.clients import admin_config
from pipeline.kafka.clock import VARIABLE, real_clock
from pipeline.kafka.tailing import partitions_of
from pipeline.ops.health_seen import ClockSeen
from pipeline.ops.health_site import ASK, Site

_UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES: Final = 512  # more than struct timex has on any of our platforms
OPERATOR = "admin"


def probe(site: Site, clock: Callable[[], int] = real_clock) -> Mapping[str, Any]:
    """`clock`. `clock`: the machine's own, in real time, ms."""
    kept, simulated = is_disciplined(), bool(os.environ.get(VARIABLE))
    seen = ClockSeen(disciplined=kept, simulated=simulated)
    if site.bootstrap is not None:
        compared = _controller(site, clock) if site.holds(OPERATOR) else _appended(site, clock)
        if compared is not None:
            skew, error, by = compared
            seen = ClockSeen(skew, error, by, kept, simulated)  # type: ignore[arg-type]
    return {"clock": seen}


def _controller(site: Site, clock: Callable[[], int]) -> tuple[int, int, str]:
    host, _, port = (site.bootstrap or "").split(",")[0].rpartition(":")
    told = wire.controller_time((host.strip("[]"), int(port)), site.tls(OPERATOR), clock, ASK)
    return told.asked - told.at, told.error, "controller"


def _appended(site: Site, clock: Callable[[], int]) -> tuple[int, int, str] | None:
    """How far we are behind the newest append time; None when that is not in our future."""
    principal = next((name for name in site.principals() if party_of_principal(name)), None)
    if principal is None:
        return None
    party = party_of_principal(principal) or CENTER
    client = AdminClient(admin_config(site.bootstrap or "", site.client(principal)))
    newest = max((_newest(client, inbox(party, kind)) for kind in ("requests", "responses")), default=-1)
    behind = clock() - newest
    return (behind, 0, "appended") if newest > 0 and behind < 0 else None


def _newest(client: AdminClient, topic: str) -> int:
    """The highest append time of the topic; -1 when nothing is there. Only its place and time are asked for."""
    which = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    asked = {TopicPartition(topic, number): which for number in range(partitions_of(client, topic))}
    try:
        answers = client.list_offsets(asked, request_timeout=ASK)
        return max((int(answer.result().timestamp) for answer in answers.values()), default=-1)
    except KafkaException:
        return -1


def is_disciplined() -> bool | None:
    """Whether the kernel says that its clock is kept right, as NTP does; None where it does not say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED
