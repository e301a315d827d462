"""Probe: the schemas of this code against the released ones, and against what the newest records on the topics are written with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pipeline.codec import framing, releases, schemas
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.kafka.windows import Windows
from pipeline.ops.health_seen import SchemasSeen
from pipeline.ops.health_site import ASK, Site
from pipeline.stages import topics

FRAMED: Final = (topics.EVENTS, topics.DESK, topics.APPLICATIONS, topics.JOIN)
"""Topics whose values are framed records; inboxes and letters hold envelopes, results hold signed objects."""
NEWEST: Final = 20
"""Records of each partition that are looked at."""
READERS = ("center", "ops")


def probe(site: Site) -> Mapping[str, Any]:
    """`schemas`."""
    current, released = schemas.current(), schemas.released()
    looked, unknown = 0, Counter[str]()
    if site.bootstrap is not None and any(site.holds(name) for name in READERS):
        # ops reads the events alone
        for topic in FRAMED if site.holds("center") else FRAMED[:1]:
            for value in _newest(site, topic):
                looked += 1
                unknown[topic] += not is_known(value)
    return {
        "schemas": SchemasSeen(
            unreleased=tuple(releases.unreleased(current, released)),
            faults=len(releases.check(current, released)),
            looked=looked,
            unknown={topic: count for topic, count in unknown.items() if count},
        )
    }


def is_known(value: bytes) -> bool:
    """Whether the record is of a schema that this code can read."""
    try:
        framing.decode(value)
    except InvalidMessage as error:
        return error.code != "schema_unknown"
    return True


def _newest(site: Site, topic: str) -> list[bytes]:
    """The newest values of each partition; none of a topic that is not there, which is drift."""
    found: list[bytes] = []
    try:
        with Windows(site.bootstrap or "", topic, site.client(*READERS), seconds=ASK) as windows:
            for partition, (first, end) in windows.bounds.items():
                messages = windows.read(partition, max(first, end - NEWEST), end)
                found += [message.value for message in messages if message.value]
    except ConfigError:
        return found
    return found
