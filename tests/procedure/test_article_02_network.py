"""Article 2 (部省联网): province and center connect, no province with another; the center's resources are a provider's."""

from __future__ import annotations

from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER, MINISTRY
from pipeline.kafka.topology import TOPICS_FILE, load
from tests.network import Network
from tests.scenario import PARTIES, REQUESTER, assert_equals_oracle, inbox_messages, opened, standing

PROVINCES = [party for party in PARTIES if party != MINISTRY]


def test_every_message_has_the_center_at_one_end(network: Network, sample: Sample) -> None:
    """Whatever lies in a province's inboxes was signed by the center, and provinces write into the center's alone."""
    network.file(sample.application, sample.persons)
    network.run()
    seen = 0
    for party in PARTIES:
        for kind in ("requests", "responses"):
            envelopes = opened(network, party, kind)
            assert {envelope.issuer for envelope in envelopes} <= {CENTER}
            seen += len(envelopes)
    assert seen >= 2 * len(PARTIES)
    senders = {e.issuer for kind in ("requests", "responses") for e in opened(network, CENTER, kind)}
    assert senders == set(PARTIES)


def test_the_brokers_let_no_province_write_to_another() -> None:
    """What topics.yaml lets a province produce are the center's inboxes and its checkpoints; it reads no other's inbox."""
    topology = load(TOPICS_FILE, PROVINCES)
    rights = {spec.name: spec for spec in topology.principals}
    for party in PROVINCES:
        mine = rights[f"P{party}"]
        assert set(mine.produces) == {"hedx.center.requests", "hedx.center.responses", "hedx.checkpoints"}
        inboxes = {topic for topic in mine.consumes if topic.endswith((".requests", ".responses"))}
        assert inboxes == {f"hedx.{party}.requests", f"hedx.{party}.responses"}


def test_the_centers_own_resources_answer_as_one_more_provider(network: Network, sample: Sample) -> None:
    """部中心 is asked through its own inbox, answers under its own certificate, and stands in the certificate by its code."""
    network.file(sample.application, sample.persons)
    network.run()
    assert inbox_messages(network, MINISTRY, "requests")
    answered = [e for e in opened(network, CENTER, "responses") if e.issuer == MINISTRY]
    assert {b.header.sender for e in answered for b in e.bundles} == {MINISTRY}
    assert standing(network, sample.application).of(MINISTRY, "marriage") == {("done", None): len(sample.persons)}
    assert_equals_oracle(network, sample)


def test_a_province_asks_the_center_and_gets_everything_from_it(network: Network, sample: Sample) -> None:
    """The requester's inbox has acceptance, relayed answers and certificate; none came from a provider directly."""
    network.file(sample.application, sample.persons)
    network.run()
    kinds = {bundle.header.kind for envelope in opened(network, REQUESTER, "responses") for bundle in envelope.bundles}
    assert {"acceptance", "relay", "certificate", "receipt"} <= kinds
