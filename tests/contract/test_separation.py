"""Applications of two provinces at once: neither ever sees a record of the other's, not even under the same id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.crypto import relay, sealing
from pipeline.demo.application import Sample
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import inbox
from pipeline.domain.records import Person
from tests.network import Network
from tests.scenario import assert_equals_oracle, bundles_in, network_for, renumbered, small_sample, with_form

OTHER = "32"


def halves(sample: Sample) -> tuple[Sample, Sample]:
    """Two applications, of 云南 and 江苏, about different households, under one application id."""
    middle = next(n for n in range(8, 24) if sample.persons[n]["household"] != sample.persons[n - 1]["household"])
    first, second = renumbered(sample.persons[:middle]), renumbered(sample.persons[middle:])
    return _about(sample, first, "53"), _about(sample, second, OTHER)


def _about(sample: Sample, persons: Sequence[Person], requester: str) -> Sample:
    form = with_form(sample, requester=requester, person_count=len(persons), lead_person=persons[0]["name"])
    return replace(form, persons=list(persons))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Sample, Sample]:
    """Both applications, filed at the same moment and finished."""
    folder = tmp_path_factory.mktemp("two")
    sample = small_sample(folder, persons=24, seed=8)
    ours, theirs = halves(sample)
    network = network_for(sample, folder)
    network.file(ours.application, ours.persons)
    network.file(theirs.application, theirs.persons)
    network.run()
    return network, ours, theirs


def test_both_get_the_dossiers_of_their_own_households(two: tuple[Network, Sample, Sample]) -> None:
    """Each equals the oracle over its own roster."""
    network, ours, theirs = two
    assert_equals_oracle(network, ours)
    assert_equals_oracle(network, theirs)


def test_no_inbox_holds_a_bundle_of_the_other(two: tuple[Network, Sample, Sample]) -> None:
    """Everything the center writes into a requester's inbox is that requester's."""
    network, ours, theirs = two
    for sample in (ours, theirs):
        requester = sample.application["requester"]
        for kind in ("relay", "certificate", "acceptance"):
            found = bundles_in(network, requester, "responses", kind)
            assert found
            assert {bundle.header.requester for bundle in found} == {requester}


def test_no_store_holds_an_answer_about_a_person_of_the_other(two: tuple[Network, Sample, Sample]) -> None:
    """Names and numbers of one roster are in no byte of the other province's delivered answers."""
    network, ours, theirs = two
    for sample, others in ((ours, theirs), (theirs, ours)):
        case = network.case(sample.application)
        kept = json.dumps([case.roster(), case.dossiers()], ensure_ascii=False)
        assert sample.persons[0]["document_number"] in kept
        numbers = {p["document_number"] for p in others.persons if p["document_number"]}
        numbers -= {p["document_number"] for p in sample.persons}
        assert numbers
        assert not any(number in kept for number in numbers)


def test_the_other_province_cannot_open_what_it_might_get_hold_of(two: tuple[Network, Sample, Sample]) -> None:
    """An answer is sealed to its requester's reply key alone: no key of the other province opens it."""
    network, _, theirs = two
    store = network.parties[OTHER].store
    filed = store.filed(theirs.application["application_id"])
    assert filed is not None
    assert filed.reply_key is not None
    for bundle in bundles_in(network, "53", "responses", "relay"):
        inner = relay.open_relay(bundle.records[0], network.reference.trust, now=network.clock()).bundle
        if inner.seal is None:
            continue
        for key in (filed.reply_key, network.identities[OTHER].sealing):
            with pytest.raises(InvalidMessage) as caught:
                sealing.unseal(inner.seal, inner.header.sender, key)
            assert caught.value.code == "not_a_recipient"


def test_requests_reach_nobody_who_was_not_asked(tmp_path: Path) -> None:
    """An application for 部中心 alone is seen by 部中心 alone."""
    sample = small_sample(tmp_path, ("部中心", "marriage", ""))
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)
    assert [p for p in sample.parties if bundles_in(network, p, "requests", "request")] == ["00"]
    assert network.broker.messages(inbox("32", "responses")) == []
