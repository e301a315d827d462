"""Who looks and with what: the installation, the cluster, the principals at hand; and the probes, run side by side.

A probe asks one thing and returns what it saw as fields of `Seen`. It changes nothing anywhere. One that fails or is too slow is a
finding of its own and keeps none of the others from being told.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import Any

from confluent_kafka import KafkaException

from pipeline.center.installation import Installation
from pipeline.domain.errors import HedxError
from pipeline.kafka.clients import Extra
from pipeline.kafka.security import client_security, is_plaintext, ssl_context
from pipeline.ops.health_seen import Seen, Unlooked

PATIENCE = 8.0
"""Seconds that all probes together get: they run side by side."""
ASK = 4.0
"""Seconds that one question to a broker may take."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the probes go by. `bootstrap` None: no cluster is known, or none shall be asked. `clock`: ours, ms."""

    installation: Installation
    clock: Callable[[], int]
    bootstrap: str | None = None
    parties: tuple[str, ...] | None = None

    def principals(self) -> list[str]:
        """Those whose TLS files are here."""
        return sorted(path.parent.name for path in self.installation.transport("").glob("*/tls.pem"))

    def holds(self, principal: str) -> bool:
        """Whether this machine can connect as `principal`; in plaintext everybody is everyone."""
        return is_plaintext() or (self.installation.transport(principal) / "tls.pem").is_file()

    def folder(self, *wanted: str) -> Path:
        """Folder of the first of `wanted` that is at hand, else of any principal; the first's where none is."""
        here = [name for name in (*wanted, *self.principals()) if self.holds(name)]
        return self.installation.transport(here[0] if here else wanted[0])

    def client(self, *wanted: str) -> Extra:
        """Client settings as that principal, quiet: what fails is told as a finding."""
        return {**client_security(self.folder(*wanted)), "log_level": 0, "socket.connection.setup.timeout.ms": 4000}

    def tls(self, *wanted: str) -> ssl.SSLContext | None:
        """The same for a plain connection; None for plaintext."""
        return ssl_context(self.folder(*wanted))


Probe = Callable[[Site], Mapping[str, Any]]
"""Fields of `Seen`; none where it had nothing to go by: no cluster, no such principal's files."""
FAILURES = (HedxError, KafkaException, OSError, ValueError)
"""What a probe may fail with for the world's sake; anything else is a defect and is raised."""


def look(site: Site, probes: Mapping[str, Probe], seconds: float = PATIENCE) -> Seen:
    """What the probes saw, all at the same time, after `seconds` at most."""
    results: Queue[tuple[str, Mapping[str, Any] | Exception]] = Queue()
    for name, probe in probes.items():
        Thread(target=_run, args=(name, probe, site, results), daemon=True, name=f"probe {name}").start()
    seen, waiting, until = Seen(), dict.fromkeys(probes), monotonic() + seconds
    while waiting:
        try:
            name, found = results.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            slow = tuple(Unlooked(name, "too_slow") for name in waiting)
            return replace(seen, unlooked=(*seen.unlooked, *slow))
        del waiting[name]
        if isinstance(found, FAILURES):
            seen = replace(seen, unlooked=(*seen.unlooked, Unlooked(name, "failed", said(found))))
        elif isinstance(found, Exception):
            raise found
        else:
            seen = replace(seen, **found, looked=(*seen.looked, name) if found else seen.looked)
    return seen


def said(error: Exception) -> str:
    """An error in a line."""
    if isinstance(error, KafkaException):
        return str(error.args[0].str())
    return str(error).partition("\n")[0] or type(error).__name__


def _run(name: str, probe: Probe, site: Site, results: Queue[tuple[str, Mapping[str, Any] | Exception]]) -> None:
    try:
        results.put((name, probe(site)))
    except Exception as error:  # noqa: BLE001 - handed over to the thread that waits, which raises what is a defect
        results.put((name, error))
