"""Trust and catalog read live from a real broker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.app import publish
from pipeline.crypto.authority import Authority, create_authority, issue
from pipeline.crypto.certificates import thumbprint
from pipeline.crypto.keys import LocalIdentity, LocalSigner
from pipeline.crypto.revocation import build_crl
from pipeline.crypto.seal_keys import series_of, sign_seal_key
from pipeline.crypto.suite import generate_key, point
from pipeline.domain.errors import ViewLost
from pipeline.domain.parties import CENTER
from pipeline.domain.records import LogHead, LogLeaf, RevocationList, SealKey, TrustEntry
from pipeline.kafka.clients import admin_config
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.reference import LiveReference
from pipeline.kafka.seen_file import SeenFile
from pipeline.province.catalog_files import load_entries
from pipeline.stages import topics
from pipeline.stages.anchor import Anchor
from pipeline.stages.effects import Output
from pipeline.stages.membership import log_leaves, trust_entry
from pipeline.stages.reference import cosign, make_anchor, publish_catalog, publish_seal_key, publish_trust

CATALOG = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "catalog" / "37.yaml"
DAY = 24 * 3600 * 1000


@dataclass
class Site:
    """A broker and a center with its parties."""

    bootstrap: str
    identities: dict[str, LocalIdentity]
    entries: dict[str, TrustEntry]
    leaves: list[LogLeaf]
    crl: RevocationList
    anchor: Anchor
    authority: Authority

    def publication(self) -> list[Output]:
        """All of hedx.trust as the center has it."""
        signer = self.identities[CENTER].signer
        return publish_trust(self.entries.values(), self.leaves, self.crl, signer, wall_clock())

    def write(self, *outputs: Output) -> None:
        """In one transaction."""
        publish(self.bootstrap, outputs, "test.trust")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of this module's own."""
    with EmbeddedBroker(tmp_path_factory.mktemp("reference")) as broker:
        yield broker.bootstrap


@pytest.fixture
def site(cluster: str) -> Iterator[Site]:
    """The center, 37 and 53, with the topics that every party reads, which hold what the center publishes at first."""
    admin = AdminClient(admin_config(cluster))
    names = (topics.TRUST, topics.CATALOG, topics.CHECKPOINTS)
    kinds = {name: {"cleanup.policy": "delete" if name == topics.CHECKPOINTS else "compact"} for name in names}
    for made in admin.create_topics([NewTopic(name, 1, 1, config=kinds[name]) for name in names]).values():
        made.result()
    now = wall_clock()
    authority = create_authority(now)
    identities = {party: issue(authority, party, now) for party in (CENTER, "37", "53")}
    entries = {party: trust_entry(identity, 1) for party, identity in identities.items()}
    leaves = log_leaves(entries.values(), now)
    crl = RevocationList(number=1, crl=build_crl(authority, (), number=1, now=now, lifetime=7 * DAY))
    center = identities[CENTER].signer
    anchor = make_anchor(authority.certificates, entries[CENTER], leaves, crl, center, now)
    made_site = Site(cluster, identities, entries, leaves, crl, anchor, authority)
    made_site.write(*made_site.publication())
    yield made_site
    for gone in admin.delete_topics(list(names)).values():
        gone.result()
    eventually(lambda: not set(names) & set(admin.list_topics(timeout=10).topics))


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_published_is_known_before_the_first_step_and_the_next_release_at_once(
    site: Site, tmp_path: Path
) -> None:
    """A process starts with all that was published, and never calls a release unknown that others have read."""
    entries, center = load_entries(CATALOG), site.identities[CENTER].signer
    site.write(*publish_catalog(1, entries, center, wall_clock()))
    with LiveReference(site.bootstrap, site.anchor, tmp_path / "reference.seen") as reference:
        assert reference.trust.sealing_key("37") is not None
        assert reference.releases() == [1]
        for number in (2, 3):
            site.write(*publish_catalog(number, entries, center, wall_clock()))
            assert reference.release(number) is not None
        assert reference.release(17) is None


def test_an_entry_that_somebody_else_signed_changes_nothing(site: Site, tmp_path: Path) -> None:
    """Whoever can write to the topic still cannot make a party: entries are the center's, or are refused."""
    province = site.identities["37"].signer
    forged = {**site.entries["53"], "number": 2, "suspended": True}
    site.write(*publish_trust([forged], site.leaves, site.crl, province, wall_clock()))  # type: ignore[list-item]
    with LiveReference(site.bootstrap, site.anchor, tmp_path / "reference.seen") as reference:
        assert not reference.trust.suspended("53")
        assert reference.trust.parties() == ["37", "53", CENTER]


