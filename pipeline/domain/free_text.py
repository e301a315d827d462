"""What officers write in their own words (reasons): it travels in signed objects, so it must name nobody.

A name cannot be told from other words here; the guides say to give roster numbers instead. What can be told are numbers as
long as those of documents, telephones and bank accounts, and they are refused.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from pipeline.domain.review_text import text_fault

LONG_NUMBER: Final = 9
"""Digits, blanks and hyphens between them left out, from which on a number is taken for a person's; a date has eight."""
_NUMBER = re.compile(rf"[0-9](?:[ -]?[0-9]){{{LONG_NUMBER - 1},}}")


def free_text_fault(text: str, limit: int) -> str | None:
    """`missing`, `too_long`, `control_characters`, `long_number`, or None when `text` may travel."""
    if fault := text_fault(text, limit):
        return fault
    return "long_number" if _NUMBER.search(unicodedata.normalize("NFKC", text)) else None
