"""Spot checks (抽查, Art. 9): which of the persons already queried (已查询人员) are drawn, so that anyone can draw again.

Weighted sampling without replacement (Efraimidis and Spirakis, 2006): each person gets a random number, of the distribution
of the largest of `weight` uniform ones, and the persons with the largest are drawn. With whole weights that is taken at its
word: the largest of `weight` hashes. So there is no rounding anywhere, and SHA-256 is all it takes to draw again:

- `digest` is SHA-256 over lines in order of their bytes, each with a line feed: of every candidate
  `requester/application/persons/weight`, and of every quota `requester//count`;
- the commitment, published before anybody is asked, is SHA-256(seed || digest);
- the ticket of person `n` of an application is the largest of SHA-256(seed || `requester/application/n/j`), j = 1 … weight;
- of each requester's persons the `count` with the largest tickets are drawn, the largest first. A quota of `all` is of
  everybody's persons together.

`n` counts an application's persons from 1 in the order of its sections; it is not the number on the roster.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

SEED_SIZE: Final = 32
EVERYBODY: Final = "all"
"""Instead of a requester in a quota: of all persons together."""
MOST_WEIGHT: Final = 1_000
"""A person's weight at most: so many hashes are computed for it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A closed application whose persons may be drawn. `weight`: of each of them; `facts`: why it is what it is."""

    requester: str
    application_id: str
    persons: int
    weight: int
    facts: tuple[str, ...] = field(default=(), compare=False)

    def line(self) -> bytes:
        """What the digest of the candidates covers."""
        return f"{self.requester}/{self.application_id}/{self.persons}/{self.weight}\n".encode()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A person who was drawn: the `position`th of the application, from 1."""

    requester: str
    application_id: str
    position: int


def digest_of(candidates: Sequence[Candidate], quotas: Mapping[str, int]) -> bytes:
    """The digest that the commitment binds. Raises ValueError for a list that nothing can be drawn from by these rules."""
    _check(candidates, quotas)
    lines = [candidate.line() for candidate in candidates]
    lines += [f"{requester}//{count}\n".encode() for requester, count in quotas.items()]
    return hashlib.sha256(b"".join(sorted(lines))).digest()


def commitment_of(seed: bytes, digest: bytes) -> bytes:
    """What is published first: nobody can tell the seed from it, and nobody another seed for it."""
    if len(seed) != SEED_SIZE:
        raise ValueError(f"a seed has {SEED_SIZE} bytes")
    return hashlib.sha256(seed + digest).digest()


def population(candidates: Iterable[Candidate]) -> int:
    """How many persons could be drawn."""
    return sum(candidate.persons for candidate in candidates)


def draw(seed: bytes, candidates: Sequence[Candidate], quotas: Mapping[str, int]) -> list[Drawn]:
    """The persons drawn, requester by requester, the largest ticket first. Raises ValueError.

    `quotas`: how many of each requester's persons, or under `all` of everybody's; all there are when they are fewer.
    """
    _check(candidates, quotas)
    commitment_of(seed, b"")  # its size
    drawn: list[Drawn] = []
    for requester, count in sorted(quotas.items()):
        asked = [candidate for candidate in candidates if requester in (EVERYBODY, candidate.requester)]
        largest = heapq.nlargest(count, (ticket for candidate in asked for ticket in _tickets(seed, candidate)))
        drawn += [Drawn(asker, application_id, position) for _, asker, application_id, position in largest]
    return drawn


def _tickets(seed: bytes, candidate: Candidate) -> Iterator[tuple[bytes, str, str, int]]:
    begun = hashlib.sha256(seed + f"{candidate.requester}/{candidate.application_id}/".encode())
    turns = [f"/{turn}".encode() for turn in range(1, candidate.weight + 1)]
    for position in range(1, candidate.persons + 1):
        person = begun.copy()
        person.update(str(position).encode())
        yield _largest(person, turns), candidate.requester, candidate.application_id, position


def _largest(person: hashlib._Hash, turns: Sequence[bytes]) -> bytes:
    best = b""
    for turn in turns:
        hashed = person.copy()
        hashed.update(turn)
        best = max(best, hashed.digest())
    return best


def _check(candidates: Sequence[Candidate], quotas: Mapping[str, int]) -> None:
    if EVERYBODY in quotas and len(quotas) > 1:
        raise ValueError("a person is drawn twice: a quota of all, and others")
    if any(count < 0 for count in quotas.values()):
        raise ValueError("a quota out of range")
    names = [(candidate.requester, candidate.application_id) for candidate in candidates]
    if len(set(names)) != len(names):
        raise ValueError("an application is listed twice")
    for candidate in candidates:
        if candidate.persons < 1 or not 1 <= candidate.weight <= MOST_WEIGHT:
            raise ValueError(f"persons or weight out of range: {candidate.application_id}")
        if any(mark in candidate.requester + candidate.application_id for mark in "/\n"):
            raise ValueError("a name with a slash or a line feed")
