"""Article 5: the center's certificates sign and encrypt what is exchanged; parties connect from registered addresses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from pipeline.crypto import envelopes
from pipeline.crypto.authority import create_authority, issue
from pipeline.demo.application import Sample
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka import acls
from pipeline.kafka.topology import TOPICS_FILE, load
from pipeline.stages import topics
from pipeline.stages.names import STAGES
from tests.network import Network
from tests.scenario import PARTIES, REQUESTER, bundles_in, codes, inbox_messages, opened

PROVIDER = "37"


def everything(network: Network) -> list[bytes]:
    """Every record of the inboxes, of the center's own topics with their changelogs, of events and dead letters."""
    names = [inbox(party, kind) for party in (CENTER, *PARTIES) for kind in ("requests", "responses")]
    names += [topics.APPLICATIONS, topics.JOIN, topics.RESULTS, topics.EVENTS, topics.DEAD_LETTERS]
    names += [topics.changelog(stage) for stage in STAGES]
    return [message.value or b"" for name in names for message in network.broker.messages(name)]


def test_everything_exchanged_is_signed_under_a_certificate_of_the_center(network: Network, sample: Sample) -> None:
    """数字签名: each envelope verifies against a certificate that the center issued to its sender, and no other does."""
    network.file(sample.application, sample.persons)
    network.run()
    issuing = {x509.load_der_x509_certificate(der).subject for der in network.authority.certificates}
    for party in (CENTER, *PARTIES):
        assert opened(network, party, "requests") or opened(network, party, "responses")
        certificate = x509.load_der_x509_certificate(network.entries[party]["signing_certificates"][0])
        assert certificate.issuer in issuing
    [message, *_] = inbox_messages(network, CENTER, "requests")
    assert message.value is not None
    changed = message.value[:-1] + bytes([message.value[-1] ^ 1])
    with pytest.raises(InvalidMessage):
        envelopes.open_envelope(changed, network.reference.trust, audience=CENTER, now=network.clock())


def test_personal_data_are_encrypted_wherever_they_travel(network: Network, sample: Sample) -> None:
    """加密: no name, no ID number and no guardian stands in clear in any record of any topic."""
    network.file(sample.application, sample.persons)
    network.run()
    words = {person["name"].encode() for person in sample.persons}
    words |= {person["document_number"].encode() for person in sample.persons if person["document_number"]}
    words |= {str(person["guardian_name"]).encode() for person in sample.persons if person["guardian_name"]}
    records = everything(network)
    assert len(records) > 30
    assert len(words) > len(sample.persons)
    assert [word for word in words for record in records if word in record] == []


def test_a_certificate_of_another_authority_opens_nothing(network: Network, sample: Sample) -> None:
    """统一颁发: a province's application signed under somebody else's certificate is put aside and starts nothing."""
    impostor = issue(create_authority(network.clock()), REQUESTER, network.clock())
    network.file(sample.application, sample.persons)
    member = network.parties[REQUESTER]
    member.identity = replace(member.identity, signer=impostor.signer)
    network.run()
    assert codes(network) == ["certificate_unknown"]
    assert [p for p in PARTIES if bundles_in(network, p, "requests", "request")] == []


def test_a_province_connects_from_its_registered_addresses_only() -> None:
    """IP地址备案: the brokers' rules name the registered addresses, every one of them, and no other host."""
    topology = load(TOPICS_FILE, ["32", PROVIDER])
    addresses = {"32": ["10.32.0.1"], PROVIDER: ["10.37.0.1", "10.37.0.2"]}
    rules = acls.wanted(topology, addresses, ())
    assert {rule.host for rule in rules if rule.principal == f"P{PROVIDER}"} == set(addresses[PROVIDER])
    changed = acls.wanted(topology, {**addresses, PROVIDER: ["10.37.0.9"]}, ())
    assert {rule.host for rule in changed if rule.principal == f"P{PROVIDER}"} == {"10.37.0.9"}
    unregistered = acls.wanted(topology, {"32": ["10.32.0.1"]}, ())
    assert [rule for rule in unregistered if rule.principal == f"P{PROVIDER}"] == []


def test_who_is_responsible_for_what_is_written_down() -> None:
    """分级负责: the threat model has a table in which the center and each province answer for their own part."""
    page = (TOPICS_FILE.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert "分级负责" in page
    rows = [line for line in page.split("分级负责", 1)[1].splitlines() if line.startswith("|")]
    assert len(rows) > 5
    told = " ".join(rows).lower()
    assert "center" in told
    assert "province" in told
