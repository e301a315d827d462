"""Re-sends: the same bytes again change nothing, and other bytes under the same id are a conflict."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.crypto import envelopes, signed
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Receipt
from pipeline.province import outbox
from pipeline.stages import topics
from pipeline.stages.effects import Message
from pipeline.stages.notices import Notice, post
from tests.forgery import send
from tests.network import Network
from tests.scenario import (
    REQUESTER,
    assert_equals_oracle,
    bundles_in,
    codes,
    inbox_messages,
    local_codes,
    network_for,
    standing,
)

RETRY = outbox.FIRST_RETRY / 1000 + 1


def again(network: Network, message: Message) -> None:
    """The same record once more, as a producer that was not sure would send it."""
    network.broker.produce(message.topic, message.key, message.value, message.headers)


def finished(sample: Sample, tmp_path: Path) -> Network:
    """A network on which the application is done."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    return network


def receipts(network: Network, party: str) -> list[Receipt]:
    """The center's receipts in a party's inbox."""
    return [
        framing.decode_as("Receipt", signed.peek(raw).payload)  # type: ignore[misc]
        for bundle in bundles_in(network, party, "responses", "receipt")
        for raw in bundle.records
    ]


def test_outbox_sends_the_same_bytes_until_they_are_receipted(tmp_path: Path, sample: Sample) -> None:
    """While intake stands still the envelope comes again, byte for byte; after the receipt never more."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("intake",))
    network.pass_time(RETRY, without=("intake",))
    network.pass_time(2 * RETRY, without=("intake",))
    sent = inbox_messages(network, CENTER, "requests")
    assert len(sent) == 3
    assert len({message.value for message in sent}) == len({message.key for message in sent}) == 1
    network.run()
    assert [receipt["envelope_id"] for receipt in receipts(network, REQUESTER)].count(sent[0].key) == 3
    before = len(inbox_messages(network, CENTER, "requests"))
    network.pass_time(24 * 3600)
    assert len(inbox_messages(network, CENTER, "requests")) == before
    assert_equals_oracle(network, sample)


def test_a_resent_application_is_receipted_again_and_worked_on_once(tmp_path: Path, sample: Sample) -> None:
    """The stored receipt comes back, the same object; nobody is asked twice."""
    network = finished(sample, tmp_path)
    [message] = [
        m for m in inbox_messages(network, CENTER, "requests") if m.offset == 0 and _has_application(network, m)
    ]
    first = {p: len(inbox_messages(network, p, "requests")) for p in sample.parties}
    results = len(network.broker.messages(topics.RESULTS))
    before = [r for r in _raw_receipts(network) if r]
    again(network, message)
    network.run()
    after = _raw_receipts(network)
    assert len(after) == len(before) + 1
    assert set(after) == set(before), "the very receipt that was given the first time"
    assert {p: len(inbox_messages(network, p, "requests")) for p in sample.parties} == first
    assert len(network.broker.messages(topics.RESULTS)) == results
    assert codes(network) == []


def test_resent_answers_are_joined_once(tmp_path: Path, sample: Sample) -> None:
    """Providers that hear nothing send again; the certificate counts each answer once and the requester gets it once."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("collect",))
    network.pass_time(RETRY, without=("collect",))
    network.pass_time(2 * RETRY, without=("collect",))
    values = [message.value for message in inbox_messages(network, CENTER, "responses")]
    assert len(values) == 3 * len(set(values))
    network.run()
    relayed = [bundle.records[0] for bundle in bundles_in(network, REQUESTER, "responses", "relay")]
    assert len(relayed) == len(set(relayed))
    assert standing(network, sample.application).version == 1
    assert_equals_oracle(network, sample)
    assert codes(network) == []


@pytest.mark.parametrize("kind", ["requests", "responses"])
@pytest.mark.parametrize("party", ["37", REQUESTER])
def test_a_party_works_on_what_the_center_sends_twice_once(
    tmp_path: Path, sample: Sample, party: str, kind: str
) -> None:
    """The party's store knows the envelope: no second answer, no second dossier, no dead letter."""
    network = finished(sample, tmp_path)
    answers = len(bundles_in(network, CENTER, "responses", "answer"))
    receipts_before = len(bundles_in(network, CENTER, "requests", "receipt"))
    for message in inbox_messages(network, party, kind):  # type: ignore[arg-type]
        again(network, message)
    network.run()
    assert len(bundles_in(network, CENTER, "responses", "answer")) == answers
    assert len(bundles_in(network, CENTER, "requests", "receipt")) == receipts_before
    assert local_codes(network, party) == []
    assert_equals_oracle(network, sample)


