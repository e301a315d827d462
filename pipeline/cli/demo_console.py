"""What `hedx demo --serve` starts for whoever looks on: the lag exporter, the watch and the console."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.center.installation import Installation
from pipeline.cli.crew import Crew
from pipeline.domain.errors import ConfigError
from pipeline.kafka.readiness import accepts, free_ports, is_free
from pipeline.kafka.security import STORE, is_plaintext, write_java_store
from pipeline.ops.targets import VARIABLE

PATIENCE = 60.0
"""Seconds within which the console answers, on a machine that is busy starting everything else."""
LOOK = 0.2
ANY = "127.0.0.1:0"
USUAL = 9443
OPERATOR, OFFICER = "ops", "center"
"""The principals whose certificates are written for a browser."""


@dataclass(frozen=True, slots=True)
class Console:
    """Where the console is, and what to import into a browser to get in: file and passphrase's file, for each role."""

    url: str
    keystores: dict[str, Path]
    authorities: Path


def want_figures() -> None:
    """All processes started from now on give their figures, unless the environment says where already."""
    os.environ.setdefault(VARIABLE, ANY)


def start_console(
    crew: Crew,
    installation: Installation,
    bootstrap: str,
    parties: Sequence[str],
    stop: threading.Event,
    tend: Callable[[], None],
) -> Console | None:
    """Start the three, and wait until the console answers; None where there are no certificates to sign in with.

    Raises ConfigError when it does not answer in time.
    """
    if is_plaintext():
        return None
    os.environ["HEDX_PARTIES"] = ",".join(parties)  # for what is asked by hand: the cluster has no others
    crew.start("lag", "lag", "--serve", ANY, "--every", "2", "--bootstrap", bootstrap)
    crew.start("watch", "watch", "--serve", ANY, "--bootstrap", bootstrap)
    port = USUAL if is_free(USUAL) else free_ports(1)[0]
    crew.start("console", "console", "--listen", f"127.0.0.1:{port}", "--bootstrap", bootstrap)
    folders = {"operator": installation.transport(OPERATOR), "officer": installation.transport(OFFICER)}
    for folder in folders.values():
        write_java_store(folder)
    deadline = time.monotonic() + PATIENCE
    while not accepts(f"127.0.0.1:{port}"):
        if time.monotonic() > deadline:
            raise ConfigError(f"the console does not answer within {PATIENCE:g} s; its log is console.log")
        if stop.wait(LOOK):
            return None
        tend()
    stores = {role: folder / STORE for role, folder in folders.items()}
    return Console(f"https://127.0.0.1:{port}/", stores, folders["operator"] / "authorities.pem")
