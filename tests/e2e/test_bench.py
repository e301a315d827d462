"""The throughput benchmark at its smallest, as an operator runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ARGUMENTS = ("bench", "e2e", "--persons", "40", "--sections", "1", "--providers", "3", "--json")


def test_bench_measures_every_process_and_the_bare_loop(tmp_path: Path) -> None:
    """Everything asked is answered; each process has used CPU and memory; the figures agree with each other."""
    environment = {name: value for name, value in os.environ.items() if name != "HEDX_BOOTSTRAP"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.main", *ARGUMENTS],
        env={**environment, "HEDX_HOME": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["sub_queries"] == 40 * 3 * 4
    assert 0 < figures["done"] <= figures["sub_queries"]
    seconds = figures["sub_queries"] / figures["sub_queries_per_second"]
    assert abs(seconds - figures["seconds"]) < 0.05
    processes = {row["process"]: row for row in figures["processes"]}
    center = {"intake", "applications", "collect", "join"}
    assert processes.keys() >= center | {"province-00", "province-37", "province-53"}
    assert all(row["peak_mib"] > 20 for row in processes.values())
    assert sum(row["cpu_seconds"] for row in processes.values()) > 0
    assert all(row["ms_per_section"] > 0 for row in figures["bare_loop"])
    assert 0 < figures["ratios"]["e2e_to_bare_loop"] < 2
