"""Exit codes. They are stable: scripts rely on them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a command's end means. A command returns one; None means FINE."""

    FINE = 0
    FAILED = 1
    DRIFT = 2  # not as declared, or incomplete
    UNHEALTHY = 10
    USAGE = 64
    INTERRUPTED = 130
    ENDED = 143  # by SIGTERM
