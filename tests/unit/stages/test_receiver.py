"""The idempotent receiver: an envelope id is remembered until nobody could use it any more."""

from __future__ import annotations

import pytest

from pipeline.crypto.envelopes import VerifiedEnvelope
from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.stores import DictStore
from pipeline.stages.effects import Overlay
from pipeline.stages.receiver import GRACE, forget_expired, remember, seen_before

EXPIRES = 1_000_000


def envelope(number: int = 1, *, issuer: str = "37", digest: bytes = b"d", expires: int = EXPIRES) -> VerifiedEnvelope:
    """A verified envelope without content."""
    return VerifiedEnvelope(number.to_bytes(16, "big"), issuer, digest * 32, b"", 0, expires, [])


def noted(store: DictStore, *envelopes: VerifiedEnvelope, partition: int = 0) -> None:
    """Remember envelopes, committed."""
    overlay = Overlay(store)
    for one in envelopes:
        remember(overlay, partition, one, b"receipt")
    store.apply(overlay.changes)


def test_a_new_envelope_is_unknown_and_a_known_one_has_its_reply() -> None:
    """Also within the step that first saw it."""
    overlay = Overlay(DictStore())
    assert seen_before(overlay, 0, envelope()) is None
    remember(overlay, 0, envelope(), b"receipt")
    seen = seen_before(overlay, 0, envelope())
    assert seen is not None
    assert seen["reply"] == b"receipt"


def test_the_same_id_with_another_digest_is_a_conflict() -> None:
    """Not a re-send: somebody reuses ids."""
    store = DictStore()
    noted(store, envelope())
    with pytest.raises(InvalidMessage) as caught:
        seen_before(Overlay(store), 0, envelope(digest=b"e"))
    assert caught.value.code == "envelope_conflict"


def test_ids_are_each_issuers_own() -> None:
    """Two parties may draw the same id."""
    store = DictStore()
    noted(store, envelope())
    assert seen_before(Overlay(store), 0, envelope(issuer="53", digest=b"e")) is None


def test_an_id_is_forgotten_a_day_after_its_envelope_expired() -> None:
    """Not before, and its timer goes with it."""
    store = DictStore()
    noted(store, envelope(1), envelope(2, expires=EXPIRES + 10))
    for now, left in ((EXPIRES + GRACE - 1, 2), (EXPIRES + GRACE, 1), (EXPIRES + GRACE + 10, 0)):
        overlay = Overlay(store)
        forget_expired(store, overlay, 0, now)
        store.apply(overlay.changes)
        assert len(list(store.scan(0, b"e"))) == len(list(store.scan(0, b"@"))) == left
    assert seen_before(Overlay(store), 0, envelope(1)) is None
