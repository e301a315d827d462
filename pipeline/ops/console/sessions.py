"""Sessions: a person's name, bound to the certificate it was given with, for a bounded time."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.crypto.requests import SERVICES, is_principal
from pipeline.domain.free_text import has_long_number
from pipeline.domain.officers import spelling
from pipeline.domain.parties import CENTER
from pipeline.domain.review_text import text_fault
from pipeline.ops.console.gate import Caller, Refusal
from pipeline.ops.console.roles import Role

IDLE: Final = 15 * 60 * 1000
"""Milliseconds without a sign of life of the person, after which a session ends."""
LONGEST: Final = 8 * 3600 * 1000
"""Milliseconds after which it ends in any case."""
MOST: Final = 16
"""Sessions of one certificate; one more ends the oldest."""
NAME_LIMIT: Final = 64


@dataclass(slots=True)
class Session:
    """One person at one browser. Times in ms; `csrf`: what every request that changes something must repeat."""

    id: str
    csrf: str
    name: str
    fingerprint: str
    role: Role
    opened: int
    used: int

    def ends(self) -> int:
        """When it ends if nothing is heard of the person any more."""
        return min(self.used + IDLE, self.opened + LONGEST)


class Sessions:
    """All sessions of this process; they end with it."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def open(self, caller: Caller, name: str, now: int) -> Session:
        """A new session for a person whose name `person_named` has passed."""
        self._open = {key: one for key, one in self._open.items() if now < one.ends()}
        mine = [one for one in self._open.values() if one.fingerprint == caller.fingerprint]
        for oldest in sorted(mine, key=lambda one: one.used)[: max(0, len(mine) - MOST + 1)]:
            del self._open[oldest.id]
        session = Session(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), name, caller.fingerprint, caller.role, now, now
        )
        self._open[session.id] = session
        return session

    def find(self, identifier: str, caller: Caller, now: int, *, used: bool) -> Session | None:
        """The session, if it is this certificate's and has not ended. `used`: the person did something just now."""
        session = self._open.get(identifier)
        if session is None or not secrets.compare_digest(session.fingerprint, caller.fingerprint):
            return None
        if now >= session.ends():
            del self._open[identifier]
            return None
        if used:
            session.used = now
        return session

    def by_role(self, now: int) -> Mapping[str, int]:
        """How many are open of each role."""
        return Counter(one.role for one in list(self._open.values()) if now < one.ends())

    def close(self, session: Session) -> None:
        """End it."""
        self._open.pop(session.id, None)


def person_named(text: object) -> str:
    """The name of a person, as it goes into the log.

    Raises Refusal (400) `name_missing`, `name_invalid` (too long, invisible characters, a number as long as an ID), and
    `name_of_principal`: `ops` is a machine's account, not who acts.
    """
    name = " ".join(text.split()) if isinstance(text, str) else ""
    if not name:
        raise Refusal(400, "name_missing")
    if text_fault(name, NAME_LIMIT) or not spelling(name) or has_long_number(name):
        raise Refusal(400, "name_invalid")
    plain = spelling(name)
    if plain in (*SERVICES, CENTER) or is_principal(plain.upper()):
        raise Refusal(400, "name_of_principal")
    return name
