"""Spoofing: acting under a name that is not one's own, with every key that the attacker really has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.codec import framing
from pipeline.crypto import bundles, cose, envelopes, signed, suite
from pipeline.crypto.authority import certify_transport, create_authority, issue
from pipeline.crypto.bundles import parse_bundle
from pipeline.crypto.keys import LocalSigner, SealingKey
from pipeline.crypto.requests import alternative_names, certificate_request, extended_usage, name, read_request
from pipeline.crypto.revocation import build_crl
from pipeline.crypto.seal_keys import sign_seal_key
from pipeline.crypto.trust import Trust
from pipeline.domain.parties import CENTER
from pipeline.domain.records import RevocationList, SealKey, TrustEntry
from pipeline.signer import policy
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.membership import trust_entry
from pipeline.stages.notices import Notice, post, sign_record
from pipeline.stages.reference import cosign, publish_catalog, publish_seal_key, publish_trust
from pipeline.stages.trust_tables import CRL, HEAD
from tests.attacks.stand import (
    BYSTANDER,
    FUTURE_SUITE,
    NOT_YET,
    OF_ANOTHER_CA,
    OF_ANOTHER_USE,
    PROVIDER,
    REVOKED,
    SUSPENDED,
    Case,
    Stand,
    Table,
)
from tests.forgery import bundle_of, envelope_of, relay_of, root_of, send, sign_as, with_header, withhold
from tests.scenario import REQUESTER

CASES = Table()


def notice_from(sender: str) -> bundles.SealedBundle:
    """A bundle as anybody may send it."""
    return post(Notice("receipt", CENTER, sender, "a"), [b"r" * 40], sender)


def sent_by(stand: Stand, party: str) -> None:
    send(stand.network, party, CENTER, "requests", notice_from(party))


# -- certificates ---------------------------------------------------------------------------------------------------------


@CASES.row("intake", "certificate_unknown")
def a_certificate_of_an_authority_that_nobody_knows(stand: Stand) -> None:
    """The attacker runs a CA of its own and makes itself 53."""
    forged = issue(create_authority(stand.network.clock()), REQUESTER, stand.network.clock())
    sealed = notice_from(REQUESTER)
    stand.produce(envelopes.build([sealed], forged.signer, audience=CENTER, now=stand.network.clock()).value)


@CASES.row("intake", "certificate_unknown")
def a_tls_certificate_used_to_sign(stand: Stand) -> None:
    """The key that a party's Kafka client holds is good for its connection only."""
    network, key = stand.network, suite.generate_key()
    der = certify_transport(network.authority, f"P{PROVIDER}", key.public_key(), network.clock())
    signer = LocalSigner(PROVIDER, key, der)
    stand.produce(envelopes.build([notice_from(PROVIDER)], signer, audience=CENTER, now=network.clock()).value)


@CASES.row("intake", "certificate_invalid")
def a_listed_certificate_of_another_authority(stand: Stand) -> None:
    """Listed and logged by mistake: it does not lead to the root."""
    sent_by(stand, OF_ANOTHER_CA)


@CASES.row("intake", "certificate_invalid")
def a_listed_certificate_of_another_use(stand: Stand) -> None:
    """Its extended key usage is to be sealed to."""
    sent_by(stand, OF_ANOTHER_USE)


@CASES.row("intake", "certificate_expired")
def a_certificate_that_is_not_valid_yet(stand: Stand) -> None:
    """Made out for tomorrow."""
    sent_by(stand, NOT_YET)


@CASES.row("intake", "certificate_revoked")
def a_certificate_that_is_revoked(stand: Stand) -> None:
    """Its key was stolen."""
    sent_by(stand, REVOKED)


@CASES.row("intake", "party_suspended")
def a_party_that_is_suspended(stand: Stand) -> None:
    """All is right with its certificate."""
    sent_by(stand, SUSPENDED)


