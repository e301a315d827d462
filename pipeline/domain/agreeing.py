"""Whether what the center signs as agreed is what requester and provider said (Art. 10): neither takes its word for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ABOUT: Final = ("application_id", "requester", "mandate_digest", "provider")
"""Fields that the three acts have in common."""


def is_agreed(extension: Mapping[str, Any], delay: Mapping[str, Any] | None, reply: Mapping[str, Any] | None) -> bool:
    """Whether `extension` follows from the `delay` and the `reply` that have the digests it names; None: there is none.

    It is about the delay's rows; it is closed, or ends, as the reply says, and not after the time the delay told.
    """
    if delay is None or reply is None or reply["delay"] != extension["delay"]:
        return False
    if any(extension[name] != delay[name] or extension[name] != reply[name] for name in _ABOUT):
        return False
    if sorted(extension["rows"]) != sorted(delay["rows"]):
        return False
    if extension["closed"] or reply["decision"] == "close":
        return bool(extension["closed"]) and reply["decision"] == "close"
    until = delay["until"] if reply["decision"] == "agree" else reply["until"]
    return bool(extension["until"] == until <= delay["until"])
