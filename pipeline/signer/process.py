"""A signer process's inside, the same for a worker's private signer and for a daemon."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from pipeline.domain.errors import HedxError
from pipeline.signer.keyring import Keyring
from pipeline.signer.server import Server

log = logging.getLogger(__name__)

LOOK = 60.0
"""How often (s) a signer lets go of keys that are not needed any more."""


def open_server(directory: Path, *, locked: bool) -> Server:
    """Read the keys in `directory` and serve them. The process must be hardened before. Raises ConfigError."""
    threading.stack_size(512 * 1024)  # of locked memory a thread
    keyring = Keyring(directory, lambda: time.time_ns() // 1_000_000)
    threading.Thread(target=_follow, args=(keyring,), name="let go", daemon=True).start()
    return Server(keyring, locked=locked)


def _follow(keyring: Keyring) -> None:
    """Without this thread the process ends: keys must not stay because of some fault."""
    try:
        while True:
            time.sleep(LOOK)
            keyring.let_go()
    except (OSError, HedxError) as error:
        log.error("keys cannot be looked after: %s", error)  # noqa: TRY400  # one line says it
    finally:
        os._exit(1)
