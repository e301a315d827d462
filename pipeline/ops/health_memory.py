"""Probe: whether a signer that is started from here can keep its keys out of swap (docs/signer.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.ops.health_site import Site
from pipeline.signer.hardening import may_lock


def probe(site: Site) -> Mapping[str, Any]:
    """`memory_lockable`."""
    return {"memory_lockable": may_lock()}
