"""The section root: any change to the roster shows, one person can be shown alone."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import merkle
from pipeline.crypto.roster import person_leaf, person_leaves, person_salts, section_root

SALT = b"s" * 32


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), st.data())
def test_an_added_changed_dropped_or_moved_person_changes_the_root(persons: list[bytes], data: st.DataObject) -> None:
    """Which is how a provider sees that a roster was widened."""
    root = section_root(SALT, persons)
    at = data.draw(st.integers(0, len(persons) - 1))
    assert section_root(SALT, [*persons, b""]) != root
    assert section_root(SALT, [*persons[:at], *persons[at + 1 :]]) != root
    assert section_root(SALT, [*persons[:at], persons[at] + b"\0", *persons[at + 1 :]]) != root
    assert section_root(b"t" * 32, persons) != root
    if persons[::-1] != persons:
        assert section_root(SALT, persons[::-1]) != root


def test_leaves_are_those_of_the_specification() -> None:
    """H(0x05 || i || HMAC(HMAC(section salt, i), person bytes))."""
    salt = hmac.new(SALT, b"\0\0\0\1", "sha256").digest()
    leaf = hashlib.sha256(b"\x05\0\0\0\1" + hmac.new(salt, b"two", "sha256").digest()).digest()
    assert person_leaves(SALT, [b"one", b"two"])[1] == leaf


def test_one_person_is_proved_by_one_salt() -> None:
    """The section salt stays undisclosed."""
    persons = [b"one", b"two", b"three"]
    path = merkle.path(person_leaves(SALT, persons), 2, merkle.RECORD_NODE)
    leaf = person_leaf(2, person_salts(SALT, 3)[2], b"three")
    assert merkle.verify_path(leaf, 2, 3, path, merkle.RECORD_NODE) == section_root(SALT, persons)
