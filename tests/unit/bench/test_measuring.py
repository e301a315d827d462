"""Measuring CPU and memory of processes and steps."""

from __future__ import annotations

import hashlib
import os
import time

import psutil
import pytest

from pipeline.bench.stopwatch import Stopwatch
from pipeline.bench.usage import MIB, usage_of


def busy(seconds: float) -> None:
    """Use CPU for so long."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        hashlib.sha256(bytes(10_000)).digest()


def test_a_step_is_charged_for_cpu_not_for_waiting() -> None:
    """Sleep is free, work adds up over the times a step is taken, and a reset forgets it."""
    watch = Stopwatch()
    for _ in range(2):
        with watch("work"):
            busy(0.02)
    with watch("wait"):
        time.sleep(0.05)
    assert watch.seconds["work"] == pytest.approx(0.04, rel=0.3)
    assert watch.seconds["wait"] < 0.02
    watch.reset()
    assert watch.seconds == {}


def test_usage_grows_with_work_and_keeps_the_peak() -> None:
    """CPU of a process goes up by what it did; memory given back still counts as its peak."""
    pids = {"self": os.getpid()}
    before = usage_of(pids)["self"]
    block = bytearray(os.urandom(1) * (64 * MIB))
    resident = psutil.Process().memory_info().rss
    del block
    busy(0.1)
    after = usage_of(pids)["self"]
    assert after.cpu - before.cpu >= 0.08
    assert after.peak >= resident - MIB


def test_a_process_that_ended_is_no_zero() -> None:
    """A worker that died in the middle must not look cheap."""
    with pytest.raises(psutil.NoSuchProcess):
        usage_of({"gone": 2**22 + 1})
