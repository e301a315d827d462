"""Rows at rest: they open in their own place only, and no key and nonce ever meets two plaintexts."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto.suite import H
from pipeline.domain.errors import InvalidMessage
from pipeline.province import sealed_rows
from pipeline.province.database import connect
from pipeline.province.sealed_rows import ANSWER, FORM, PERSON, SealedRows
from pipeline.province.store import Store
from tests.unit.crypto.exchange import NOW, identity
from tests.unit.province.test_store import delivered, effects, filing

KEY, ANCHOR, PLAIN = b"k" * 32, H(b"bundle"), b"an answer"


def rows(key: bytes = KEY, application_id: str = "a") -> SealedRows:
    return SealedRows(key, application_id)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=2000))
def test_a_row_opens_where_it_was_sealed(number: int, plain: bytes) -> None:
    """Whatever is in it, and it is not in it in clear."""
    group = rows().group(ANSWER, ANCHOR)
    sealed = group.seal(number, plain)
    assert group.open(number, sealed) == plain
    assert rows().open(FORM, rows().seal(FORM, plain)) == plain
    assert len(plain) < 4 or plain not in sealed


@pytest.mark.parametrize(
    "other",
    [
        lambda sealed: rows().group(ANSWER, ANCHOR).open(8, sealed),
        lambda sealed: rows().group(PERSON, ANCHOR).open(7, sealed),
        lambda sealed: rows().group(ANSWER, H(b"another bundle")).open(7, sealed),
        lambda sealed: rows(application_id="b").group(ANSWER, ANCHOR).open(7, sealed),
        lambda sealed: rows(b"j" * 32).group(ANSWER, ANCHOR).open(7, sealed),
        lambda sealed: rows().group(ANSWER, ANCHOR).open(7, sealed[:-1] + bytes((sealed[-1] ^ 1,))),
        lambda sealed: rows().group(ANSWER, ANCHOR).open(7, b""),
    ],
    ids=["number", "table", "anchor", "application", "key", "altered", "empty"],
)
def test_a_row_put_elsewhere_does_not_open(other: object) -> None:
    """Nor one that was altered; and the refusal names no content."""
    sealed = rows().group(ANSWER, ANCHOR).seal(7, PLAIN)
    with pytest.raises(InvalidMessage) as caught:
        other(sealed)  # type: ignore[operator]
    assert caught.value.code == "decrypt_failed"


def test_the_same_row_written_again_is_the_same_bytes() -> None:
    """So a crash and a second delivery never encrypt anything new under an old nonce."""
    assert rows().group(ANSWER, ANCHOR).seal(7, PLAIN) == rows().group(ANSWER, ANCHOR).seal(7, PLAIN)
    assert rows().seal(FORM, PLAIN) == rows().seal(FORM, PLAIN)


def test_two_forms_of_one_application_never_share_a_key() -> None:
    """A row alone has no digest from outside that fixes it: its anchor is made from it."""
    one, other = rows().seal(FORM, b"one form"), rows().seal(FORM, b"two form")
    assert one[:32] != other[:32]
    assert rows().seal(FORM, PLAIN)[:32] != rows().seal("export", PLAIN)[:32]


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[bytes, bytes], set[bytes]]:
    """(key, nonce) -> plaintexts, of every encryption of rows while the test runs."""
    seen: dict[tuple[bytes, bytes], set[bytes]] = {}

    class Watched:
        def __init__(self, key: bytes) -> None:
            self._key, self._cipher = key, AESGCM(key)

        def encrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
            seen.setdefault((self._key, nonce), set()).add(data)
            return self._cipher.encrypt(nonce, data, aad)

        def decrypt(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
            return self._cipher.decrypt(nonce, data, aad)

    monkeypatch.setattr(sealed_rows, "AESGCM", Watched)
    return seen


def test_no_key_and_nonce_meets_two_plaintexts_across_crashes_and_deliveries(
    tmp_path: Path, met: dict[tuple[bytes, bytes], set[bytes]]
) -> None:
    """Filed twice, delivered twice, by a store that was opened again: a pair has one plaintext, whatever happened."""
    one, path = filing(), tmp_path / "store.db"
    for now in range(3):
        store = Store(connect(path), identity("37"))
        if now == 0:
            store.file(one, 1, NOW)
        else:
            with pytest.raises(Exception, match="UNIQUE"):
                store.file(one, 1, NOW + now)
        again = effects()
        again.posts, again.dead = [], []
        again.delivered.append(delivered(2))
        store.apply(again, {}, NOW)
    assert len(met) > 4
    assert all(len(plaintexts) == 1 for plaintexts in met.values())