@CASES.row("intake", "suite_below_minimum")
def a_party_that_has_moved_to_a_newer_suite(stand: Stand) -> None:
    """Its old key still signs under suite 1."""
    sent_by(stand, FUTURE_SUITE)


@CASES.row("intake", "usage_not_allowed")
def the_key_to_be_sealed_to_used_to_sign(stand: Stand) -> None:
    """The other of the party's two certificates."""
    held = stand.network.identities[PROVIDER]
    signer = LocalSigner(PROVIDER, held.sealing.private_key, held.sealing_certificate)
    now = stand.network.clock()
    stand.produce(envelopes.build([notice_from(PROVIDER)], signer, audience=CENTER, now=now).value)


# -- names in messages ----------------------------------------------------------------------------------------------------


def signed_as(stand: Stand, issuer: str) -> None:
    sealed = notice_from(issuer)
    signer = stand.network.identities[PROVIDER].signer
    sign1 = sign_as(
        signer, "envelope", root_of(sealed), audience=CENTER, issued_at=stand.network.clock(), issuer=issuer
    )
    stand.produce(envelope_of(sign1, sealed))


@CASES.row("intake", "issuer_mismatch")
def a_province_in_the_name_of_another(stand: Stand) -> None:
    """37's key and certificate, and 53 in iss."""
    signed_as(stand, REQUESTER)


@CASES.row("collect", "issuer_mismatch")
def a_province_claiming_to_be_the_center(stand: Stand) -> None:
    """37's key and certificate, and center in iss."""
    sealed = notice_from(CENTER)
    signer = stand.network.identities[PROVIDER].signer
    now = stand.network.clock()
    sign1 = sign_as(signer, "envelope", root_of(sealed), audience=CENTER, issued_at=now, issuer=CENTER)
    stand.produce(envelope_of(sign1, sealed), kind="responses")


@CASES.row("intake", "signature_invalid")
def another_partys_certificate_under_ones_own_signature(stand: Stand) -> None:
    """x5t and iss are 53's, the key is 37's."""
    network = stand.network
    held, mine = network.identities[REQUESTER].signer, network.identities[PROVIDER].signer
    signer = LocalSigner(REQUESTER, mine.key, held.certificate)
    now = network.clock()
    stand.produce(envelopes.build([notice_from(REQUESTER)], signer, audience=CENTER, now=now).value)


@CASES.row("intake", "sender_mismatch")
def a_stolen_section_stripped_and_signed_again(stand: Stand) -> None:
    """37 takes 53's sealed section out of its envelope and files it."""
    filing = stand.file()
    stand.network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    send(stand.network, PROVIDER, CENTER, "requests", filing.bundles[0])


@CASES.row("intake", "kind_unexpected")
def a_stolen_section_with_the_senders_name_changed(stand: Stand) -> None:
    """From 37, requester still 53."""
    filing = stand.file()
    stand.network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    stolen = with_header(parse_bundle(filing.bundles[0].raw), sender=PROVIDER)
    send(stand.network, PROVIDER, CENTER, "requests", stolen)


@CASES.row("intake", "unseal_failed", also=("application_unknown", "deliver"))
def a_stolen_section_filed_as_ones_own(stand: Stand) -> None:
    """From 37, requester 37: the seal is bound to who made it."""
    filing = stand.file()
    stand.network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    stolen = with_header(parse_bundle(filing.bundles[0].raw), sender=PROVIDER, requester=PROVIDER)
    send(stand.network, PROVIDER, CENTER, "requests", stolen)


@CASES.row("collect", "sender_mismatch")
def a_stolen_answer_signed_again(stand: Stand) -> None:
    """32 hands in 37's answer under its own signature."""
    answer, _ = stand.relayed()
    taken = bundle_of(answer.header_bytes, answer.seal, answer.records, answer.header)
    send(stand.network, BYSTANDER, CENTER, "responses", taken)


