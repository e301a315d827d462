"""The page's tables: `python -m tests.fuzz.report [figures.json]` writes the targets, and a run's figures, into docs/fuzzing.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.fuzz.harness import Target

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fuzzing.md"
FIGURES = "figures of a run"
TARGETS = "targets"


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


def targets(listed: Iterable[Target]) -> str:
    """One line a target: what it reads, its promise, its share of a run."""
    lines = ["| target | what it reads | promise | weight |", "|---|---|---|--:|"]
    for target in listed:
        promise = (target.run.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{target.name}` | {target.reads} | {' '.join(promise.split())} | {target.weight} |")
    return "\n".join(lines)


def put(page: str, block: str, content: str) -> str:
    """The page with `content` in the block of that name. Raises ValueError when it has none."""
    begin, end = f"<!-- {block}: begin -->", f"<!-- {block}: end -->"
    if begin not in page or end not in page:
        raise ValueError(f"no block {block} in the page")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Put the targets, and the figures of the named file, into the page."""
    from tests.fuzz.targets import TARGETS as ALL

    page = put(PAGE.read_text(encoding="utf-8"), TARGETS, targets(ALL.values()))
    for name in sys.argv[1:]:
        whole = json.loads(Path(name).read_text(encoding="utf-8"))
        page = put(page, FIGURES, f"{sentence(whole)}\n\n{table(whole)}")
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
