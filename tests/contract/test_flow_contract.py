"""The exchange's promises that need no clock, held to both brokers by one suite."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.demo.application import Sample, sample_application
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.province import outbox
from pipeline.province.catalog_files import load_entries
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages import topics
from pipeline.stages.clock import local_date
from tests.kafka_network import KafkaNetwork
from tests.network import START, Network
from tests.oracle import expected, from_dossiers


@pytest.fixture(scope="module", params=["memory", "kafka"])
def exchange(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Network, Sample]]:
    """A network with the demo's databases, on either broker."""
    folder: Path = tmp_path_factory.mktemp("flow")
    on_kafka = request.param == "kafka"
    sample = sample_application(folder / "databases", today=local_date(wall_clock() if on_kafka else START))
    catalog = [entry for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")]
    if not on_kafka:
        yield _connected(Network(folder, sample.parties, catalog), sample), sample
        return
    with EmbeddedBroker(folder / "broker") as broker:
        network = KafkaNetwork(folder, sample.parties, catalog, broker.bootstrap)
        yield _connected(network, sample), sample
        network.close()


def _connected(network: Network, sample: Sample) -> Network:
    for party in sample.parties:
        url = sqlite_url(sample.databases / f"{party}.db")
        network.connect_sources(party, open_sources(sample.providers / f"{party}.yaml", url))
    return network


def _again(sample: Sample, requester: str | None = None) -> Sample:
    """The sample's application under a new id, filed by `requester`."""
    application = sample.application.copy()
    application["application_id"] = str(uuid.uuid4())
    application["requester"] = requester or application["requester"]
    return Sample(application, *[getattr(sample, name) for name in Sample.__slots__[1:]])


def _wanted(network: Network, sample: Sample) -> object:
    folders = {"providers": sample.providers, "catalog": sample.catalog, "databases": sample.databases}
    return expected(sample.application, sample.persons, **folders, now=network.clock())


def test_an_application_of_several_sections_equals_the_oracle(exchange: tuple[Network, Sample]) -> None:
    """Whatever the broker, the dossiers say what plain SQL says, and every outbox is empty in the end."""
    network, sample = exchange[0], _again(exchange[1])
    network.file(sample.application, sample.persons, section_size=40)
    network.run()
    case = network.case(sample.application)
    assert case.is_complete()
    assert from_dossiers(case.dossiers()) == _wanted(network, sample)
    for member in network.parties.values():
        assert (outbox.waiting(member.store.connection), outbox.unsettled(member.store.connection)) == (0, 0)


def test_two_provinces_at_once_get_their_own_results_only(exchange: tuple[Network, Sample]) -> None:
    """Two applications in flight together end in their requesters' stores, and in no other."""
    network = exchange[0]
    first, second = _again(exchange[1]), _again(exchange[1], "37")
    for sample in (first, second):
        network.file(sample.application, sample.persons)
    network.run()
    for sample, other in ((first, second), (second, first)):
        assert from_dossiers(network.case(sample.application).dossiers()) == _wanted(network, sample)
        store = network.parties[sample.application["requester"]].store.connection
        held = {row[0] for row in store.execute("SELECT DISTINCT application_id FROM bundle")}
        assert sample.application["application_id"] in held
        assert other.application["application_id"] not in held


def test_a_faulty_application_is_rejected_whole_with_every_reason(exchange: tuple[Network, Sample]) -> None:
    """The center finds by itself what a careless adapter let through; no provider is asked."""
    network, sample = exchange[0], _again(exchange[1])
    sample.application["consent_held"] = False
    persons = [person.copy() for person in sample.persons]
    persons[3]["consent_reference"] = ""
    before = sum(network.broker.end(inbox(party, "requests"), n) for party in network.parties for n in range(3))
    network.file(sample.application, persons, section_size=40)
    network.run()
    rejection = network.case(sample.application).rejection()
    assert rejection is not None
    codes = [(fault["code"], fault["number"]) for fault in rejection["faults"]]
    assert ("consent_not_held", None) in codes
    assert ("missing", persons[3]["number"]) in codes
    assert len(codes) == len(set(codes))
    after = sum(network.broker.end(inbox(party, "requests"), n) for party in network.parties for n in range(3))
    assert after == before


def test_poison_is_kept_as_it_came_and_stops_nothing(exchange: tuple[Network, Sample]) -> None:
    """Bytes that are no envelope end as dead letters, unchanged; what came with them is worked on."""
    network, sample = exchange[0], _again(exchange[1])
    known = len(network.broker.messages(topics.DEAD_LETTERS))
    poison = bytes(range(256)) * 3
    for kind in ("requests", "responses"):
        network.broker.produce(inbox(CENTER, kind), b"poison", poison)
    network.file(sample.application, sample.persons)
    network.run()
    assert network.case(sample.application).is_complete()
    dead = network.broker.messages(topics.DEAD_LETTERS)
    assert len(dead) == known + 2
    assert sum(letter.value == poison for letter in dead) == 2


def test_bytes_sent_again_are_receipted_again_and_done_once(exchange: tuple[Network, Sample]) -> None:
    """A re-send of the same envelope gives the stored receipt and no second application."""
    network, sample = exchange[0], _again(exchange[1])
    requests = inbox(CENTER, "requests")
    known = {(m.partition, m.offset) for m in network.broker.messages(requests)}
    network.file(sample.application, sample.persons)
    network.send(sample.application["requester"])
    [sent] = [m for m in network.broker.messages(requests) if (m.partition, m.offset) not in known]
    network.broker.produce(requests, sent.key, sent.value, sent.headers)
    network.run()
    received = [
        framing.decode(m.value or b"")[0] for m in network.broker.messages(topics.APPLICATIONS) if _is_of(m.key, sample)
    ]
    assert received.count("SectionReceived") == 1
    events = [framing.decode_as("LifecycleEvent", m.value or b"") for m in network.broker.messages(topics.EVENTS)]
    assert "envelope_resent" in {event["kind"] for event in events if event["stage"] == "intake"}
    assert network.case(sample.application).is_complete()


def _is_of(key: bytes | None, sample: Sample) -> bool:
    return sample.application["application_id"].encode() in (key or b"")
