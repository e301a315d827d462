"""Archives of old releases: rebuilt from the file alone, and refused when anything in it is not the center's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pipeline.center.catalog_archive import archive, horizons, open_archive, published, tombstones
from pipeline.crypto import cbor
from pipeline.crypto.trust import Trust
from pipeline.domain.catalog_changes import OpenApplication
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.stages import topics
from pipeline.stages.anchor import trust_of
from pipeline.stages.effects import Output
from pipeline.stages.notices import sign_record
from pipeline.stages.reference import ReferenceTables, publish_catalog
from tests.unit.crypto.exchange import NOW, PARTIES, identity
from tests.unit.domain.samples import an_entry
from tests.unit.stages.trust_world import World

DAY = 24 * 3600 * 1000
CENTER = identity("center").signer
ENTRIES = [an_entry("37"), an_entry("53"), an_entry("37", "manifest", "清单")]
WORLD = World(PARTIES)


def rows_of(*outputs: Sequence[Output]) -> dict[bytes, bytes]:
    """hedx.catalog as a table."""
    return {output.key or b"": output.value or b"" for part in outputs for output in part}


def release(number: int, at: int = NOW) -> list[Output]:
    """A release as the center publishes it."""
    return publish_catalog(number, ENTRIES, CENTER, at)


@pytest.fixture(scope="module")
def trust() -> Trust:
    """What the center's command goes by."""
    return trust_of(WORLD.anchor())


@pytest.fixture(scope="module")
def file(trust: Trust) -> bytes:
    """The archive of release 1 of two."""
    return archive(rows_of(release(1), release(2)), 1, trust)


def test_the_release_is_rebuilt_from_the_file_and_the_roots_alone(file: bytes) -> None:
    """Years later, without a network, by whoever has the root certificates."""
    found = open_archive(file, WORLD.anchor().roots)
    assert (found.release.number, found.published_at) == (1, NOW)
    wanted = {(entry["provider"], entry["category"]): {**entry, "release": 1} for entry in ENTRIES}
    assert dict(found.release.entries) == wanted


def _value_of_other_release(parts: dict[str, Any]) -> None:
    other = rows_of(release(2))
    parts["records"] = [[key, other[key.replace(b"1/", b"2/", 1)]] for key, _ in parts["records"]]


def _signed_by_a_province(parts: dict[str, Any]) -> None:
    raw = sign_record("catalog", "CatalogEntry", {**an_entry("37"), "release": 1}, identity("37").signer, "all", NOW)
    parts["records"] = [[k, raw if k == b"1/37/household_registration" else v] for k, v in parts["records"]]
    parts["witnesses"].append(identity("37").signer.certificate)


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (lambda parts: parts["records"].pop(0), "manifest_mismatch"),
        (lambda parts: parts["records"].pop(), "manifest_mismatch"),
        (lambda parts: parts.update(release=2), "key_contradicts_entry"),
        (_value_of_other_release, "key_contradicts_entry"),
        (lambda parts: parts["records"][0].__setitem__(0, b"1/\xff"), "key_contradicts_entry"),
        (_signed_by_a_province, "certificate_invalid"),
        (lambda parts: parts.update(witnesses=[]), "certificate_unknown"),
        (lambda parts: parts.update(format="hedx/catalog-archive/2"), "archive_invalid"),
        (lambda parts: parts.update(more=1), "archive_invalid"),
        (lambda parts: parts.update(records=[[b"1/manifest"]]), "archive_invalid"),
    ],
)
def test_an_altered_archive_is_refused(file: bytes, alter: Callable[[dict[str, Any]], Any], code: str) -> None:
    """Left out, put in, exchanged, or of another hand."""
    parts = cbor.loads(file, 4)
    alter(parts)
    with pytest.raises(InvalidMessage) as caught:
        open_archive(cbor.dumps(parts), WORLD.anchor().roots)
    assert caught.value.code == code


def test_what_is_not_whole_is_not_archived(trust: Trust) -> None:
    """A file that could not be opened again would be the loss of the release."""
    rows = rows_of(release(1), release(2))
    del rows[b"1/53/household_registration"]
    with pytest.raises(ConfigError, match="release 1 cannot be archived: manifest_mismatch"):
        archive(rows, 1, trust)


def test_the_manifest_leaves_the_topic_first(trust: Trust) -> None:
    """A reader that sees half of it go has no release any more, rather than a smaller one."""
    outputs = tombstones(rows_of(release(1), release(2)), 1)
    assert [output.key for output in outputs] == [
        b"1/manifest", b"1/37/household_registration", b"1/37/manifest", b"1/53/household_registration",
    ]  # fmt: skip
    assert {(output.topic, output.value) for output in outputs} == {(topics.CATALOG, None)}
    view = ReferenceTables(WORLD.anchor())
    for output in [*release(1), *release(2), *outputs]:
        view.apply(output.topic, output.key or b"", output.value)
    assert view.releases() == [2]
    assert view.current is not None


def test_a_release_stays_before_the_horizon_and_while_something_is_open_under_it(trust: Trust) -> None:
    """The newest always; of the others those replaced long enough ago, and under which nobody waits."""
    rows = rows_of(release(1), release(2, NOW + 10 * DAY), release(3, NOW + 20 * DAY))
    waits = OpenApplication("a", "53", "held", 1, [])
    now = NOW + 400 * DAY + 10 * DAY
    assert list(published(rows, trust)) == [1, 2, 3]
    early = horizons(rows, [], trust, older_than=400 * DAY, now=now - 1000)
    assert [(h.number, h.why_not) for h in early] == [
        (1, "it was in force until 399 days ago"), (2, "it was in force until 389 days ago"),
    ]  # fmt: skip
    late = horizons(rows, [], trust, older_than=400 * DAY, now=now)
    assert [(h.number, h.why_not is None) for h in late] == [(1, True), (2, False)]
    held = horizons(rows, [waits], trust, older_than=400 * DAY, now=now)
    assert held[0].why_not == "1 applications are open under it"


def test_a_manifest_that_the_center_did_not_sign_dates_nothing(trust: Trust) -> None:
    """Nor does a key of another shape stop the command."""
    rows = rows_of(release(1), release(2))
    rows[b"3/manifest"] = rows[b"2/manifest"][:-1] + bytes((rows[b"2/manifest"][-1] ^ 1,))
    rows[b"\xff/manifest"] = b"junk"
    assert list(published(rows, trust)) == [1, 2]
