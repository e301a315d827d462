"""The table of all findings, for docs/doctor.md: `python -m pipeline.ops.health_table`. A test holds the two together."""

from __future__ import annotations

import re
import sys

from pipeline.ops.health_words import FINDINGS


def findings_table() -> str:
    """Markdown: code, what is the matter in both languages, the cure in English.."""
    rows = ["| code | 情况 | finding | cure |", "|---|---|---|---|"]
    for code, (matter, cure) in FINDINGS.items():
        rows.append(f"| `{code}` | {_plain(matter[0])} | {_plain(matter[1])} | {_plain(cure[1])} |")
    return "\n".join(rows) + "\n"


def _plain(text: str) -> str:
    """A placeholder as `…`; nothing that ends a cell."""
    return re.sub(r"\{[a-z]+\}", "…", text).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(findings_table())