@CASES.row("collect", "header_contradicts_envelope")
def an_answer_in_another_providers_name(stand: Stand) -> None:
    """32 sends what it says is about 37."""
    answer, _ = stand.relayed()
    send(stand.network, BYSTANDER, CENTER, "responses", with_header(answer, sender=BYSTANDER))


@CASES.row("answer", "issuer_unexpected")
def a_province_that_asks_another_directly(stand: Stand) -> None:
    """53 sends 37 the center's request as its own."""
    request = stand.request()
    request.header = replace(request.header, sender=REQUESTER)
    stand.ask(request, REQUESTER)


@CASES.row("deliver", "issuer_unexpected")
def a_province_that_delivers_in_the_centers_place(stand: Stand) -> None:
    """32 hands 53 a genuine relay."""
    _, outer = stand.relayed()
    stolen = bundles.clear_bundle(with_header(outer, sender=BYSTANDER).header, outer.records)
    stand.deliver(stolen, sender=BYSTANDER)


@CASES.row("deliver", "sender_mismatch")
def an_answer_signed_by_another_provider(stand: Stand) -> None:
    """A dishonest center lets 32 sign what 37 should have."""
    answer, outer = stand.relayed()
    stand.deliver(relay_of(stand.network, BYSTANDER, with_header(answer), outer.header))


@CASES.row("intake", "mandate_invalid")
def a_mandate_signed_by_another_province(stand: Stand) -> None:
    """53's section under 32's mandate."""
    section = stand.section()
    section.sign_mandate(stand.network.identities[BYSTANDER], stand.network.clock())
    section.follow_mandate()
    stand.submit(section)


@CASES.row("answer", "acceptance_invalid")
def an_acceptance_that_a_province_signed(stand: Stand) -> None:
    """The center's promise is the center's."""
    request = stand.request()
    request.sign_acceptance(stand.network.identities[BYSTANDER], stand.network.clock())
    stand.ask(request)


@CASES.row("intake", "audience_mismatch")
def anothers_post_put_into_the_centers_inbox(stand: Stand) -> None:
    """Genuine, and for 32."""
    now = stand.network.clock()
    signer = stand.network.identities[PROVIDER].signer
    stand.produce(envelopes.build([notice_from(PROVIDER)], signer, audience=BYSTANDER, now=now).value)


@CASES.row("intake", "type_mismatch")
def a_receipt_passed_off_as_an_envelope(stand: Stand) -> None:
    """A signature that 53 made for something else."""
    small = sign_record(
        "receipt", "Receipt", receipt(stand), stand.network.identities[REQUESTER].signer, CENTER, stand.network.clock()
    )
    stand.produce(envelope_of(small, notice_from(REQUESTER)))


def receipt(stand: Stand) -> dict[str, object]:
    """A delivery receipt."""
    return {
        "kind": "delivered",
        "application_id": "a",
        "provider": PROVIDER,
        "envelope_id": None,
        "envelope_digest": None,
        "bundles": [bytes(32)],
        "at": stand.network.clock(),
    }


# -- who is who ----------------------------------------------------------------------------------------------------------


@CASES.row("reader", "certificate_not_logged")
def a_second_certificate_in_37s_name_that_nobody_logged(stand: Stand) -> None:
    """A dishonest center makes itself 37, and tells only its victim."""
    network = stand.network
    twin = issue(network.authority, PROVIDER, network.clock())
    entry = trust_entry(twin, 9)
    signer = network.identities[CENTER].signer
    stand.read(publish_trust([entry], (), network.crl, signer, network.clock())[-1])


@CASES.row("reader", "certificate_not_logged")
def a_second_certificate_in_37s_name_logged_as_the_operators(stand: Stand) -> None:
    """In the log, under a name that nobody watches: it is not 37's there."""
    network = stand.network
    entry = trust_entry(issue(network.authority, PROVIDER, network.clock()), 9)
    leaves = [
        {**leaf, "party": "ops"} if leaf["index"] >= len(network.leaves) else leaf for leaf in stand.leaves_with(entry)
    ]
    signer = network.identities[CENTER].signer
    *grown, told = publish_trust([entry], leaves, network.crl, signer, network.clock())  # type: ignore[arg-type]
    stand.read(told, first=grown)


