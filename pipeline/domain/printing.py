"""Texts that strangers wrote, for screens and files: what nobody can see is written out, so that it does nothing.

A provider chooses its codes, a requester its units and purposes. A terminal obeys the control characters among them, and a
bidirectional override turns a line around.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of control and format characters, surrogates, line and paragraph separators."""

LONGEST: Final = 200
"""Characters of a text that `harmless` keeps, unless it is told otherwise."""

_NUMBER = re.compile(r"\d{14,}[\dXx]?")  # an ID number has 18 digits (GB 11643), an older one 15; also in full width


def harmless(detail: str, longest: int = LONGEST) -> str:
    """`detail` on one line: what does not print (controls, bidi controls, line separators) escaped, long digits masked.

    A detail is not supposed to quote what a stranger chose; where it does all the same, it can neither forge a line, nor
    turn one around, nor carry an ID number into a log.
    """
    masked = _NUMBER.sub("(number)", detail[: 2 * longest])
    if masked.isascii() and masked.isprintable():
        text = masked
    else:
        text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in masked)
    return text if len(text) <= longest else text[:longest] + "…"


def visible(text: str, keep: str = "") -> str:
    r"""`text` with what nobody sees as `\u202e`, but for the characters in `keep`. Rare letters for private use stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in UNSEEN else _escaped(c) for c in text)


def visible_json(text: str) -> str:
    """The same in a JSON document of this program's own writing: it still says what it said (RFC 8259, section 7)."""
    return visible(text, keep="\n")


def _escaped(character: str) -> str:
    """As in JSON: two surrogates beyond U+FFFF."""
    escape = json.dumps(character)[1:-1]
    return escape if len(escape) > 2 else f"\\u{ord(character):04x}"
