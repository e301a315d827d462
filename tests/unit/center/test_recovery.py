"""A registry that is behind what was published: noticed, brought up to it, and never led astray by what does not hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.center.installation import Installation, set_up
from pipeline.center.recovery import Published, read_published
from pipeline.center.registry import Registry
from pipeline.codec import framing
from pipeline.crypto import suite
from pipeline.crypto.certificates import common_name
from pipeline.crypto.keystore import load_identity
from pipeline.crypto.requests import SERVICES, Usage, certificate_request, read_request
from pipeline.crypto.revocation import read_crl
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from tests.unit.crypto.exchange import DAY, NOW

Table = dict[bytes, bytes]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """The center, 00 and 37."""
    made = Installation(tmp_path / "hedx")
    set_up(made, ("00", "37"), NOW)
    return made


def publication(installation: Installation, now: int = NOW) -> Table:
    """What `hedx ca publish` puts on hedx.trust."""
    signer = load_identity(installation.identity_folder(CENTER)).signer
    outputs = installation.publication(signer, now)
    return {output.key or b"": output.value or b"" for output in outputs}


def read(installation: Installation, table: Table) -> Published:
    """As the center reads it."""
    found = read_published(table, installation.roots())
    assert found is not None
    return found


def asked(party: str, usage: Usage) -> bytes:
    return certificate_request(common_name(party), suite.generate_key(), usage)


def work(installation: Installation) -> None:
    """A day's work: a newcomer, a renewal, two revocations (one a service's), a suspension, a change of address."""
    with installation.registry() as registry:
        authority = installation.issuing()
        registry.register("53", NOW + DAY, ("10.0.0.1",))
        for usage in ("sign", "encrypt", "tls"):
            registry.issue(authority, read_request(asked("53", usage)), NOW + DAY)
        registry.renew(authority, read_request(asked("37", "sign")), NOW + DAY)
        [operator] = registry.status("ops")
        for serial in (registry.status("P00")[0].serial, operator.serial):
            registry.revoke(serial, "key_compromise", NOW + DAY)
        registry.suspend("37", "inspection", NOW + DAY)
        registry.change_address("53", "10.0.0.1", "10.0.0.2", NOW + DAY, overlap_days=3)


def known(registry: Registry) -> list[object]:
    """All that a registry tells others; services' certificates are nobody else's business."""
    certificates = [replace(each, request=b"") for each in registry.status() if each.principal not in SERVICES]
    return [registry.entries(), registry.leaves(), registry.suspended(), certificates]


def test_before_the_first_publication_there_is_nothing(installation: Installation) -> None:
    """And nothing to be behind of."""
    assert read_published({}, installation.roots()) is None


def test_a_registry_that_published_is_not_behind(installation: Installation) -> None:
    """Nor one that has gone on since."""
    published = read(installation, publication(installation))
    with installation.registry() as registry:
        assert not registry.is_behind(published)
    work(installation)
    with installation.registry() as registry:
        assert not registry.is_behind(published)
        learnt = registry.learn(published, NOW)
        assert (learnt.leaves, learnt.certificates, learnt.entries, learnt.revocations) == (0, 0, 0, 0)


def test_a_restored_registry_is_behind_and_catches_up(installation: Installation, tmp_path: Path) -> None:
    """With a backup from before the day's work: afterwards it tells what the one that was lost told."""
    backup(installation, tmp_path / "copy.db")
    work(installation)
    published = read(installation, publication(installation, NOW + DAY))
    with installation.registry() as lost, Registry(tmp_path / "copy.db") as restored:
        assert restored.is_behind(published)
        learnt = restored.learn(published, NOW + 2 * DAY)
        assert (learnt.leaves, learnt.certificates, learnt.revocations) == (6, 4, 2)
        assert not restored.is_behind(published)
        assert known(restored) == known(lost)
        assert restored.newest_crl() == lost.newest_crl()
        assert restored.addresses(NOW + DAY) == lost.addresses(NOW + DAY)


def test_an_empty_registry_learns_everything_that_was_published(installation: Installation, tmp_path: Path) -> None:
    """Also the revocations of certificates that it cannot know: the next list names them again, with a higher number."""
    work(installation)
    published = read(installation, publication(installation, NOW + DAY))
    with installation.registry() as lost, Registry(tmp_path / "new.db") as found:
        found.learn(published, NOW + 2 * DAY)
        assert known(found) == known(lost)
        authority = installation.issuing()
        before, after = lost.newest_crl(), found.crl(authority, NOW + 2 * DAY)
        assert before is not None
        assert after["number"] == before["number"] + 1
        old, new = (read_crl(each["crl"], [authority.issuing]).by_serial for each in (before, after))
        assert new == old
        assert len(new) == 2


def test_a_registry_that_went_another_way_is_not_mended(installation: Installation, tmp_path: Path) -> None:
    """Two lines of the log in one place: a person must look into that."""
    backup(installation, tmp_path / "copy.db")
    work(installation)
    published = read(installation, publication(installation, NOW + DAY))
    with Registry(tmp_path / "copy.db") as other:
        other.register("11", NOW)
        other.issue(installation.issuing(), read_request(asked("11", "sign")), NOW)
        for act in (lambda: other.is_behind(published), lambda: other.learn(published, NOW)):
            with pytest.raises(ConfigError, match="contradict each other in line 13"):
                act()


def _without(key: bytes) -> Callable[[Table], object]:
    return lambda table: table.pop(key)


def _flip(key: bytes) -> Callable[[Table], object]:
    return lambda table: table.update({key: table[key][:-1] + bytes([table[key][-1] ^ 1])})


def _swap(one: bytes, other: bytes) -> Callable[[Table], object]:
    return lambda table: table.update({one: table[other], other: table[one]})


def _relogged(table: Table) -> None:
    """Another request behind a certificate."""
    leaf = framing.decode_as("LogLeaf", table[b"log/4"])
    table[b"log/4"] = framing.encode("LogLeaf", {**leaf, "request": bytes(32)})


@pytest.mark.parametrize(
    "damage",
    [
        _without(b"center"),
        _without(b"log/3"),
        _without(b"crl"),
        _flip(b"head"),
        _flip(b"crl"),
        _flip(b"37"),
        _swap(b"log/1", b"log/2"),
        _swap(b"head", b"crl"),
        _relogged,
    ],
)
def test_what_does_not_hold_is_not_learnt(installation: Installation, damage: Callable[[Table], object]) -> None:
    """A missing part, a broken signature, lines in another order or changed."""
    table = publication(installation)
    damage(table)
    with pytest.raises(ConfigError, match=r"hedx\.trust"):
        read_published(table, installation.roots())


def test_another_exchanges_topic_is_not_learnt(installation: Installation, tmp_path: Path) -> None:
    """It is signed by a center, but not under this root."""
    other = Installation(tmp_path / "other")
    set_up(other, ("37",), NOW)
    with pytest.raises(ConfigError, match="does not hold"):
        read_published(publication(other), installation.roots())


def backup(installation: Installation, copy: Path) -> None:
    """As the guide says: a copy that has what is in the write-ahead log, too."""
    with sqlite3.connect(installation.authority / "registry.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