@CASES.row("reader", "head_not_witnessed")
def a_second_certificate_in_a_log_that_nobody_has_seen(stand: Stand) -> None:
    """Logged, for its victim's eyes only: two other parties have signed no such head."""
    network = stand.network
    twin = trust_entry(issue(network.authority, PROVIDER, network.clock()), 9)
    leaves = stand.leaves_with(twin)
    stand.read(*publish_trust([twin], leaves, network.crl, network.identities[CENTER].signer, network.clock()))


@CASES.row("reader", "role_not_allowed")
def a_trust_entry_by_a_province(stand: Stand) -> None:
    """32 makes itself a new certificate's owner."""
    network = stand.network
    entry = {**network.entries[BYSTANDER], "number": 9}
    signer = network.identities[BYSTANDER].signer
    raw = signed.sign("trust", framing.encode("TrustEntry", entry), signer, audience="all", now=network.clock()).raw
    stand.read(Output(topics.TRUST, BYSTANDER.encode(), raw))


@CASES.row("reader", "key_contradicts_entry")
def a_trust_entry_under_another_partys_key(stand: Stand) -> None:
    """Compaction would let it take 37's place."""
    output = next(each for each in stand.publication() if each.key == BYSTANDER.encode())
    stand.read(replace(output, key=PROVIDER.encode()))


@CASES.row("reader", "role_not_allowed")
def a_catalog_by_a_province(stand: Stand) -> None:
    """Whoever writes the catalog decides what is asked of whom."""
    network = stand.network
    assert network.reference.current is not None
    entry = network.reference.current.entry(PROVIDER, "vehicles")
    stand.read(*publish_catalog(7, [entry], network.identities[PROVIDER].signer, network.clock())[:1])


def seal_key(stand: Stand, party: str = PROVIDER) -> SealKey:
    now = stand.network.clock()
    point = SealingKey.generate().public_bytes
    return SealKey(party=party, number=1, point=point, not_before=now, not_after=now + 30 * 86_400_000)


@CASES.row("reader", "seal_key_invalid")
def a_seal_key_stated_for_another(stand: Stand) -> None:
    """32 would read what is sealed to 37."""
    held = stand.network.identities[BYSTANDER]
    signer = LocalSigner(BYSTANDER, held.sealing.private_key, held.sealing_certificate)
    stand.read(publish_seal_key(sign_seal_key(seal_key(stand), signer, stand.network.clock()), BYSTANDER))


@CASES.row("reader", "key_contradicts_entry")
def a_seal_key_in_anothers_place(stand: Stand) -> None:
    """32's own statement under 37's key on the topic."""
    held = stand.network.identities[BYSTANDER]
    signer = LocalSigner(BYSTANDER, held.sealing.private_key, held.sealing_certificate)
    stand.read(publish_seal_key(sign_seal_key(seal_key(stand, BYSTANDER), signer, stand.network.clock()), PROVIDER))


@CASES.row("reader", "usage_not_allowed")
def a_seal_key_under_the_certificate_to_sign(stand: Stand) -> None:
    """The key that is in use all day does not decide what is sealed to."""
    signer = stand.network.identities[PROVIDER].signer
    stand.read(publish_seal_key(sign_seal_key(seal_key(stand), signer, stand.network.clock()), PROVIDER))


@CASES.row("reader", "crl_invalid")
def a_revocation_list_of_another_authority(stand: Stand) -> None:
    """With it a rival would be shut out."""
    network = stand.network
    number = network.crl["number"] + 1
    der = build_crl(create_authority(network.clock()), [], number=number, now=network.clock(), lifetime=86_400_000)
    signer = network.identities[CENTER].signer
    stand.read(publish_trust((), (), RevocationList(number=number, crl=der), signer, network.clock())[1])


