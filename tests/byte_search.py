"""Searching files for any of thousands of byte strings in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


def pattern_of(words: Iterable[bytes]) -> re.Pattern[bytes]:
    """A pattern that matches wherever one of `words` stands: their common beginnings are tried once."""
    return re.compile(_either(sorted(set(words))))


def find(pattern: re.Pattern[bytes], file: Path) -> bytes | None:
    """The first word found in `file`, or None."""
    found = pattern.search(file.read_bytes())
    return found.group() if found else None


def files_under(folder: Path) -> list[Path]:
    """Every file in `folder`, at any depth, that is not empty."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def _either(words: list[bytes]) -> bytes:
    """Alternatives for sorted, distinct `words`; a word that begins another makes that one superfluous."""
    if words[0] == b"":
        return b""
    branches: dict[int, list[bytes]] = {}
    for word in words:
        branches.setdefault(word[0], []).append(word[1:])
    return b"(?:" + b"|".join(re.escape(bytes((first,))) + _either(rest) for first, rest in branches.items()) + b")"
