"""Trust and catalog read live from a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.app import publish
from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.keys import Identity
from pipeline.domain.parties import CENTER
from pipeline.kafka.clients import admin_config
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.reference import LiveReference
from pipeline.province.catalog_files import load_entries
from pipeline.stages import topics
from pipeline.stages.membership import trust_entry
from pipeline.stages.reference import publish_catalog, publish_trust

CATALOG = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "catalog" / "37.yaml"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of this module's own, with the two topics every party reads."""
    with EmbeddedBroker(tmp_path_factory.mktemp("reference")) as broker:
        compacted = [
            NewTopic(name, 1, 1, config={"cleanup.policy": "compact"}) for name in (topics.TRUST, topics.CATALOG)
        ]
        admin = AdminClient(admin_config(broker.bootstrap))
        for made in admin.create_topics(compacted).values():
            made.result()
        yield broker.bootstrap


def test_what_is_published_is_known_before_the_first_step_and_the_next_release_at_once(cluster: str) -> None:
    """A process starts with all that was published, and never calls a release unknown that others have read."""
    now = wall_clock()
    authority = create_authority(now)
    center, province = issue(authority, CENTER, now), issue(authority, "37", now)
    entries = load_entries(CATALOG)
    _publish(cluster, center, province)
    publish(cluster, publish_catalog(1, entries, center.signer, now), "test.catalog")
    with LiveReference(cluster, authority.certificates, trust_entry(center, 1)) as reference:
        assert reference.trust.sealing_key("37") is not None
        assert reference.releases() == [1]
        for number in (2, 3):
            publish(cluster, publish_catalog(number, entries, center.signer, now), "test.catalog")
            assert reference.release(number) is not None
        assert reference.release(17) is None


def test_an_entry_that_somebody_else_signed_changes_nothing(cluster: str) -> None:
    """Whoever can write to the topic still cannot make a party: entries are the center's, or are refused."""
    now = wall_clock()
    authority = create_authority(now)
    center, province, stranger = (issue(authority, party, now) for party in (CENTER, "32", "11"))
    publish(cluster, publish_trust([trust_entry(stranger, 1)], province.signer, now), "test.trust")
    with LiveReference(cluster, authority.certificates, trust_entry(center, 1)) as reference:
        assert "11" not in reference.trust.parties()


def _publish(bootstrap: str, center: Identity, *members: Identity) -> None:
    outputs = publish_trust([trust_entry(member, 1) for member in members], center.signer, wall_clock())
    publish(bootstrap, outputs, "test.trust")
