"""Who an officer is, where two of them are asked for (双人审核, 监销人): one name is one person, however it is spelt."""

from __future__ import annotations

import unicodedata
from typing import Final

_KINDS: Final = ("user:", "officer:")
"""What stands before a name where its kind is told, too."""


def spelling(name: str) -> str:
    """The name without what tells no persons apart: case, width, blanks, and characters that nobody can see."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    seen = "".join(c for c in unicodedata.normalize("NFKC", folded) if unicodedata.category(c)[0] not in "ZC")
    for kind in _KINDS:
        seen = seen.removeprefix(kind)
    return seen


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, as far as names can tell: 王芳 and 王 芳 are, wang and wáng are not."""
    return spelling(one) == spelling(other)
