"""Slots: every process of a stage has its own number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipeline.kafka.slots import acquire_slot

HOLD = "import sys, pathlib; from pipeline.kafka.slots import acquire_slot; slot = acquire_slot(pathlib.Path(sys.argv[1]), 'join'); print(slot.number, flush=True); sys.stdin.read()"


def test_slots_are_numbered_from_zero_and_taken_again_when_free(tmp_path: Path) -> None:
    """The lowest free number, by stage."""
    with acquire_slot(tmp_path, "join") as first, acquire_slot(tmp_path, "join") as second:
        assert (first.number, second.number) == (0, 1)
        with acquire_slot(tmp_path, "collect") as elsewhere:
            assert elsewhere.number == 0
        first.release()
        with acquire_slot(tmp_path, "join") as third:
            assert third.number == 0


def test_a_killed_process_gives_its_slot_back(tmp_path: Path) -> None:
    """No stale lock survives a SIGKILL, and none is broken before it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"0\n"
        with acquire_slot(tmp_path, "join") as other:
            assert other.number == 1
        process.kill()
        process.wait()
        with acquire_slot(tmp_path, "join") as again:
            assert again.number == 0