@pytest.mark.parametrize(("sender", "kind"), [(REQUESTER, "requests"), ("37", "responses")], ids=["intake", "collect"])
def test_other_bytes_under_a_known_id_are_a_conflict_at_the_center(
    tmp_path: Path, sample: Sample, sender: str, kind: str
) -> None:
    """Both stay, the second in the dead letters; what the first brought about stands."""
    network = finished(sample, tmp_path)
    [first] = [m for m in inbox_messages(network, CENTER, kind) if _issuer(m) == sender][:1]  # type: ignore[arg-type]
    other = post(Notice("receipt", CENTER, sender, sample.application["application_id"]), [b"other"], sender)
    second = send(network, sender, CENTER, kind, other, cti=first.key)  # type: ignore[arg-type]
    assert second.key == first.key
    network.run()
    assert codes(network) == ["envelope_conflict"]
    [letter] = network.broker.messages(topics.DEAD_LETTERS)
    assert letter.value == second.value
    assert_equals_oracle(network, sample)


@pytest.mark.parametrize("kind", ["requests", "responses"])
def test_other_bytes_under_a_known_id_are_a_conflict_at_a_party(tmp_path: Path, sample: Sample, kind: str) -> None:
    """The party keeps the second beside its dead letters and does nothing with it."""
    network = finished(sample, tmp_path)
    [first, *_] = inbox_messages(network, REQUESTER, kind)  # type: ignore[arg-type]
    other = post(Notice("receipt", REQUESTER, REQUESTER), [b"other"], CENTER)
    send(network, CENTER, REQUESTER, kind, other, cti=first.key)  # type: ignore[arg-type]
    network.run()
    assert local_codes(network, REQUESTER) == ["envelope_conflict"]
    assert_equals_oracle(network, sample)


def test_a_conflict_is_answered_with_a_signed_rejection(tmp_path: Path, sample: Sample) -> None:
    """The sender learns which envelope is in conflict."""
    network = finished(sample, tmp_path)
    [first] = [m for m in inbox_messages(network, CENTER, "requests") if _issuer(m) == REQUESTER][:1]
    other = post(Notice("receipt", CENTER, REQUESTER), [b"other"], REQUESTER)
    send(network, REQUESTER, CENTER, "requests", other, cti=first.key)
    network.run()
    [bundle] = bundles_in(network, REQUESTER, "responses", "rejection")
    rejection = framing.decode_as("Rejection", signed.peek(bundle.records[0]).payload)
    assert rejection["envelope_id"] == first.key
    assert [fault["code"] for fault in rejection["faults"]] == ["envelope_conflict"]
    assert network.case(sample.application).state == "incomplete"


def test_a_copy_in_another_partition_changes_nothing_either(tmp_path: Path, sample: Sample) -> None:
    """Receivers remember ids by partition; a copy that strays still meets work that is done already."""
    network = finished(sample, tmp_path)
    asked = {p: len(bundles_in(network, p, "requests", "request")) for p in sample.parties}
    for kind in ("requests", "responses"):
        for message in inbox_messages(network, CENTER, kind):
            network.broker.produce(
                message.topic, message.key, message.value, message.headers, (message.partition + 1) % 3
            )
    network.run()
    assert {p: len(bundles_in(network, p, "requests", "request")) for p in sample.parties} == asked
    assert standing(network, sample.application).version == 1
    assert_equals_oracle(network, sample)
    assert set(codes(network)) <= {"section_unknown"}, "answers to a section that is closed already"


def _has_application(network: Network, message: Message) -> bool:
    opened = envelopes.open_envelope(
        message.value or b"", network.reference.trust, audience=CENTER, now=network.clock()
    )
    return any(bundle.header.kind == "application" for bundle in opened.bundles)


def _issuer(message: Message) -> str:
    source = dict(message.headers)["ce_source"].decode()
    return source.rpartition(":")[2]


def _raw_receipts(network: Network) -> list[bytes]:
    return [raw for b in bundles_in(network, REQUESTER, "responses", "receipt") for raw in b.records]
