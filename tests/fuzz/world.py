"""The exchange that fuzzing attacks: the parties, keys and clock of tests/vectors, so that a corpus stays valid."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.crypto.vault import LocalVault
from pipeline.domain.catalog import Release
from pipeline.domain.parties import CENTER
from pipeline.province.catalog_files import load_release
from pipeline.stages.effects import Message
from pipeline.stages.local import Filed
from tests.vectors import scenario
from tests.vectors.identities import NOW, PARTIES, Draws, member, roots

REPOSITORY = Path(__file__).resolve().parents[2]
TODAY = dt.date(2027, 1, 15)
APPENDED_AT = NOW - 1000


@cache
def trust() -> Trust:
    """Everybody's entries."""
    return Trust(roots(), [member(party).entry() for party in PARTIES])


def fresh_trust() -> Trust:
    """The same, to be changed."""
    return Trust(roots(), [member(party).entry() for party in PARTIES])


@cache
def release() -> Release:
    """The demo's catalog under the number that the vectors' mandate names."""
    return load_release([REPOSITORY / "deploy" / "demo" / "catalog"], scenario.RELEASE)


class FixedReference:
    """A `Reference` that never changes."""

    @property
    def trust(self) -> Trust:
        """Everybody's entries."""
        return trust()

    @property
    def current(self) -> Release | None:
        """The only release."""
        return release()

    def release(self, number: int) -> Release | None:
        """The only release by its number, None by any other."""
        return release() if number == scenario.RELEASE else None


@cache
def identity(party: str) -> Identity:
    """A party's keys."""
    made = member(party)
    return Identity(party, made.signer, made.sealing, LocalVault(made.sealing), made.sealing_certificate)


def entropy(name: str) -> Draws:
    """Random bytes that are the same each time, so that a finding can be found again."""
    return Draws(f"fuzz/{name}")


def message(topic: str, value: bytes | None, offset: int = 0, key: bytes | None = None) -> Message:
    """A record as a reader sees it, appended a second ago."""
    return Message(topic, 0, offset, APPENDED_AT, key, value)


@dataclass
class MemoryView:
    """A party's store as its stages read it, with the vectors' application filed by 37."""

    party: str
    envelopes: dict[tuple[str, bytes], bytes] = field(default_factory=dict)

    def seen(self, issuer: str, envelope_id: bytes) -> bytes | None:
        """The digest of the envelope with this id, if it was worked on."""
        return self.envelopes.get((issuer, envelope_id))

    def mandate_of(self, requester: str, reply_key: bytes) -> bytes | None:
        """No reply key was seen before."""
        return None

    def has_answered(self, mandate_digest: bytes, section: int, version: int) -> bool:
        """Nothing was answered before."""
        return False

    def is_withdrawn(self, requester: str, mandate_digest: bytes) -> bool:
        """Nothing was withdrawn before."""
        return False

    def closed_rows(self, requester: str, mandate_digest: bytes) -> frozenset[int]:
        """Nothing was closed before."""
        return frozenset()

    def crossed_rows(self, mandate_digest: bytes, section: int, version: int) -> frozenset[int]:
        """Nothing crossed an extension."""
        return frozenset()

    def act(self, typ: str, digest: bytes) -> None:
        """No act was kept before."""

    def has_withdrawn(self, application_id: str) -> bool:
        """Nothing was withdrawn."""
        return False

    def sections_taken(self, requester: str, mandate_digest: bytes) -> tuple[set[int], set[int]]:
        """Nothing was taken in before."""
        return set(), set()

    def is_parked(self, mandate_digest: bytes, section: int, version: int) -> bool:
        """No register was away before."""
        return False

    def told_until(self, mandate_digest: bytes, row: int) -> int | None:
        """No delay was told before."""
        return None

    def filed(self, application_id: str) -> Filed | None:
        """37's application."""
        if self.party != "37" or application_id != scenario.APPLICATION_ID:
            return None
        return Filed(application_id, scenario.mandate().digest, scenario.reply_key())


__all__ = ["CENTER", "NOW", "FixedReference", "MemoryView", "entropy", "identity", "message", "release", "trust"]
