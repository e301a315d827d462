"""Article 7 (转交): queries of other provinces and their results go through the center; its own it answers itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.crypto import sealing
from pipeline.crypto.relay import open_relay
from pipeline.demo.application import Sample
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, MINISTRY
from tests.forgery import send, take_apart, withhold
from tests.network import Network
from tests.scenario import (
    PARTIES,
    REQUESTER,
    assert_equals_oracle,
    bundles_in,
    local_codes,
    network_for,
    schedule_of,
    with_form,
)

PROVIDER = "37"


def test_the_data_to_be_queried_are_passed_on_by_the_center(network: Network, sample: Sample) -> None:
    """待查询数据: every provider's request bears the center's acceptance beside the requester's own mandate."""
    network.file(sample.application, sample.persons)
    network.run()
    for provider in PARTIES:
        requests = bundles_in(network, provider, "requests", "request")
        assert requests, provider
        for bundle in requests:
            request = take_apart(bundle, network.identities[provider])
            assert (bundle.header.sender, request.mandate["requester"]) == (CENTER, REQUESTER)
            assert request.acceptance["mandate_digest"] == bundle.header.mandate_digest


def test_the_results_are_passed_on_unopened(network: Network, sample: Sample) -> None:
    """查询结果: what the requester is relayed is byte for byte what the providers sent, and the center's key opens none."""
    network.file(sample.application, sample.persons)
    network.run()
    answers = {bundle.raw: bundle for bundle in bundles_in(network, CENTER, "responses", "answer")}
    trust, now = network.reference.trust, network.clock()
    relays = bundles_in(network, REQUESTER, "responses", "relay")
    relayed = {open_relay(record, trust, now=now).bundle.raw for bundle in relays for record in bundle.records}
    assert relayed == set(answers)
    sealed = [bundle for bundle in answers.values() if bundle.seal is not None]
    assert len(sealed) >= len(PARTIES) - 1
    for bundle in sealed:
        assert bundle.seal is not None
        with pytest.raises(InvalidMessage):
            sealing.unseal(bundle.seal, bundle.header.sender, network.identities[CENTER].sealing)


def test_an_application_for_the_centers_resources_alone_asks_no_province(tmp_path: Path, sample: Sample) -> None:
    """由部收入认定中心受理并反馈: 部中心 and nobody else is asked, and its answer closes the application."""
    own = with_form(sample, schedule=schedule_of(("部中心", "marriage", ""), ("部中心", "cremation", "")))
    network = network_for(own, tmp_path)
    network.file(own.application, own.persons)
    network.run()
    assert_equals_oracle(network, own)
    asked = {party for party in PARTIES if bundles_in(network, party, "requests", "request")}
    assert asked == {MINISTRY}


def test_a_request_that_a_province_sends_to_another_itself_is_not_answered(network: Network, sample: Sample) -> None:
    """Genuine as its content is: what did not come through the center is put aside, and nobody answers it."""
    network.file(sample.application, sample.persons)
    network.run(without=(PROVIDER,))
    [bundle] = bundles_in(network, PROVIDER, "requests", "request")
    withhold(network, PROVIDER, "requests")
    request = take_apart(bundle, network.identities[PROVIDER])
    request.header = replace(request.header, sender=REQUESTER)
    send(network, REQUESTER, PROVIDER, "requests", request.seal(network.identities[REQUESTER], network))
    network.run()
    assert local_codes(network, PROVIDER) == ["issuer_unexpected"]
    assert [b for b in bundles_in(network, CENTER, "responses", "answer") if b.header.sender == PROVIDER] == []
