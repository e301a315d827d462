"""docs/doctor.md names every finding as the code words it, and every probe."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.ops.health_probes import PROBES
from pipeline.ops.health_table import findings_table
from pipeline.ops.health_words import FINDINGS

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_the_page_has_the_table_of_findings() -> None:
    """Made again, it is the same; and it has a row for each."""
    assert PAGE.endswith(findings_table())
    assert findings_table().count("\n") == len(FINDINGS) + 2


def test_the_page_names_every_probe() -> None:
    """As `--only` takes them, and no other."""
    named = re.findall(r"^\| `([a-z]+)` \|", PAGE[: PAGE.index("## Findings")], re.MULTILINE)
    assert named == ["files", *PROBES]