@CASES.row("reader", "certificate_unknown")
def a_witness_that_is_no_party(stand: Stand) -> None:
    """A cosignature by somebody who made himself a province."""
    network = stand.network
    forged = issue(create_authority(network.clock()), "11", network.clock())
    head = stand.head()
    stand.read(cosign(head, forged.signer, network.clock()))


def published_by(stand: Stand, party: str, typ: str, name: str, record: Mapping[str, object]) -> bytes:
    """Something for all, signed by `party`."""
    return sign_record(typ, name, record, stand.network.identities[party].signer, "all", stand.network.clock())


@CASES.row("reader", "role_not_allowed")
def a_revocation_published_by_a_province(stand: Stand) -> None:
    """The authority's own list, with 37's signature around it."""
    raw = published_by(stand, PROVIDER, "trust", "RevocationList", stand.network.crl)
    stand.read(Output(topics.TRUST, CRL, raw))


@CASES.row("reader", "issuer_mismatch")
def a_head_of_the_trust_log_by_a_province(stand: Stand) -> None:
    """Provinces sign heads that they have seen, on a topic of their own."""
    raw = published_by(stand, PROVIDER, "checkpoint", "LogHead", stand.head())
    stand.read(Output(topics.TRUST, HEAD, raw))


@CASES.row("reader", "role_not_allowed")
def a_party_that_lifts_its_own_suspension(stand: Stand) -> None:
    """42 publishes its own entry."""
    entry = {**stand.network.entries[SUSPENDED], "suspended": False, "number": 9}
    raw = published_by(stand, SUSPENDED, "trust", "TrustEntry", entry)
    stand.read(Output(topics.TRUST, SUSPENDED.encode(), raw))


@CASES.row("reader", "certificate_revoked")
def whoever_stole_the_centers_key(stand: Stand) -> None:
    """Its certificate is revoked: what is published under it, whatever time it states, counts no more."""
    network, signer = stand.network, stand.network.identities[CENTER].signer
    serial = x509.load_der_x509_certificate(signer.certificate).serial_number
    held = network.revoked
    network.revoked = [*held, (serial, network.clock() + 86_400_000, "key_compromise")]
    crl = network.new_crl(network.crl["number"] + 1)
    network.revoked = held
    entry: TrustEntry = {**network.entries[PROVIDER], "suspended": True, "number": 9}
    *_, first, last = publish_trust([entry], (), crl, signer, network.clock())
    stand.read(last, first=[first])


@CASES.row("collect", "header_contradicts_envelope")
def the_center_answers_in_a_providers_place(stand: Stand) -> None:
    """Its own envelope, about 37."""
    answer, _ = stand.relayed()
    send(stand.network, CENTER, CENTER, "responses", with_header(answer, sender=CENTER))


@CASES.row("verifier", "crl_stale")
def a_revocation_list_kept_from_its_reader(stand: Stand) -> object:
    """A thief with the broker's help keeps new lists away: past its end the old one is good for nothing that comes."""
    network, now = stand.network, stand.network.clock()
    crl = network.new_crl(network.crl["number"], lifetime=3600 * 1000)
    trust = Trust(network.authority.certificates, [network.entries[PROVIDER]], crl)
    value = envelopes.build(
        [notice_from(PROVIDER)], network.identities[PROVIDER].signer, audience=CENTER, now=now
    ).value
    assert envelopes.open_envelope(value, trust, audience=CENTER, now=now + 3599 * 1000)
    return envelopes.open_envelope(value, trust, audience=CENTER, now=now + 3602 * 1000)


# -- the authority and the signer ------------------------------------------------------------------------------------------


