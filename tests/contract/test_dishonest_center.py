"""A provider believes the requester's signature and nobody else's: what a dishonest center shows it, it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.crypto import cose, envelopes, sealing
from pipeline.crypto.keys import SealingKey, public_sealing_key
from pipeline.demo.application import Sample
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.province.store import mandate_in
from tests.forgery import Opened, replace_request, send, take_apart, withhold
from tests.network import Network
from tests.scenario import assert_equals_oracle, bundles_in, codes, local_codes, network_for, standing

PROVIDER = "37"
OTHER_ID = "15d7f3f6-8475-4714-b825-000000000000"
Alteration = Callable[[Opened, Network], None]


def up_to_the_request(sample: Sample, tmp_path: Path) -> Network:
    """An application on its way, its request lying unread in 山东's inbox."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=(PROVIDER,))
    return network


def swapped_reply_key(request: Opened, _: Network) -> None:
    request.rewrite_mandate(reply_key=SealingKey.generate().public_bytes)


def swapped_reply_key_signed_by_the_center(request: Opened, network: Network) -> None:
    key = SealingKey.generate().public_bytes
    request.sign_mandate(network.identities[CENTER], network.clock(), reply_key=key)


def swapped_reply_key_signed_by_another_province(request: Opened, network: Network) -> None:
    key = SealingKey.generate().public_bytes
    request.sign_mandate(network.identities["32"], network.clock(), reply_key=key)


def widened_purpose(request: Opened, _: Network) -> None:
    request.rewrite_mandate(purpose="贷款审批")


def added_schedule_row(request: Opened, _: Network) -> None:
    rows = request.mandate["schedule"]
    request.rewrite_mandate(schedule=[*rows, {**rows[0], "row": len(rows) + 1, "category": "medical"}])


def added_person(request: Opened, _: Network) -> None:
    request.set_persons([*request.persons, request.persons[0]])


def exchanged_person(request: Opened, _: Network) -> None:
    request.set_persons([request.persons[1], *request.persons[1:]])


def persons_in_another_order(request: Opened, _: Network) -> None:
    request.set_persons([request.persons[1], request.persons[0], *request.persons[2:]])


def left_out_person(request: Opened, _: Network) -> None:
    request.set_persons(request.persons[1:])


def another_category_accepted(request: Opened, network: Network) -> None:
    queries = [
        {**q, "category": "medical"} if q["provider"] == PROVIDER else q for q in request.acceptance["sub_queries"]
    ]
    request.sign_acceptance(network.identities[CENTER], network.clock(), sub_queries=queries)


def another_period_accepted(request: Opened, network: Network) -> None:
    wide = {"kind": "range", "start": "1990-01-01", "end": "2026-10-31"}
    queries = [{**q, "period": wide} if q["provider"] == PROVIDER else q for q in request.acceptance["sub_queries"]]
    request.sign_acceptance(network.identities[CENTER], network.clock(), sub_queries=queries)


def acceptance_of_another_mandate(request: Opened, network: Network) -> None:
    request.sign_acceptance(network.identities[CENTER], network.clock(), mandate_digest=b"\7" * 32)


def no_acceptance(request: Opened, _: Network) -> None:
    request.warrant["acceptance"] = None


@pytest.mark.parametrize(
    ("alteration", "code"),
    [
        (swapped_reply_key, "mandate_invalid"),
        (swapped_reply_key_signed_by_the_center, "mandate_invalid"),
        (swapped_reply_key_signed_by_another_province, "mandate_invalid"),
        (widened_purpose, "mandate_invalid"),
        (added_schedule_row, "mandate_invalid"),
        (added_person, "header_contradicts_mandate"),
        (left_out_person, "header_contradicts_mandate"),
        (exchanged_person, "section_root_mismatch"),
        (persons_in_another_order, "section_root_mismatch"),
        (another_category_accepted, "acceptance_mismatch"),
        (another_period_accepted, "acceptance_mismatch"),
        (acceptance_of_another_mandate, "acceptance_mismatch"),
        (no_acceptance, "acceptance_missing"),
    ],
)
def test_provider_refuses_an_altered_request_and_says_why(
    tmp_path: Path, sample: Sample, alteration: Alteration, code: str
) -> None:
    """Nothing is answered; the code stands in the certificate and in the requester's dossiers."""
    network = up_to_the_request(sample, tmp_path)
    replace_request(network, PROVIDER, lambda request: alteration(request, network))
    network.run()
    result = standing(network, sample.application)
    assert result.of(PROVIDER, "social_insurance") == {("refused", code): 12}
    assert result.of(PROVIDER, "vehicles") == {("refused", code): 12}
    seen = {
        (result["status"], result["code"])
        for dossier in network.case(sample.application).dossiers()
        for person in dossier["persons"]
        for result in person["results"]
        if result["provider"] == PROVIDER
    }
    assert seen == {("refused", code)}
    assert codes(network) == []


