"""A target with a defect, for the test of the engine."""

from __future__ import annotations

from tests.fuzz.harness import Target, must


def run(data: bytes) -> None:
    """Break on three bytes in a row, each of them an edge that coverage tells."""
    if data[:1] == b"H":  # noqa: SIM102
        if data[1:2] == b"E":
            must(data[2:3] != b"D", "planted")


PLANTED = Target("planted", "nothing: a defect that the engine must find", run, structured=False)