def test_a_new_certificate_counts_when_two_have_witnessed_it(site: Site, tmp_path: Path) -> None:
    """Live: published, seen by each party's process, cosigned by both, and only then believed; a seal key at once."""
    renewed = issue(site.authority, "53", wall_clock())
    with (
        LiveReference(site.bootstrap, site.anchor, tmp_path / "37.seen", party="37") as one,
        LiveReference(site.bootstrap, site.anchor, tmp_path / "53.seen", party="53") as other,
    ):
        site.entries["53"]["number"] = 2
        site.entries["53"]["sealing_certificates"].insert(0, renewed.sealing_certificate)
        site.leaves = log_leaves(site.entries.values(), wall_clock(), site.leaves)
        site.write(*site.publication())
        for party, reference in (("37", one), ("53", other)):
            head = await_head(reference, len(site.leaves))
            assert one.trust.sealing_key("53").point != renewed.sealing.public_bytes
            site.write(cosign(head, site.identities[party].signer, wall_clock()))
        eventually(lambda: one.trust.sealing_key("53").point == renewed.sealing.public_bytes)
        assert one.uncosigned() is None
        sec1 = point(generate_key().public_key())
        series = series_of("37", thumbprint(site.identities["37"].sealing_certificate))
        site.write(seal_key(site, "37", sec1))
        eventually(lambda: other.trust.sealing_key("37", wall_clock()).point == sec1)
        eventually(lambda: SeenFile(tmp_path / "53.seen").read().seal_keys == {series: 1})


def test_a_topic_that_went_back_is_noticed_after_a_restart(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the process saw of 37, suspended, is remembered in its file: the entry before that is not taken again."""
    path = tmp_path / "reference.seen"
    before = site.publication()
    site.entries["37"] = {**site.entries["37"], "number": 2, "suspended": True}
    site.write(*site.publication())
    with LiveReference(site.bootstrap, site.anchor, path) as reference:
        assert reference.trust.suspended("37")
    assert SeenFile(path).read().entries == {CENTER: 1, "37": 2, "53": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    admin = AdminClient(admin_config(site.bootstrap))
    admin.delete_topics([topics.TRUST])[topics.TRUST].result()
    eventually(lambda: topics.TRUST not in admin.list_topics(timeout=10).topics)
    admin.create_topics([NewTopic(topics.TRUST, 1, 1)])[topics.TRUST].result()
    site.write(*before)
    with (
        caplog.at_level(logging.ERROR),
        LiveReference(site.bootstrap, site.anchor, path) as reference,
    ):
        assert "37" not in reference.trust.parties()
        assert "what was seen before is gone: entry_rollback: 37: 0 after 2" in caplog.text


def test_a_process_does_not_go_on_with_a_view_that_is_not_kept_up(site: Site, tmp_path: Path) -> None:
    """When following the topics fails, whatever the reason, whoever asks next is told, and the process ends."""
    readable = True

    def requests() -> dict[bytes, bytes]:
        if not readable:
            raise PermissionError("the folder of requests")
        return {}

    with LiveReference(site.bootstrap, site.anchor, tmp_path / "37.seen", party="37", requests=requests) as reference:
        assert reference.trust.parties() == ["37", "53", CENTER]
        readable = False
        entry = trust_entry(issue(site.authority, "37", wall_clock()), 2)
        site.leaves = log_leaves([entry], wall_clock(), site.leaves)
        site.write(*site.publication())
        with pytest.raises(ViewLost, match="not followed any more"):
            eventually(lambda: not reference.trust.parties())


def await_head(reference: LiveReference, size: int) -> LogHead:
    """Wait until the process has a head of this size to sign."""
    deadline = time.monotonic() + 20
    while (head := reference.uncosigned()) is None or head["size"] != size:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return head


def seal_key(site: Site, party: str, sec1: bytes) -> Output:
    """A statement of a new seal key."""
    now, held = wall_clock(), site.identities[party]
    encrypting = LocalSigner(party, held.sealing.private_key, held.sealing_certificate)
    record = SealKey(party=party, number=1, point=sec1, not_before=now, not_after=now + 30 * DAY)
    return publish_seal_key(sign_seal_key(record, encrypting, now), party)


def test_a_reader_starts_behind_a_flood_and_keeps_none_of_it(site: Site, tmp_path: Path) -> None:
    """50,000 records that nobody signed, under keys of their own: they are read past, and leave nothing behind."""
    site.write(*site.publication())
    site.write(*(Output(topics.CHECKPOINTS, b"%d" % n, b"junk") for n in range(50_000)))
    with LiveReference(site.bootstrap, site.anchor, tmp_path / "seen") as reference:
        assert set(reference.trust.parties()) == {CENTER, "37", "53"}
        assert [len(table.rows) for table in reference._tables] == [0, 0, 0]
