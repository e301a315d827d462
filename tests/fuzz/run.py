"""The fuzzers' run: `python -m tests.fuzz.run [TARGET …] --seconds N`; all targets when none is named.

Each target runs under atheris in a process of its own, at most two at a time; `--seconds` is the time of the whole run.
Findings go to tests/fuzz/findings/, the figures to tests/fuzz/findings/figures.json. Exit status 1 when there is a finding.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz.report import table
from tests.fuzz.targets import TARGETS

FINDINGS = Path(__file__).parent / "findings"
FIGURES = FINDINGS / "figures.json"
PROCESSES = 2
SHORTEST = 3
START_SECONDS = 5
"""About what a process takes to import and instrument, which is no fuzzing time."""
GRACE = 60
Figures = dict[str, Any]


def shares(names: Sequence[str], seconds: float) -> dict[str, int]:
    """Target -> seconds, by weight, so that two processes side by side end after `seconds`."""
    room = max(seconds * PROCESSES - START_SECONDS * len(names), SHORTEST * len(names))
    total = sum(TARGETS[name].weight for name in names)
    return {name: max(SHORTEST, int(room * TARGETS[name].weight / total)) for name in names}


def fuzz(name: str, seconds: int, seed: int) -> Figures:
    """One target in a process of its own: what it did and what it found."""
    with TemporaryDirectory(prefix="hedx-fuzz-") as folder:
        command = [sys.executable, "-m", "tests.fuzz.engine", name, str(seconds), folder, str(seed)]
        environment = {**os.environ, "TMPDIR": folder}
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds + GRACE, check=False, env=environment)
            said, status = done.stderr.decode("utf-8", "replace"), done.returncode
        except subprocess.TimeoutExpired as late:
            said, status = (late.stderr or b"").decode("utf-8", "replace"), -1
        engine = Path(folder) / "engine.json"
        noted = json.loads(engine.read_text(encoding="utf-8")) if engine.exists() else {"findings": []}
        findings = _kept(name, Path(folder), said, status)
        return _figures(name, seconds, said) | {
            "slowest_ms": round(1000 * noted.get("slowest_seconds", 0.0), 1),
            "findings": findings,
        }


def _kept(name: str, folder: Path, said: str, status: int) -> list[str]:
    """Move findings to where they stay; their names. A process that ended otherwise than it should is one too."""
    found = sorted(path for path in folder.iterdir() if path.name.startswith(f"{name}-"))
    FINDINGS.mkdir(exist_ok=True)
    for path in found:
        shutil.copy(path, FINDINGS / path.name)
    names = [path.name for path in found if path.suffix != ".txt"]
    if status != 0:
        (FINDINGS / f"{name}-stderr.txt").write_text(said[-20000:], encoding="utf-8")
        names.append(f"{name}-stderr.txt")
    return names


def _figures(name: str, seconds: int, said: str) -> Figures:
    def last(pattern: str) -> int:
        found = re.findall(pattern, said)
        return int(found[-1]) if found else 0

    executions = last(r"stat::number_of_executed_units:\s+(\d+)")
    return {
        "target": name,
        "reads": TARGETS[name].reads,
        "seconds": seconds,
        "executions": executions,
        "per_second": round(executions / seconds),
        "edges": last(r"cov: (\d+)"),
        "features": last(r"ft: (\d+)"),
        "corpus": last(r"corp: (\d+)/"),
        "seeds": last(r"(\d+) files found in"),
        "peak_rss_mib": last(r"stat::peak_rss_mb:\s+(\d+)"),
    }


def run(names: Sequence[str], seconds: float, seed: int) -> list[Figures]:
    """All of `names`, two at a time, the longest first."""
    given = shares(names, seconds)
    ordered = sorted(given, key=lambda name: -given[name])

    def one(name: str) -> Figures:
        figures = fuzz(name, given[name], seed)
        found = f", FOUND {', '.join(figures['findings'])}" if figures["findings"] else ""
        print(f"{name}: {figures['executions']:,} executions, {figures['edges']:,} edges{found}", flush=True)
        return figures

    with ThreadPoolExecutor(PROCESSES) as pool:
        return sorted(pool.map(one, ordered), key=lambda figures: list(TARGETS).index(figures["target"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, keep the figures; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[], metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("FUZZ_SECONDS", "600")))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args(arguments)
    shutil.rmtree(FINDINGS, ignore_errors=True)
    FINDINGS.mkdir()
    began = time.monotonic()
    figures = run(asked.targets or list(TARGETS), asked.seconds, asked.seed)
    took = round(time.monotonic() - began)
    whole = {"seed": asked.seed, "seconds": took, "processes": PROCESSES, "targets": figures}
    FIGURES.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(table(whole))
    return 1 if any(one["findings"] for one in figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
