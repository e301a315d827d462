"""A counting worker as a process of its own, that kills or stops itself at a chosen point.

`python -m tests.kafka.worker_process BOOTSTRAP GROUP SLOT SOURCE LOG OUTPUT [SIGNAL POINT NTH]`; ends on SIGTERM.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter as Tally
from collections.abc import Callable
from pathlib import Path

from pipeline.kafka.limits import Limits
from pipeline.kafka.slots import Slot
from pipeline.kafka.worker import TransactionalWorker
from tests.contract.toy_stages import Counter

LIMITS = Limits(messages=20, session_ms=6_000, transaction_ms=8_000)
"""Small batches, so that there are many transactions; six seconds is the shortest session brokers allow."""


def start(*arguments: str | int) -> subprocess.Popen[bytes]:
    """Start this module as a process."""
    command = [sys.executable, "-m", "tests.kafka.worker_process", *map(str, arguments)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2])


def main(bootstrap: str, group: str, slot: str, source: str, log: str, output: str, *fault: str) -> None:
    """Run until SIGTERM, or until the fault."""
    passed: Tally[str] = Tally()

    def checkpoint(point: str) -> None:
        passed[point] += 1
        if fault and point == fault[1] and passed[point] == int(fault[2]):
            os.kill(os.getpid(), signal.Signals[fault[0]])

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stage = Counter((source,), log, output)
    TransactionalWorker(stage, bootstrap, slot=Slot(int(slot)), group=group, limits=LIMITS, checkpoint=checkpoint).run(
        stop
    )


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Poll `condition`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
