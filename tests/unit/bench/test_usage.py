"""What a process has used, its children's share included: a worker's signer works for the worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from pipeline.bench.usage import usage_of

PARENT = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {child!r}], stdin=sys.stdin).wait()
"""
CHILD = """
import sys, time
held = bytes(range(256)) * 4 * 100_000
while time.process_time() < 0.5:
    pass
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process that waits for its child, which has used half a second and 100 MiB."""
    source = PARENT.format(child=CHILD)
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", source], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    yield process
    process.communicate()


def test_a_childs_use_counts_with_its_parents(parent: subprocess.Popen[str]) -> None:
    """CPU and memory of both together."""
    alone = psutil.Process(parent.pid).cpu_times()
    found = usage_of({"worker": parent.pid})["worker"]
    assert found.cpu >= alone.user + alone.system + 0.4
    assert found.peak > 100 * 1024 * 1024
