"""Figures of a run as Markdown: `python -m tests.fuzz.report figures.json` writes them into docs/fuzzing.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fuzzing.md"
BEGIN, END = "<!-- figures of a run: begin -->", "<!-- figures of a run: end -->"


def table(whole: dict[str, Any]) -> str:
    """One line a target, and one for all."""
    lines = [
        "| target | s | executions | a second | edges | seeds | corpus | slowest, ms | peak RSS, MiB | findings |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| `{one['target']}` | {one['seconds']} | {one['executions']:,} | {one['per_second']:,} | {one['edges']:,} "
        f"| {one['seeds']} | {one['corpus']:,} | {one['slowest_ms']:,} | {one['peak_rss_mib']:,} | {len(one['findings'])} |"
        for one in whole["targets"]
    ]
    executions = sum(one["executions"] for one in whole["targets"])
    slowest = max((one["slowest_ms"] for one in whole["targets"]), default=0)
    largest = max((one["peak_rss_mib"] for one in whole["targets"]), default=0)
    found = sum(len(one["findings"]) for one in whole["targets"])
    spent = sum(one["seconds"] for one in whole["targets"])
    lines.append(f"| all | {spent} | {executions:,} | | | | | {slowest:,} | {largest:,} | {found} |")
    return "\n".join(lines)


def sentence(whole: dict[str, Any]) -> str:
    """What the table is of."""
    executions = sum(one["executions"] for one in whole["targets"])
    found = sum(len(one["findings"]) for one in whole["targets"])
    return (
        f"A run of {whole['seconds']} s, {whole['processes']} processes side by side, seed {whole['seed']}: "
        f"{executions:,} executions over {len(whole['targets'])} targets, {found} findings."
    )


def main() -> None:
    """Put the figures of the named file into the page."""
    whole = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{sentence(whole)}\n\n{table(whole)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
