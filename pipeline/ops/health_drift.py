"""Probe: whether the cluster is as topics.yaml, the registry and the suspensions say; where the operator's files are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.kafka import access, admin
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import is_plaintext
from pipeline.kafka.topology import TOPICS_FILE, load
from pipeline.ops.health_seen import DriftSeen
from pipeline.ops.health_site import Site

OPERATOR = "admin"


def probe(site: Site) -> Mapping[str, Any]:
    """`drift`: the lines of `hedx topics plan`, rights and quotas included where the registry is here."""
    if site.bootstrap is None or not site.holds(OPERATOR):
        return {}
    topology = load(TOPICS_FILE, site.parties)
    plan = admin.plan(topology, admin.observe(site.bootstrap, topology.cluster.prefix, site.client(OPERATOR)))
    lines = [*map(str, (*plan.changes, *plan.findings))]
    if not is_plaintext() and site.installation.has_registry():
        with site.installation.registry() as registry:
            addresses, suspended = registry.addresses(wall_clock()), registry.suspended()
        folder = site.installation.transport(OPERATOR)
        lines += access.plan(site.bootstrap, topology, addresses, suspended, folder).lines()
    return {"drift": DriftSeen(tuple(lines))}
