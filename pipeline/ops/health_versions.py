"""Probe: versions of Python, of the packages against the lock of this installation, and of the brokers."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import confluent_kafka

from pipeline.kafka import wire
from pipeline.kafka.brokers_named import addresses
from pipeline.ops.health_seen import VersionsSeen
from pipeline.ops.health_site import ASK, Site

LOCK: Final = Path(__file__).resolve().parents[2] / "requirements-prod.lock"
"""In a checkout beside the package; an installation made without it is not compared."""
_LINE = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def probe(site: Site) -> Mapping[str, Any]:
    """`versions`."""
    agreed: dict[str, int | None] = {}
    newest: dict[str, int | None] = {}
    if site.bootstrap is not None:
        names = ("center", "ops", "monitor")
        context = site.tls(*names)
        for host, port in addresses(site.bootstrap, site.client(*names), ASK):
            found = wire.levels((host, port), context, ASK)
            agreed[f"{host}:{port}"], newest[f"{host}:{port}"] = found.agreed, found.newest
    lock = LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""
    return {
        "versions": VersionsSeen(
            python=platform.python_version(),
            client=str(confluent_kafka.version()),
            library=confluent_kafka.libversion()[0],
            packages=differing(lock),
            agreed=agreed,
            newest=newest,
        )
    }


def differing(lock: str) -> dict[str, tuple[str, str]]:
    """Name → (locked, installed) of packages that are installed in another version than the lock's."""
    found: dict[str, tuple[str, str]] = {}
    for line in lock.splitlines():
        if match := _LINE.match(line):
            name, locked = match.groups()
            try:
                here = version(name)
            except PackageNotFoundError:
                continue  # for another platform, or an extra that was not asked for
            if here != locked:
                found[name] = locked, here
    return found
