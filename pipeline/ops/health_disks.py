"""Probe: the room on the disks of this installation, and of the brokers where the operator's files are here."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any, Final

from pipeline.kafka import wire
from pipeline.kafka.brokers_named import addresses
from pipeline.ops.health_seen import DiskSeen
from pipeline.ops.health_site import ASK, Site

OPERATOR: Final = "admin"


def probe(site: Site) -> Mapping[str, Any]:
    """`disks`."""
    here = shutil.disk_usage(site.installation.folder)
    disks = [DiskSeen(str(site.installation.folder), here.total, here.free)]
    if site.bootstrap is not None and site.holds(OPERATOR):
        context = site.tls(OPERATOR)
        for host, port in addresses(site.bootstrap, site.client(OPERATOR), ASK):
            for found in wire.log_dirs((host, port), context, ASK):
                disks.append(DiskSeen(f"{host}:{port} {found.path}", found.total, found.free))
    return {"disks": tuple(disks)}
