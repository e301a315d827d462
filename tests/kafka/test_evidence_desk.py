"""The center's evidence desk on a real broker: what is read of one application, and what sending waits for."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.center.evidence_desk import judgement, question, read_desk, read_messages, send
from pipeline.center.evidence_opening import find, gather, open_documents
from pipeline.domain.parties import CENTER
from pipeline.kafka.clients import admin_config, producer_config
from pipeline.stages import topics
from pipeline.stages.evidence_casework import desk_key
from tests.archive import Archive, archived
from tests.scenario import REQUESTER, network_for, small_sample, with_form

TOPICS = (topics.APPLICATIONS, topics.DESK)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An application of its own, done, with its documents at the province."""
    sample = with_form(small_sample(tmp_path / "sample"), application_id=str(uuid.uuid4()))
    network = network_for(sample, tmp_path / "net")
    found = archived(network, sample, tmp_path / "office")
    network.run()
    return found


def mirror(archive: Archive, bootstrap: str) -> None:
    """Write what the in-memory broker holds of the two topics to a real one."""
    admin = AdminClient(admin_config(bootstrap))
    for made in admin.create_topics([NewTopic(topic, 3, 1) for topic in TOPICS]).values():
        try:
            made.result()
        except KafkaException as error:
            assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS  # noqa: PT017 - the broker is shared
    producer = Producer(producer_config(bootstrap))
    for topic in TOPICS:
        for message in archive.network.broker.messages(topic):
            producer.produce(topic, message.value, message.key)
    assert producer.flush(30) == 0


def test_documents_are_opened_from_the_topic_of_applications(kafka: str, archive: Archive) -> None:
    """One partition is read, and of it one application, to its end."""
    request_id = archive.ask((1,))
    archive.release_all(request_id)
    mirror(archive, kafka)
    messages = list(read_messages(kafka, REQUESTER, archive.application_id))
    assert {message.key for message in messages} == {f"{REQUESTER}/{archive.application_id}".encode()}
    file = find(gather(messages, archive.network.reference.trust), request_id)
    opened = open_documents(file, archive.network.identities[CENTER])
    assert opened.is_whole
    assert len(opened.documents) == 3
    assert next(one for one in read_desk(kafka) if one.request_id == request_id).replied


def test_sending_waits_for_the_desk_and_says_what_it_does_not_show(kafka: str, archive: Archive) -> None:
    """No stage runs here: a request is not on the desk within the time; one that is there already is not waited for."""
    request_id = archive.ask((1,))
    archive.release_all(request_id)
    mirror(archive, kafka)
    place = REQUESTER, archive.application_id
    asked = question(*place, numbers=[1], kinds=[], officer="张", reason="抽查", now=archive.now)
    assert send(kafka, [asked], 2.0) == [asked["request_id"]]
    again = question(*place, numbers=[1], kinds=[], officer="张", reason="抽查", now=archive.now, request_id=request_id)
    assert send(kafka, [again], 10.0) == []
    [one] = [found for found in read_desk(kafka) if found.request_id == request_id]
    judged = judgement(one, "accepted", officer="张", reason="属实", now=archive.now)
    assert send(kafka, [judged], 2.0) == [request_id], "it is on the desk still"
    producer = Producer(producer_config(kafka))
    producer.produce(topics.DESK, None, desk_key(request_id))
    assert producer.flush(30) == 0
    assert send(kafka, [judged], 10.0) == []