def test_reply_key_of_another_mandate_is_refused(tmp_path: Path, sample: Sample) -> None:
    """A reply key stands for one mandate: used again under another it would let two applications be mixed up."""
    network = up_to_the_request(sample, tmp_path)
    [request] = bundles_in(network, PROVIDER, "requests", "request")
    taken = take_apart(request, network.identities[PROVIDER])
    network.parties[PROVIDER].store.connection.execute(
        "INSERT INTO reply_key VALUES (?, ?, ?)", ("53", taken.mandate["reply_key"], b"\1" * 32)
    )
    network.run()
    result = standing(network, sample.application)
    assert result.of(PROVIDER, "vehicles") == {("refused", "reply_key_reused"): 12}
    assert result.of("00", "marriage") == {("done", None): 12}, "the other providers had not seen it"


def test_a_requester_that_uses_its_reply_key_twice_is_refused_the_second_time(tmp_path: Path, sample: Sample) -> None:
    """The same key in two mandates of one requester: each provider answers the first it saw."""
    network = up_to_the_request(sample, tmp_path)
    network.run()
    [request] = bundles_in(network, PROVIDER, "requests", "request")
    taken = take_apart(request, network.identities[PROVIDER])
    requester = network.identities["53"]
    taken.sign_mandate(requester, network.clock(), purpose="复核")
    raw = taken.warrant["mandate"]
    digest = cose.decode(raw).digest
    taken.header = replace(taken.header, mandate_digest=digest)
    taken.sign_acceptance(network.identities[CENTER], network.clock(), mandate_digest=digest)
    send(network, CENTER, PROVIDER, "requests", taken.seal(network.identities[CENTER], network))
    network.run()
    answers = [b for b in bundles_in(network, CENTER, "responses", "answer") if b.header.mandate_digest == digest]
    assert [(b.header.outcome, b.header.code) for b in answers] == [("refused", "reply_key_reused")]


def test_the_genuine_request_is_answered_after_an_altered_one_was_refused_elsewhere(
    tmp_path: Path, sample: Sample
) -> None:
    """Refusing one provider's request does nothing to the answers of the others."""
    network = up_to_the_request(sample, tmp_path)
    held = withhold(network, PROVIDER, "requests")
    network.run(without=(PROVIDER,))
    for message in held:
        network.broker.produce(message.topic, message.key, message.value, message.headers)
    network.run()
    assert_equals_oracle(network, sample)


def test_a_request_from_anybody_but_the_center_is_put_aside(tmp_path: Path, sample: Sample) -> None:
    """A province cannot ask another directly: its envelope goes to the provider's dead letters."""
    network = up_to_the_request(sample, tmp_path)
    [genuine] = bundles_in(network, PROVIDER, "requests", "request")
    withhold(network, PROVIDER, "requests")
    request = take_apart(genuine, network.identities[PROVIDER])
    request.header = replace(request.header, sender="53")
    send(network, "53", PROVIDER, "requests", request.seal(network.identities["53"], network))
    network.run()
    assert local_codes(network, PROVIDER) == ["issuer_unexpected"]
    assert sample.application["application_id"] not in answered(network)


def answered(network: Network) -> set[str]:
    """Applications 山东 sent answers for."""
    bundles = bundles_in(network, CENTER, "responses", "answer")
    return {b.header.application_id for b in bundles if b.header.provider == PROVIDER}


def test_a_copied_reply_key_takes_nothing_from_whose_it_is(tmp_path: Path, sample: Sample) -> None:
    """37 has seen 53's mandate, and 00 reads 37's request under the same key first: both are answered.

    Each under a seal of its own, so that what 37 lets the center read opens nothing of 53's.
    """
    network = network_for(sample, tmp_path)
    filing = network.file(sample.application, sample.persons)
    network.run(without=["00"])
    copied = public_sealing_key(mandate_in(filing.mandate_raw)["reply_key"])
    mine = {**sample.application, "application_id": OTHER_ID, "requester": "37", "seal_to_center": True}
    network.file(mine, sample.persons, reply_key=copied)  # type: ignore[arg-type]
    network.run(without=["00"])
    requests = [message for p in range(3) for message in network.broker.read("hedx.00.requests", p, 0)]
    trust, now = network.reference.trust, network.clock()
    asked = [envelopes.open_envelope(m.value or b"", trust, audience="00", now=now).bundles[0].header for m in requests]
    order = sorted(range(len(requests)), key=lambda at: asked[at].requester != "37")
    network.parties["00"].answers.work([requests[at] for at in order], {})
    network.run()
    answers = [b for b in bundles_in(network, CENTER, "responses", "answer") if b.header.provider == "00"]
    assert {(b.header.requester, b.header.outcome) for b in answers} == {("37", "done"), ("53", "done")}
    seals = {requester: {b.seal for b in answers if b.header.requester == requester} for requester in ("37", "53")}
    assert not seals["37"] & seals["53"]
    for seal in seals["53"]:
        with pytest.raises(InvalidMessage) as caught:
            sealing.unseal(seal or b"", "00", network.identities[CENTER].sealing)
        assert caught.value.code == "not_a_recipient"
