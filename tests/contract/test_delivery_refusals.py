"""The requester takes only what a provider signed, for it, under its own mandate; the rest it puts aside, unread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.crypto import bundles, sealing
from pipeline.crypto.bundles import Bundle, SealedBundle
from pipeline.crypto.keys import public_sealing_key
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.stages.notices import Notice, post, sign_record
from tests.forgery import relay_of, send, take_apart, with_header, withhold
from tests.network import Network
from tests.scenario import REQUESTER, assert_equals_oracle, bundles_in, local_codes, network_for

PROVIDER = "37"
Forgery = Callable[[Network, Bundle, Bundle], SealedBundle]
"""(network, the provider's genuine answer, the center's genuine relay) -> what the center relays instead."""


def flip(raw: bytes) -> bytes:
    """One bit of the last sealed record."""
    return raw[:-1] + bytes((raw[-1] ^ 1,))


def altered_after_signing(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, with_header(answer), outer.header, flip)


def for_another_requester(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, with_header(answer, to="32", requester="32"), outer.header)


def requested_by_another(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, with_header(answer, requester="32"), outer.header)


def under_another_mandate(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, with_header(answer, mandate_digest=b"\3" * 32), outer.header)


def of_another_application(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    other = "00000000-0000-4000-8000-000000000000"
    return relay_of(network, PROVIDER, with_header(answer, application_id=other), outer.header)


def in_the_name_of_another_provider(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, with_header(answer, provider="32"), outer.header)


def signed_by_another_provider(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, "32", with_header(answer), outer.header)


def header_changed_by_its_provider(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, with_header(answer, section=2, sections=2), outer.header)


def about_persons_not_named_in_its_header(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, _resealed(network, answer, shift=1), outer.header)


def about_nobody_in_particular(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, _resealed(network, answer, members=b""), outer.header)


def sealed_to_another_key(network: Network, answer: Bundle, outer: Bundle) -> SealedBundle:
    return relay_of(network, PROVIDER, _resealed(network, answer, reply_key=False), outer.header)


def _resealed(
    network: Network, answer: Bundle, *, shift: int = 0, reply_key: bool = True, **header: bytes
) -> SealedBundle:
    """Answers of a provider that miscounts, or seals to the wrong key."""
    request = next(
        bundle
        for bundle in bundles_in(network, PROVIDER, "requests", "request")
        if bundle.leaf == answer.header.answers
    )
    mandate = take_apart(request, network.identities[PROVIDER]).mandate
    reader = public_sealing_key(mandate["reply_key"]) if reply_key else network.reference.trust.sealing_key("32")
    secret, seal = sealing.new_seal(PROVIDER, [reader])
    results: list[dict[str, object]] = [
        {
            "row": row,
            "status": "no_record",
            "as_of": "",
            "coverage": "",
            "entries": [],
            "region_codes": None,
            "levels": None,
        }
        for row in answer.header.rows
    ]
    count = answer.header.count
    records = [framing.write("Answer", {"index": index + shift, "results": results}) for index in range(count)]
    return bundles.seal_bundle(with_header(answer, padded=0, **header).header, records, secret, seal)


@pytest.mark.parametrize(
    ("forgery", "code"),
    [
        (altered_after_signing, "root_mismatch"),
        (for_another_requester, "relay_misdirected"),
        (requested_by_another, "relay_misdirected"),
        (under_another_mandate, "mandate_mismatch"),
        (of_another_application, "mandate_mismatch"),
        (in_the_name_of_another_provider, "relay_misdirected"),
        (signed_by_another_provider, "sender_mismatch"),
        (header_changed_by_its_provider, "key_commitment_mismatch"),
        (about_persons_not_named_in_its_header, "answer_out_of_scope"),
        (about_nobody_in_particular, "answer_out_of_scope"),
        (sealed_to_another_key, "not_a_recipient"),
    ],
)
def test_requester_refuses_a_relay_that_is_not_its_own(
    tmp_path: Path, sample: Sample, forgery: Forgery, code: str
) -> None:
    """A forged relay leaves a dead letter and nothing else; the genuine one is still taken afterwards."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.send(REQUESTER)
    network.run(without=(REQUESTER,))
    outer = next(b for b in bundles_in(network, REQUESTER, "responses", "relay") if b.header.provider == PROVIDER)
    answer = next(
        b
        for b in bundles_in(network, CENTER, "responses", "answer")
        if b.header.provider == PROVIDER and b.header.outcome == "done"
    )
    held = withhold(network, REQUESTER, "responses")
    forged = forgery(network, answer, outer)
    send(network, CENTER, REQUESTER, "responses", forged)
    network.run()
    assert local_codes(network, REQUESTER) == [code]
    store = network.parties[REQUESTER].store.connection
    assert store.execute("SELECT count(*) FROM bundle WHERE provider = ?", (PROVIDER,)).fetchone() == (0,)
    for message in held:
        network.broker.produce(message.topic, message.key, message.value, message.headers)
    network.run()
    assert_equals_oracle(network, sample)


def test_a_relay_that_the_center_did_not_send_is_refused(tmp_path: Path, sample: Sample) -> None:
    """A province that got hold of a genuine relay cannot deliver it in the center's place."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.send(REQUESTER)
    network.run(without=(REQUESTER,))
    [relay, *_] = bundles_in(network, REQUESTER, "responses", "relay")
    withhold(network, REQUESTER, "responses")
    stolen = bundles.clear_bundle(with_header(relay, sender="32").header, relay.records)
    send(network, "32", REQUESTER, "responses", stolen)
    network.run()
    assert local_codes(network, REQUESTER) == ["issuer_unexpected"]


def test_a_certificate_of_another_mandate_is_refused(tmp_path: Path, sample: Sample) -> None:
    """What the center certifies must be what this requester asked for, not another mandate under the same number."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    case = network.case(sample.application)
    certificate = case.certificate()
    assert certificate is not None
    center = network.identities[CENTER]
    record = {**certificate.result, "mandate_digest": b"\5" * 32, "version": 9, "sections": []}
    raw = sign_record("certificate", "ApplicationResult", record, center.signer, REQUESTER, network.clock())
    notice = Notice("certificate", REQUESTER, REQUESTER, sample.application["application_id"], b"\5" * 32)
    send(network, CENTER, REQUESTER, "responses", post(notice, [raw], CENTER))
    network.run()
    assert local_codes(network, REQUESTER) == ["mandate_mismatch"]
    assert network.case(sample.application).certificate() == certificate
