"""The section root: what a mandate says about the persons of a section without naming one.

A leaf is `H(0x05 || i || HMAC(salt_i, person bytes))` with `salt_i = HMAC(section salt, i)`. The salt keeps a leaf from
being guessed; one salt a person lets a proof show one person without exposing the others. Nodes are those of the
record tree (0x01).
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.crypto import merkle
from pipeline.crypto.suite import H, hmac, hmac_under


def person_salts(section_salt: bytes, n: int) -> list[bytes]:
    """`salt_i` for the first `n` persons of the section, 32 bytes each."""
    keyed = hmac_under(section_salt)
    return [keyed(i.to_bytes(4, "big")) for i in range(n)]


def person_leaf(index: int, salt: bytes, person: bytes) -> bytes:
    """The leaf of one person; `person` is the record's bytes as the requester wrote them."""
    return H(b"\x05" + index.to_bytes(4, "big") + hmac(salt, person))


def person_leaves(section_salt: bytes, persons: Sequence[bytes]) -> list[bytes]:
    """The leaves of a section, in roster order."""
    salts = person_salts(section_salt, len(persons))
    return [person_leaf(i, salt, person) for i, (salt, person) in enumerate(zip(salts, persons, strict=True))]


def section_root(section_salt: bytes, persons: Sequence[bytes]) -> bytes:
    """The root over all persons of a section, as the mandate states it."""
    return merkle.root(person_leaves(section_salt, persons), merkle.RECORD_NODE)
