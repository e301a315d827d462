"""What officers write in their own words (reasons): it travels in signed objects, so it must name nobody.

A name cannot be told from other words here; the guides say to give roster numbers instead. What can be told are numbers as
long as those of documents, telephones and bank accounts, and they are refused.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from pipeline.domain.printing import UNSEEN
from pipeline.domain.review_text import text_fault

LONG_NUMBER: Final = 9
"""Digits, blanks, hyphens and points between them left out, from which on it is a person's; a date has eight."""
_DIGIT: Final = r"[\d〇零一二三四五六七八九]"  # of any script: what a person reads as a number
_BETWEEN: Final = r"[\s_\-\u2010-\u2015\u2212./\\·•・*]{0,3}"
_NUMBER = re.compile(rf"{_DIGIT}(?:{_BETWEEN}{_DIGIT}){{{LONG_NUMBER - 1},}}")


def free_text_fault(text: str, limit: int) -> str | None:
    """`missing`, `too_long`, `control_characters`, `long_number`, or None when `text` may travel."""
    if fault := text_fault(text, limit):
        return fault
    return "long_number" if has_long_number(text) else None


def has_long_number(text: str) -> bool:
    """Whether the text holds a number as long as a document's, full-width, separated, or with hidden characters in it."""
    seen = "".join(
        c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in UNSEEN or c in "\n\t"
    )
    return _NUMBER.search(seen) is not None
