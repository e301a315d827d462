"""Checks of single fields that form and roster share. Each returns a fault code or None."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Any

from pipeline.domain.periods import iso_date
from pipeline.domain.printing import UNSEEN


def has_control_characters(text: str) -> bool:
    """Whether the text holds what nobody can see, or what shows that it was damaged.

    Control and format characters (the bidirectional overrides among them), lone surrogates, line and paragraph
    separators, non-characters, and U+FFFD, which a wrong decoding leaves behind.
    """
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(c) in UNSEEN or c == "\ufffd" or ord(c) & 0xFFFE == 0xFFFE for c in text)


def text_fault(text: str, limit: int) -> str | None:
    """`missing`, `too_long`, `control_characters` or None."""
    if not text.strip():
        return "missing"
    if len(text) > limit:
        return "too_long"
    return "control_characters" if has_control_characters(text) else None


def too_long_args(code: str, limit: int) -> dict[str, Any]:
    """The args of a fault that `text_fault` named."""
    return {"limit": limit} if code == "too_long" else {}


def date_fault(text: str, today: date) -> str | None:
    """`missing`, `date_format` (impossible days too), `date_future` or None."""
    if not text:
        return "missing"
    day = iso_date(text)
    if day is None:
        return "date_format"
    return "date_future" if day > today else None
