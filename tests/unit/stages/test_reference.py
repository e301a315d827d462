"""Catalog and trust as their topics tell them: signed entries, whole releases, newest first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.codec import framing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import CatalogEntry
from pipeline.stages import topics
from pipeline.stages.anchor import EVERYONE, Seen
from pipeline.stages.effects import Output
from pipeline.stages.membership import trust_entry
from pipeline.stages.notices import sign_record
from pipeline.stages.reference import ReferenceTables, publish_catalog
from tests.unit.crypto.exchange import NOW, PARTIES, identity
from tests.unit.domain.samples import an_entry
from tests.unit.stages.trust_world import World

CENTER = identity("center")
ENTRIES = [an_entry("37"), an_entry("53")]


def tables(seen: Seen | None = None) -> ReferenceTables:
    """A process's view at its start: what it was given when it joined."""
    return ReferenceTables(World(PARTIES).anchor(), seen)


def fill(view: ReferenceTables, outputs: Sequence[Output]) -> None:
    """Read records in order."""
    for output in outputs:
        view.apply(output.topic, output.key or b"", output.value)


def release(number: int, entries: Sequence[CatalogEntry] = ENTRIES) -> list[Output]:
    """A release as the center publishes it."""
    return publish_catalog(number, entries, CENTER.signer, NOW)


def code_of(view: ReferenceTables, output: Output) -> str:
    """Why a record is refused."""
    with pytest.raises(InvalidMessage) as caught:
        view.apply(output.topic, output.key or b"", output.value)
    return caught.value.code


def test_a_release_counts_once_its_manifest_is_there() -> None:
    """Half a release is none."""
    view = tables()
    outputs = release(1)
    fill(view, outputs[:-1])
    assert view.releases() == []
    fill(view, outputs[-1:])
    assert view.current is not None
    assert sorted(view.current.entries) == [("37", "household_registration"), ("53", "household_registration")]
    assert {entry["release"] for entry in view.current.entries.values()} == {1}


def test_the_newest_complete_release_is_current_and_older_ones_stay() -> None:
    """An application is served under the release it was accepted with."""
    view = tables()
    fill(view, release(1))
    fill(view, release(2, [an_entry("37")]))
    fill(view, release(3)[:-1])
    assert view.current is not None
    assert view.current.number == 2
    assert view.releases() == [1, 2]
    first = view.release(1)
    assert first is not None
    assert len(first.entries) == 2
    assert view.release(3) is None


def test_a_deleted_key_takes_its_release_along() -> None:
    """An older one, compacted away on purpose: the release cannot be rebuilt any more."""
    view = tables()
    outputs = release(1)
    fill(view, [*outputs, *release(2)])
    view.apply(topics.CATALOG, outputs[0].key or b"", None)
    assert view.release(1) is None
    assert view.current is not None
    assert view.current.number == 2


@pytest.mark.parametrize("key", [b"2/manifest", b"2/37/household_registration"])
def test_a_tombstone_does_not_put_the_catalog_back(key: bytes) -> None:
    """Nobody signs one: the newest release stays in force, whatever of it is said to be gone."""
    view = tables()
    fill(view, [*World(PARTIES).publication(), *release(1), *release(2)])
    assert code_of(view, Output(topics.CATALOG, key, None)) == "release_rollback"
    assert view.current is not None
    assert (view.current.number, view.seen().release, view.missing()) == (2, 2, [])


@pytest.mark.parametrize("missing", [0, 1])
def test_a_manifest_that_does_not_match_its_entries_is_refused(missing: int) -> None:
    """An entry short: the release is not taken, and the one before it stays in force."""
    view = tables()
    fill(view, release(1))
    outputs = release(2)
    del outputs[missing]
    fill(view, outputs[:-1])
    assert code_of(view, outputs[-1]) == "manifest_mismatch"
    assert view.current is not None
    assert view.current.number == 1


def test_a_manifest_over_other_entries_is_refused() -> None:
    """As many entries, one of them another one."""
    view = tables()
    outputs = release(2, [an_entry("37"), {**an_entry("53"), "region": "云南省"}])
    fill(view, release(2)[:-1])
    assert code_of(view, outputs[-1]) == "manifest_mismatch"


@pytest.mark.parametrize(("seconds", "days"), [(600, 5), (None, None), (0, None), (None, 251)])
def test_an_entry_without_exactly_one_feedback_limit_is_refused(seconds: int | None, days: int | None) -> None:
    """Whoever signed it: a deadline could not be told, or told in two ways."""
    entry = {**an_entry("37"), "feedback_seconds": seconds, "feedback_working_days": days}
    view, outputs = tables(), release(2, [entry])  # type: ignore[list-item]
    fill(view, release(1))
    assert code_of(view, outputs[0]) == "feedback_limit_invalid"
    assert code_of(view, outputs[-1]) == "manifest_mismatch"
    assert view.current is not None
    assert view.current.number == 1


def test_a_key_that_contradicts_its_entry_is_refused() -> None:
    """An entry cannot stand in another's place, nor in another release."""
    view = tables()
    [entry, *_] = release(1)
    for key in (b"1/53/household_registration", b"2/37/household_registration", b"1/37/medical"):
        assert code_of(view, Output(topics.CATALOG, key, entry.value)) == "key_contradicts_entry"
    trusted = World(PARTIES).publication()[-1]
    assert code_of(view, Output(topics.TRUST, b"center", trusted.value)) == "key_contradicts_entry"


@pytest.mark.parametrize("key", [b"", b"manifest", b"x/37/medical", b"\xff\xfe", b"1", b"-1/manifest"])
def test_a_key_that_is_none_is_refused_and_stops_nobody(key: bytes) -> None:
    """A record under a key of no shape is refused like any other, for a reader must go on reading."""
    view = tables()
    value = release(1)[0].value
    assert code_of(view, Output(topics.CATALOG, key, value)) == "key_contradicts_entry"
    assert code_of(view, Output(topics.CATALOG, key, None)) == "key_contradicts_entry"


def test_what_the_center_did_not_sign_is_refused() -> None:
    """A province cannot publish, not even about itself."""
    view = tables()
    fill(view, World(PARTIES).publication())
    entry = {**an_entry("37"), "release": 1}
    raw = sign_record("catalog", "CatalogEntry", entry, identity("37").signer, EVERYONE, NOW)
    assert code_of(view, Output(topics.CATALOG, b"1/37/household_registration", raw)) == "role_not_allowed"
    unsigned = framing.encode("TrustEntry", trust_entry(identity("37"), 9))
    with pytest.raises(InvalidMessage):
        view.apply(topics.TRUST, b"37", unsigned)


def test_a_catalog_that_went_back_serves_nobody() -> None:
    """A restarted process remembers that there was a second release; the first, read again, is not taken for current."""
    view = tables()
    fill(view, [*World(PARTIES).publication(), *release(1), *release(2)])
    seen = view.seen()
    assert seen.release == 2
    restarted = tables(seen)
    fill(restarted, [*World(PARTIES).publication(), *release(1)])
    assert not restarted.current
    assert [fault.code for fault in restarted.missing()] == ["release_rollback"]
    fill(restarted, release(2))
    assert restarted.current is not None
    assert restarted.missing() == []


def test_entries_stay_in_force_long_after_they_were_signed() -> None:
    """A catalog published last year is still read today: it is verified as of when it was signed."""
    view = tables()
    fill(view, publish_catalog(1, ENTRIES, CENTER.signer, NOW - 20 * 24 * 3600 * 1000))
    assert view.current is not None