@CASES.row("CA", "config_error", "whoever asks does not hold it")
def a_certificate_request_over_anothers_key(stand: Stand) -> object:
    """Signed by another key than the one in it."""
    mine, other = (certificate_request(f"P{PROVIDER}", suite.generate_key(), "sign") for _ in range(2))
    key = read_request(other).public_key.public_numbers()
    old = read_request(mine).public_key.public_numbers()
    return read_request(
        mine.replace(old.x.to_bytes(32, "big") + old.y.to_bytes(32, "big"), suite.point(key.public_key())[1:])
    )


@CASES.row("CA", "config_error", "names no principal")
def a_certificate_request_in_an_invented_name(stand: Stand) -> object:
    """P99 is nobody."""
    return read_request(certificate_request_of("P99"))


def certificate_request_of(principal: str) -> bytes:
    """A request for P37 with another name of the same length in it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(principal, "province"))
    builder = builder.add_extension(alternative_names(f"P{PROVIDER}", ()), critical=False)
    builder = builder.add_extension(extended_usage("sign"), critical=False)
    return builder.sign(suite.generate_key(), hashes.SHA256()).public_bytes(Encoding.DER)


def structure(stand: Stand, typ: str, issuer: str, thumbprint: bytes | None = None) -> bytes:
    """What a worker that was taken over would have its signer sign."""
    now = stand.network.clock() // 1000 * 1000
    claims = cose.Claims(issuer, CENTER, now, now + 86_400_000, bytes(16))
    held = stand.network.identities[PROVIDER].signer
    return cose.sig_structure(typ, cose.protected_header(typ, thumbprint or held.thumbprint, claims), b"payload")


def asked(stand: Stand, data: bytes) -> None:
    policy.check(data, PROVIDER, stand.network.identities[PROVIDER].signer.thumbprint)


@CASES.row("signer", "issuer_mismatch")
def a_signer_asked_to_sign_as_the_center(stand: Stand) -> None:
    """Its own certificate, center in iss."""
    asked(stand, structure(stand, "envelope", CENTER))


@CASES.row("signer", "certificate_unknown")
def a_signer_asked_to_sign_under_anothers_certificate(stand: Stand) -> None:
    """32's x5t."""
    asked(stand, structure(stand, "envelope", PROVIDER, stand.network.identities[BYSTANDER].signer.thumbprint))


@CASES.row("signer", "cbor_invalid")
def a_signer_asked_for_a_tls_handshake(stand: Stand) -> None:
    """What TLS 1.3 has a client sign."""
    asked(stand, b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + os.urandom(32))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_spoofing(stand: Stand, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Refused by its code, written down where it was tried, and the exchange goes on as if nothing had been."""
    stand.strike(case, caplog)


def test_no_file_holds_anything_personal_or_a_key(stand: Stand) -> None:
    """After all attacks, in every store with its write-ahead log."""
    assert stand.leaks_in_files() == []


def test_a_party_alarms_on_a_certificate_that_it_did_not_ask_for(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged in its own name by a dishonest center: its own process says so, in one line."""
    network = stand.network
    twin = trust_entry(issue(network.authority, PROVIDER, network.clock()), 9)
    signer = network.identities[CENTER].signer
    outputs = publish_trust([twin], stand.leaves_with(twin), network.crl, signer, network.clock())
    stand.read(*outputs, party=PROVIDER)
    alarms = [record.getMessage() for record in caplog.records if "ALARM" in record.getMessage()]
    digest = suite.H(twin["signing_certificates"][0]).hex()
    assert f"ALARM certificate_not_requested: {PROVIDER}, certificate {digest}" in alarms


def test_withheld_post_is_not_lost(stand: Stand) -> None:
    """What was kept from a party and is given to it later is answered as ever."""
    filing = stand.file()
    stand.network.run(without=(PROVIDER,))
    held = withhold(stand.network, PROVIDER, "requests")
    stand.network.run()
    for message in held:
        stand.network.broker.produce(message.topic, message.key, message.value, message.headers)
    stand.network.run()
    assert stand.network.case(filing.application).is_complete()
