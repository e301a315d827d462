"""docs/metrics.md is what the table of names says today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pipeline.ops.metric_names import METRICS
from pipeline.ops.metric_page import SOURCES, page

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "metrics.md"


def test_the_page_is_current() -> None:
    """Made anew by the command that it names itself."""
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m pipeline.ops.metric_names > docs/metrics.md"
    command = [sys.executable, "-m", "pipeline.ops.metric_names"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    assert printed == page()


def test_every_metric_stands_there_once() -> None:
    """In its source's section, with kind and labels."""
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \| (.*?) \| ", page(), re.MULTILINE)
    by_source = [metric for source in SOURCES for metric in METRICS if metric.source == source]
    assert [(name, kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows] == [
        (metric.name, metric.kind, list(metric.labels)) for metric in by_source
    ]
    assert len(rows) == len(METRICS)


def test_nothing_is_loaded_where_nobody_asked() -> None:
    """The composition root, which every worker and adapter starts from, does without the library of metrics."""
    code = "import sys, pipeline.app, pipeline.cli.center, pipeline.cli.province; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
