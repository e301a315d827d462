"""The center's reader of results, sections and bundles on a real broker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.center.opening import open_result, read_material
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.kafka.clients import admin_config, producer_config
from pipeline.stages import topics
from tests.network import Network
from tests.scenario import network_for, small_sample, with_form

READ = (topics.RESULTS, topics.APPLICATIONS, topics.JOIN)


def mirror(network: Network, bootstrap: str) -> None:
    """Write what the in-memory broker holds of the center's topics to a real one."""
    admin = AdminClient(admin_config(bootstrap))
    for made in admin.create_topics([NewTopic(topic, 3, 1) for topic in READ]).values():
        try:
            made.result()
        except KafkaException as error:
            assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS  # noqa: PT017 - the broker is shared
    producer = Producer(producer_config(bootstrap))
    for topic in READ:
        for message in network.broker.messages(topic):
            producer.produce(topic, message.value, message.key, headers=list(message.headers))
    assert producer.flush(30) == 0


def finished(folder: Path, *requesters: str) -> tuple[Network, Sequence[Sample]]:
    """One application id, filed by each of `requesters`, sealed to the center, and done."""
    sample = small_sample(folder)
    identifier = str(uuid.uuid4())
    filed = [with_form(sample, requester=r, application_id=identifier, seal_to_center=True) for r in requesters]
    network = network_for(sample, folder)
    for one in filed:
        network.file(one.application, one.persons, section_size=5)
    network.run()
    return network, filed


def test_material_read_from_kafka_opens_into_the_requesters_dossiers(kafka: str, tmp_path: Path) -> None:
    """Three topics read to their ends, by the application's id alone."""
    network, [sample] = finished(tmp_path, "53")
    mirror(network, kafka)
    material = read_material(kafka, sample.application["application_id"])
    dossiers = open_result(material, network.identities[CENTER], network.reference)
    assert json.dumps(dossiers) == json.dumps(network.case(sample.application).dossiers())


def test_an_id_that_two_requesters_used_must_be_given_with_its_requester(kafka: str, tmp_path: Path) -> None:
    """The id alone is ambiguous and both are named; `requester/id` tells which is meant."""
    network, samples = finished(tmp_path, "32", "53")
    mirror(network, kafka)
    identifier = samples[0].application["application_id"]
    with pytest.raises(ConfigError, match=f"32/{identifier}, 53/{identifier}"):
        read_material(kafka, identifier)
    for sample in samples:
        material = read_material(kafka, f"{sample.application['requester']}/{identifier}")
        dossiers = open_result(material, network.identities[CENTER], network.reference)
        assert dossiers == network.case(sample.application).dossiers()


def test_an_application_without_a_result_is_named(kafka: str, tmp_path: Path) -> None:
    """Nothing to open is the operator's news, not a stack trace."""
    network, _ = finished(tmp_path, "53")
    mirror(network, kafka)
    with pytest.raises(ConfigError, match="no result of application 00000000"):
        read_material(kafka, "00000000-0000-4000-8000-000000000000")
