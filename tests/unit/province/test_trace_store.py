"""What a party's own store tells of an application or an envelope, at each stage of its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.demo.application import Sample
from pipeline.province.trace_store import marks_of, marks_of_message
from tests.network import Network
from tests.scenario import network_for, small_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small application."""
    return small_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def network(sample: Sample, tmp_path: Path) -> Network:
    """The sample's parties around a center."""
    return network_for(sample, tmp_path)


def kinds(network: Network, party: str, application_id: str) -> list[str]:
    """Kinds of what a party's store knows."""
    return [mark.kind for mark in marks_of(network.parties[party].store.connection, application_id)]


def test_a_filing_is_followed_from_the_outbox_to_the_certificate(network: Network, sample: Sample) -> None:
    """What waits to be sealed, then for a receipt, is gone from the outbox when the center has it."""
    application_id = sample.application["application_id"]
    db = network.parties["53"].store.connection
    network.file(sample.application, sample.persons, section_size=5)
    assert kinds(network, "53", application_id) == ["filed", "file", "waits_to_be_sealed"]
    [waiting] = [mark for mark in marks_of(db, application_id) if mark.kind == "waits_to_be_sealed"]
    assert waiting.count == 3
    network.send("53")
    [sent] = [mark for mark in marks_of(db, application_id) if mark.kind == "waits_for_receipt"]
    assert (sent.place, sent.count, sent.code) == ("hedx.center.requests", 3, "sent_1")
    [about] = marks_of_message(db, bytes.fromhex(sent.message_id or ""))
    assert (about.kind, about.message_id, about.count) == ("waits_for_receipt", sent.message_id, 3)
    network.run()
    told = kinds(network, "53", application_id)
    assert {"accept", "certify", "result_received", "answers_held", "section_certificate_held"} <= set(told)
    assert not [kind for kind in told if kind.startswith("waits_")]


def test_a_provider_knows_what_it_was_asked(network: Network, sample: Sample) -> None:
    """With section and persons, by its access log; and which envelope that came in."""
    network.file(sample.application, sample.persons, section_size=5)
    network.run()
    db = network.parties["37"].store.connection
    opened = [mark for mark in marks_of(db, sample.application["application_id"]) if mark.kind == "opened"]
    assert sorted((mark.section, mark.count) for mark in opened) == [(1, 5), (2, 5), (3, 2)]
    [message] = [m for m in network.broker.messages("hedx.37.requests") if m.key][:1]
    [seen] = marks_of_message(db, message.key or b"")
    assert (seen.kind, seen.provider) == ("worked_on", "center")


def test_a_dead_letter_is_found_by_what_it_names(network: Network, sample: Sample) -> None:
    """Its value names the application, its key the envelope; a broken envelope tells of nothing else."""
    network.file(sample.application, sample.persons)
    network.run()
    [genuine] = [m for m in network.broker.messages("hedx.37.requests") if m.value][:1]
    value = bytearray(genuine.value or b"")
    value[-1] ^= 1
    network.broker.produce(genuine.topic, genuine.key, bytes(value), ())
    network.run()
    db = network.parties["37"].store.connection
    for marks in (marks_of(db, sample.application["application_id"]), marks_of_message(db, genuine.key or b"")):
        [letter] = [mark for mark in marks if mark.kind == "dead_letter"]
        assert letter.code == "root_mismatch"
        assert (letter.place or "").startswith("hedx.37.requests/")


def test_of_what_it_never_saw_a_store_knows_nothing(network: Network) -> None:
    """Neither of an application nor of an envelope."""
    db = network.parties["37"].store.connection
    assert marks_of(db, "4d7d2d4c-7d5b-4f6e-9f0e-2b6f1c1f9a01") == []
    assert marks_of_message(db, b"x" * 16) == []
