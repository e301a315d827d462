"""A signer process's inside, the same for a worker's private signer and for a daemon."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from pipeline.signer.keyring import Keyring
from pipeline.signer.seal_folder import SealFolder
from pipeline.signer.server import Server

LOOK = 60.0
"""How often (s) a signer looks whether another has destroyed a seal key, to let go of it too."""


def open_server(directory: Path, *, locked: bool) -> Server:
    """Read the keys in `directory` and serve them. The process must be hardened before. Raises ConfigError."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    threading.stack_size(512 * 1024)  # of locked memory a thread
    keyring = Keyring(directory, lambda: time.time_ns() // 1_000_000)
    threading.Thread(target=_follow, args=(keyring.seals,), name="seal keys", daemon=True).start()
    return Server(keyring, locked=locked)


def _follow(seals: SealFolder) -> None:
    while True:
        time.sleep(LOOK)
        seals.look()
