"""Makes the JSON files beside it: `python -m tests.vectors.make_vectors`. A test holds the files against this."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.vectors import negative, positive

HERE = Path(__file__).parent


def documents() -> dict[str, str]:
    """The text of each file, by name."""
    content: dict[str, Any] = {
        "parties": positive.parties(),
        "merkle": positive.trees(),
        "section": positive.sections(),
        "signed": positive.signed_objects(),
        "seal": positive.seals(),
        "bundle": positive.all_bundles(),
        "envelope": positive.envelopes(),
        "relay": positive.relays(),
        "negative": negative.vectors(),
    }
    return {
        f"{name}.json": json.dumps(positive.plain(value), ensure_ascii=False, indent=1) + "\n"
        for name, value in content.items()
    }


def main() -> None:
    """Write the files."""
    for name, text in documents().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
