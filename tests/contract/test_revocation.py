"""A certificate revoked in mid-flight: nothing new under it from that moment, and everything before stays proved."""

from __future__ import annotations

from pathlib import Path

from pipeline.crypto.keys import SealingKey
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from tests.network import Network
from tests.scenario import (
    FEEDBACK,
    REQUESTER,
    assert_equals_oracle,
    codes,
    is_certified,
    local_codes,
    network_for,
    standing,
    with_form,
)
from tests.unit.crypto.exchange import refusal

PROVIDER = "37"
DAY = 24 * 3600


def another(sample: Sample) -> Sample:
    """The same question under another number."""
    return with_form(sample, application_id="0f5a8b1e-2d3c-4f60-8a7b-9c0d1e2f3a4b")


def signing(network: Network, party: str) -> bytes:
    """The party's certificate to sign."""
    return network.identities[party].signer.certificate


def test_a_requester_whose_certificate_is_revoked_files_nothing_more_and_keeps_what_it_has(
    tmp_path: Path, sample: Sample
) -> None:
    """Its next application is put aside by the center; the last one, complete before, still verifies field by field."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    network.clock.advance(60)
    network.revoke(signing(network, REQUESTER))
    network.file(another(sample).application, sample.persons)
    network.run()
    assert set(codes(network)) == {"certificate_revoked"}
    assert not is_certified(network, another(sample).application)
    assert_equals_oracle(network, sample)


def test_old_proofs_outlive_the_centers_certificate(tmp_path: Path, sample: Sample) -> None:
    """What the center certified before its key was stolen stays certified, years later, and nothing after that is."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    network.file(another(sample).application, sample.persons)
    network.run(without=(REQUESTER,))
    network.send(REQUESTER)
    network.run(without=(REQUESTER,))
    network.clock.advance(60)
    network.revoke(signing(network, CENTER))
    network.run()
    assert set(local_codes(network, REQUESTER)) == {"certificate_revoked"}
    assert not is_certified(network, another(sample).application)
    network.clock.advance(3 * 365 * DAY)
    assert network.case(sample.application).certificate() is not None
    assert network.case(sample.application).is_complete()


def test_a_certificate_received_after_the_revocation_proves_nothing(tmp_path: Path, sample: Sample) -> None:
    """Whatever time the center's signature states: what the store notes as the time of receipt counts, to the second."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    network.clock.advance(60)
    network.revoke(signing(network, CENTER))
    store = network.parties[REQUESTER].store.connection
    for later, holds in ((-1000, True), (0, False), (1000, False)):
        store.execute("UPDATE result SET received_at = ?", (network.clock() + later,))
        if holds:
            assert network.case(sample.application).certificate() is not None
        else:
            assert refusal(network.case(sample.application).certificate) == "certificate_revoked"


def test_a_provider_revoked_before_it_answers_is_not_heard(tmp_path: Path, sample: Sample) -> None:
    """Its answers are put aside, its sub-queries expire, and the others' are whole."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=(PROVIDER,))
    network.revoke(signing(network, PROVIDER))
    network.run()
    assert set(codes(network)) == {"certificate_revoked"}
    network.pass_time(FEEDBACK + 5)
    result = standing(network, sample.application)
    assert result.of(PROVIDER, "social_insurance") == {("expired", None): 12}
    assert result.of("32", "social_insurance") == {("done", None): 12}
    assert network.case(sample.application).is_complete()


def test_an_answer_the_center_passed_on_before_is_taken_afterwards(tmp_path: Path, sample: Sample) -> None:
    """The requester reads late, when the provider's certificate is revoked: the center's time on the relay counts."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.send(REQUESTER)
    network.run(without=(REQUESTER,))
    network.clock.advance(60)
    network.revoke(signing(network, PROVIDER))
    network.run()
    assert local_codes(network, REQUESTER) == []
    assert_equals_oracle(network, sample)


def test_an_accepted_application_is_answered_after_its_requester_is_revoked(tmp_path: Path, sample: Sample) -> None:
    """The center accepted the mandate before; whoever stole the key since cannot have made it."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=(PROVIDER,))
    network.clock.advance(60)
    network.revoke(signing(network, REQUESTER))
    network.run()
    assert standing(network, sample.application).of(PROVIDER, "social_insurance") == {("done", None): 12}
    assert local_codes(network, PROVIDER) == []
    assert_equals_oracle(network, sample)
    assert set(codes(network)) == {"certificate_revoked"}, "its own receipts are not taken any more"


def test_a_stale_list_stops_everything_until_there_is_a_new_one(tmp_path: Path, sample: Sample) -> None:
    """Whoever keeps the lists from us gains nothing: past the limit nothing is taken, and what waits is not put aside."""
    network = network_for(sample, tmp_path)
    network.crl = network.new_crl(2, lifetime=3600 * 1000)
    network.publish_trust()
    network.clock.advance(3601)
    network.file(sample.application, sample.persons)
    network.run()
    junk = b"nobody signed this"
    network.broker.produce("hedx.center.requests", None, junk)
    network.run()
    assert codes(network) == []
    network.crl = network.new_crl(3)
    network.publish_trust()
    network.run()
    assert set(codes(network)) == {"cbor_invalid"}, "the junk, which no list is asked about"
    assert_equals_oracle(network, sample)


def test_results_that_wait_while_the_list_is_stale_for_100_s_all_arrive(tmp_path: Path, sample: Sample) -> None:
    """Neither a party nor the center puts anything aside, and nobody sends anything again."""
    network = network_for(sample, tmp_path)
    network.crl = network.new_crl(2, lifetime=3600 * 1000)
    network.publish_trust()
    network.file(sample.application, sample.persons)
    network.send(REQUESTER)
    network.run(without=(REQUESTER,))
    network.clock.advance(3700)
    network.run()
    assert local_codes(network, REQUESTER) == codes(network) == []
    network.crl = network.new_crl(3)
    network.publish_trust()
    network.run()
    assert local_codes(network, REQUESTER) == codes(network) == []
    assert_equals_oracle(network, sample)


def test_seal_keys_take_over_from_certificates(tmp_path: Path, sample: Sample) -> None:
    """Center and provider state a key each: everything new is sealed to those, and both open it with keys that no certificate names."""
    keys = {party: SealingKey.generate() for party in (CENTER, PROVIDER)}
    network = network_for(sample, tmp_path, keys)
    for party, key in keys.items():
        assert network.reference.trust.sealing_key(party, network.clock()).kid == key.kid
    network.file(sample.application, sample.persons)
    network.run()
    assert codes(network) == local_codes(network, PROVIDER) == []
    assert_equals_oracle(network, sample)
