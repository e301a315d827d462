"""What telling of an application's hops costs the center, against the signatures that the same application takes anyway."""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import process_time

from pipeline import logs
from pipeline.crypto import bundles, envelopes
from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.headers import Header
from pipeline.domain.parties import CENTER
from pipeline.kafka.hoplog import NAME, HopLog
from pipeline.kafka.hops import Hop, hops_of
from pipeline.kafka.observing import Worked
from pipeline.stages.effects import Effects
from pipeline.stages.events import EventLog

REQUESTER = "53"
PROVIDERS = ("00", "32", "37")
SIGNATURES = 3 + 2 * len(PROVIDERS)
"""Envelopes that the center signs or verifies for one application of one section: its own way in and out, and each provider's."""


def household(now: int) -> list[Worked]:
    """The center's transactions over one application of one section, as its stages note them."""
    application_id = str(uuid.uuid4())
    about = {"application_id": application_id, "party": REQUESTER}
    intake = EventLog("intake", now)
    intake.add("section_received", section=1, count=3, **about)  # type: ignore[arg-type]
    admitted = EventLog("applications", now)
    for kind in ("arrived", "accepted", "started"):
        admitted.add(kind, count=3, by="policy", **about)  # type: ignore[arg-type]
    for provider in PROVIDERS:
        admitted.add("dispatched", section=1, provider=provider, count=3, **about)  # type: ignore[arg-type]
    joined = EventLog("join", now)
    for provider in PROVIDERS:
        joined.add("answer_accepted", section=1, provider=provider, count=3, **about)  # type: ignore[arg-type]
    joined.add("section_closed", section=1, count=3, **about)  # type: ignore[arg-type]
    certified = EventLog("applications", now)
    certified.add("certified", count=3, by=CENTER, code="complete", **about)  # type: ignore[arg-type]
    steps = (("intake", intake), ("applications", admitted), ("join", joined), ("applications", certified))
    return [Worked(stage, (), Effects(outputs=log.outputs()), now, 0.01, 0.01) for stage, log in steps]


def measure(applications: int, now: int) -> dict[str, float]:
    """µs of CPU an application: reading the hops, lines at INFO and at DEBUG, above INFO; and its signatures, the yardstick."""
    work = [household(now) for _ in range(applications)]
    hops = [list(hops_of(one)) for steps in work for one in steps]
    found = {
        "hops_per_application": sum(map(len, hops)) / applications,
        "reading": _each(applications, lambda: [list(hops_of(one)) for steps in work for one in steps]),
    }
    for level in ("INFO", "DEBUG", "WARNING"):
        with _lines(level) as out:
            log = HopLog()
            found[f"lines_{level.lower()}"] = _each(applications, lambda log=log: _say(log, hops))  # type: ignore[misc]
            found[f"bytes_{level.lower()}"] = len(out.getvalue()) / applications
    found["signatures"] = SIGNATURES * _signature(now)
    found["share_of_signatures"] = (found["reading"] + found["lines_info"]) / found["signatures"]
    return {name: round(value, 3 if name.startswith("share") else 1) for name, value in found.items()}


def _say(log: HopLog, hops: list[list[Hop]]) -> None:
    for one in hops:
        log.hopped(one, 0, 0.0)


def _each(applications: int, work: Callable[[], object]) -> float:
    """µs of CPU an application; of CPU, since others use the machine too."""
    started = process_time()
    work()
    return 1e6 * (process_time() - started) / applications


def _signature(now: int) -> float:
    """µs of CPU to sign one envelope."""
    signer = issue(create_authority(now), REQUESTER, now).signer
    bundle = _bundle()
    rounds = 200
    started = process_time()
    for _ in range(rounds):
        envelopes.build([bundle], signer, audience=CENTER, now=now)
    return 1e6 * (process_time() - started) / rounds


def _bundle() -> SealedBundle:
    header = Header("receipt", bytes(16), REQUESTER, CENTER, REQUESTER)
    return bundles.clear_bundle(header, [b"receipt"])


@contextmanager
def _lines(level: str) -> Iterator[io.StringIO]:
    """Lines of JSON into memory, at `level`, without touching how this process logs."""
    out, logger = io.StringIO(), logging.getLogger(NAME)
    handler = logging.StreamHandler(out)
    handler.setFormatter(logs.Lines("bench", as_json=True))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield out
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
