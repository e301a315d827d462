"""A dead letter for the page: its facts, and what its code means in both languages; of its bytes only number and digest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from pipeline.center.deadletter_facts import Letter, Shown
from pipeline.center.deadletter_words import likely_cure, meaning
from pipeline.center.deadletters import replayer
from pipeline.domain.parties import CENTER

LISTED: Final = ("place", "at", "stage", "code", "issuer", "size", "state", "acted_at")
TOLD: Final = (*LISTED, "topic", "partition", "offset", "hindrance", "again_of", "by", "reason", "went_to")


def letter_row(letter: Letter) -> dict[str, Any]:
    """A line of the list; who settled it, and why, stands in its detail."""
    return {name: getattr(letter, name) for name in LISTED} | {"meaning": _both(meaning, letter.code)}


def letter_facts(shown: Shown, held: Collection[str]) -> dict[str, Any]:
    """All that is told of one; under `commands` what to run elsewhere, for acts that need a principal which is not `held` here."""
    letter = shown.letter
    return {
        **{name: getattr(letter, name) for name in TOLD},
        "meaning": _both(meaning, letter.code),
        "cure": _both(likely_cure, letter.code),
        "appended_at": shown.message.timestamp,
        "digest": None if shown.story is None else shown.story["digest"].hex(),
        "commands": {
            "replay": None if replayer(letter.topic) in held else _command("replay", letter),
            "discard": None if CENTER in held else _command("discard", letter),
        },
        "acts": [{name: act[name] for name in ("act", "by", "reason", "at")} for act in shown.acts],
    }


def _command(act: str, letter: Letter) -> str:
    again = " --again" if act == "replay" and letter.state == "replayed" else ""
    return f"hedx dlq {act} {letter.place} --reason …{again} --yes"


def _both(words: Any, code: str) -> tuple[str, str]:
    return words(code, "zh"), words(code, "en")
