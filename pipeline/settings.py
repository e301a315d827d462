"""What the environment says about this installation: where data lives, which language officials read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Language = Literal["zh", "en"]


def data_dir() -> Path:
    """Folder of everything a machine keeps: `HEDX_HOME`, else `.hedx` in the current directory (not made here)."""
    return Path(os.environ.get("HEDX_HOME") or ".hedx").resolve()


def broker_dir() -> Path:
    """Where the embedded broker of `hedx broker start` keeps its data."""
    return data_dir() / "broker"


def environment() -> str | None:
    """Which cluster topics.yaml is read for: `HEDX_ENVIRONMENT`, one of its `environments`; None: the file's own."""
    return os.environ.get("HEDX_ENVIRONMENT") or None


def language() -> Language:
    """Language of the words shown to officials: English in an English locale, else Chinese."""
    locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return "en" if locale.lower().startswith("en") else "zh"
