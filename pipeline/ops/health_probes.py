"""All probes of `hedx doctor` by name, and the order in which they go: first whether anybody is there, then what it says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from pipeline.ops import (
    health_brokers,
    health_clocks,
    health_desk,
    health_disks,
    health_drift,
    health_memory,
    health_rights,
    health_schemas,
    health_versions,
    health_years,
)
from pipeline.ops.health_seen import Seen
from pipeline.ops.health_site import PATIENCE, Probe, Site, look

BROKERS: Final = "brokers"
PROBES: Final[dict[str, Probe]] = {
    BROKERS: health_brokers.probe,
    "rights": health_rights.probe,
    "drift": health_drift.probe,
    "schemas": health_schemas.probe,
    "clock": health_clocks.probe,
    "disks": health_disks.probe,
    "versions": health_versions.probe,
    "calendar": health_years.probe,
    "desk": health_desk.desk,
    "letters": health_desk.letters,
    "memory": health_memory.probe,
}
"""Name, as `--only` takes it → probe."""


def look_around(site: Site, only: Collection[str] = (), seconds: float = PATIENCE) -> Seen:
    """What the probes (all, or `only` these) saw. Where no Kafka answers, the others look at what is on this machine.

    It takes `seconds` twice at most: for the brokers, and for all else together.
    """
    wanted = {name: probe for name, probe in PROBES.items() if not only or name in only}
    first = look(site, {BROKERS: PROBES[BROKERS]}, seconds) if site.bootstrap is not None else Seen()
    silent = first.cluster is None or not first.cluster.answers
    rest = {name: probe for name, probe in wanted.items() if name != BROKERS}
    seen = look(replace(site, bootstrap=None) if silent else site, rest, seconds)
    done = {*first.looked, *seen.looked}
    return replace(
        seen,
        cluster=first.cluster,
        brokers=first.brokers,
        unlooked=(*first.unlooked, *seen.unlooked),
        looked=tuple(name for name in PROBES if name in done),
    )
