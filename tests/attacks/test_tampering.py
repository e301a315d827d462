"""Tampering: what was signed or sealed is altered, put elsewhere, or put together anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, envelopes, merkle, relay, sealing
from pipeline.crypto.bundles import Bundle, SealedBundle, parse_bundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import SealingKey, public_sealing_key
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.province.handover import hand_over
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.notices import Notice, post
from pipeline.stages.reference import publish_catalog
from tests.attacks.stand import BYSTANDER, PROVIDER, Case, Stand, Table
from tests.forgery import Opened, bundle_of, envelope_of, relay_of, root_of, send, sign_as, with_header
from tests.scenario import REQUESTER

CASES = Table()


# -- envelopes: by whoever carries them ------------------------------------------------------------------------------------


def genuine(stand: Stand) -> tuple[bytes, SealedBundle]:
    """A genuine envelope of 53's with one section, kept from the center: its sign1 and its bundle."""
    filing = stand.file()
    stand.network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    signer, now = stand.network.identities[REQUESTER].signer, stand.network.clock()
    value = envelopes.build(filing.bundles, signer, audience=CENTER, now=now).value
    return cbor.loads(value, 2)[0], filing.bundles[0]


@CASES.row("intake", "root_mismatch")
def a_bundle_put_into_another_envelope(stand: Stand) -> None:
    """Two genuine envelopes of one sender, their bundles exchanged."""
    sign1, _ = genuine(stand)
    _, other = genuine(stand)
    stand.produce(envelope_of(sign1, other))


@CASES.row("intake", "root_mismatch")
def a_bundle_added(stand: Stand) -> None:
    """Behind the one that was signed."""
    sign1, bundle = genuine(stand)
    stand.produce(envelope_of(sign1, bundle, genuine(stand)[1]))


@CASES.row("intake", "root_mismatch")
def a_root_of_something_else(stand: Stand) -> None:
    """The sender itself lies about what it signs."""
    _, bundle = genuine(stand)
    _, other = genuine(stand)
    stand.produce(envelope_of(signed(stand, root_of(other)), bundle))


@CASES.row("intake", "root_mismatch")
def a_count_of_something_else(stand: Stand) -> None:
    """The right root, and two for one."""
    _, bundle = genuine(stand)
    root = merkle.root([bundle.leaf], merkle.BUNDLE_NODE)
    stand.produce(envelope_of(signed(stand, envelopes.encode_root(root, 2)), bundle))


@CASES.row("intake", "envelope_invalid")
def a_payload_with_more_in_it(stand: Stand) -> None:
    """A third label beside root and count."""
    _, bundle = genuine(stand)
    payload = cbor.loads(root_of(bundle), 1)
    stand.produce(envelope_of(signed(stand, cbor.dumps({**payload, 3: 0})), bundle))


def signed(stand: Stand, payload: bytes, **changes: Any) -> bytes:
    """53's signature over a payload of its choice."""
    signer, now = stand.network.identities[REQUESTER].signer, stand.network.clock()
    return sign_as(signer, "envelope", payload, audience=CENTER, issued_at=now, **changes)


@CASES.row("intake", "signature_invalid")
def a_payload_exchanged_under_its_signature(stand: Stand) -> None:
    """The signature stays."""
    sign1, _ = genuine(stand)
    _, other = genuine(stand)
    protected, unprotected, _, signature = cbor.loads(sign1, 2)
    stand.produce(envelope_of(cbor.dumps([protected, unprotected, root_of(other), signature]), other))


@CASES.row("intake", "cose_invalid")
def something_in_the_unprotected_header(stand: Stand) -> None:
    """Where no signature reaches."""
    sign1, bundle = genuine(stand)
    protected, _, payload, signature = cbor.loads(sign1, 2)
    stand.produce(envelope_of(cbor.dumps([protected, {4: b"kid"}, payload, signature]), bundle))


@CASES.row("intake", "suite_unknown")
def a_suite_below_the_lowest(stand: Stand) -> None:
    """Suite 0, where something weaker might be understood."""
    _, bundle = genuine(stand)
    stand.produce(envelope_of(signed(stand, root_of(bundle), edit=lambda header: {**header, -65537: 0}), bundle))


@CASES.row("intake", "cose_invalid")
def another_algorithm(stand: Stand) -> None:
    """alg: none of ours."""
    _, bundle = genuine(stand)
    stand.produce(envelope_of(signed(stand, root_of(bundle), edit=lambda header: {**header, 1: -8}), bundle))


@CASES.row("intake", "cose_invalid")
def the_suite_taken_out_of_crit(stand: Stand) -> None:
    """So that a reader that knows nothing of suites would go on."""
    _, bundle = genuine(stand)
    stand.produce(envelope_of(signed(stand, root_of(bundle), edit=lambda header: {**header, 2: []}), bundle))


@CASES.row("intake", "cbor_invalid")
def a_key_that_stands_twice_in_a_signed_header(stand: Stand) -> None:
    """Two readers might take two different ones."""
    _, bundle = genuine(stand)
    header = parse_bundle(bundle.raw).header_bytes
    assert header[0] & 0xE0 == 0xA0
    count = header[0] & 0x1F if header[0] != 0xB8 else header[1]
    rest = header[1:] if header[0] != 0xB8 else header[2:]
    twice = cbor.head(5, count + 1) + rest[: len(rest)] + rest[-2:]
    altered = bundle_of(twice, parse_bundle(bundle.raw).seal, parse_bundle(bundle.raw).records, bundle.header)
    stand.produce(envelope_of(signed(stand, root_of(altered)), altered))


# -- bundles: by their sender ----------------------------------------------------------------------------------------------


def filed(stand: Stand, change: Callable[[Bundle], SealedBundle]) -> None:
    """File a section whose bundle was changed; signed as it is then."""
    _, bundle = genuine(stand)
    send(stand.network, REQUESTER, CENTER, "requests", change(parse_bundle(bundle.raw)))


def remade(bundle: Bundle, records: Sequence[bytes] | None = None, seal: bytes | None = None) -> SealedBundle:
    """The bundle with other records or another seal."""
    held = bundle.records if records is None else records
    return bundle_of(bundle.header_bytes, seal or bundle.seal, held, bundle.header)


def pair(record: bytes) -> tuple[bytes, bytes]:
    """Commitment and ciphertext of a sealed record."""
    kc, ciphertext = cbor.loads(record, 1)
    return kc, ciphertext


@CASES.row("intake", "record_invalid")
def commitment_and_ciphertext_swapped(stand: Stand) -> None:
    """[ciphertext, kc] where [kc, ciphertext] belongs."""

    def change(bundle: Bundle) -> SealedBundle:
        kc, ciphertext = pair(bundle.records[0])
        return remade(bundle, [cbor.dumps([ciphertext, kc]), *bundle.records[1:]])

    filed(stand, change)


@CASES.row("intake", "key_commitment_mismatch")
def a_commitment_of_another_record(stand: Stand) -> None:
    """One ciphertext must not open under two keys."""

    def change(bundle: Bundle) -> SealedBundle:
        other, (_, ciphertext) = pair(bundle.records[1])[0], pair(bundle.records[0])
        return remade(bundle, [cbor.dumps([other, ciphertext]), *bundle.records[1:]])

    filed(stand, change)


@CASES.row("intake", "decrypt_failed")
def a_ciphertext_of_another_record(stand: Stand) -> None:
    """Its own commitment, another person's ciphertext."""

    def change(bundle: Bundle) -> SealedBundle:
        *others, one, two = bundle.records
        return remade(bundle, [*others, cbor.dumps([pair(one)[0], pair(two)[1]]), two])

    filed(stand, change)


@CASES.row("intake", "key_commitment_mismatch")
def two_records_exchanged(stand: Stand) -> None:
    """Whole, and so each under the other's number."""
    filed(stand, lambda bundle: remade(bundle, [*bundle.records[:-2], bundle.records[-1], bundle.records[-2]]))


@CASES.row("intake", "padding_invalid")
def padding_that_is_not_zero(stand: Stand) -> None:
    """A channel behind the content, or two readings of one record."""
    section = stand.section()
    with stand.ciphers.looking_away():
        secret, seal = sealing.new_seal(REQUESTER, [stand.network.reference.trust.sealing_key(CENTER)])
        heads = [framing.encode("Warrant", section.warrant), framing.encode("SectionHead", section.head)]
        header = replace(section.header, bundle_id=os.urandom(16), padded=0)
        made = bundles.seal_bundle(header, section.persons, secret, seal, heads=heads)
        parts = parse_bundle(made.raw)
        plain = len(heads[0]).to_bytes(4, "big") + heads[0]
        plain = plain.ljust(bundles.padded_size("head", len(heads[0])) - 1, b"\0") + b"\1"
        [record] = bundles._seal_records([plain], bundles.bundle_key(secret, parts.header_digest), parts.header_digest)
    send(stand.network, REQUESTER, CENTER, "requests", remade(parts, [record, *parts.records[1:]]))


@CASES.row("intake", "unseal_failed")
def a_seal_with_a_bit_flipped(stand: Stand) -> None:
    """In the encrypted secret."""

    def change(bundle: Bundle) -> SealedBundle:
        protected, iv, ciphertext, recipients = cbor.loads(bundle.seal or b"", 5)
        flipped = bytes((ciphertext[0] ^ 1,)) + ciphertext[1:]
        return remade(bundle, seal=cbor.dumps([protected, iv, flipped, recipients]))

    filed(stand, change)


def with_recipient(bundle: Bundle, change: Callable[[list[Any]], list[Any]]) -> SealedBundle:
    protected, iv, ciphertext, [recipient] = cbor.loads(bundle.seal or b"", 5)
    return remade(bundle, seal=cbor.dumps([protected, iv, ciphertext, [change(recipient)]]))


@CASES.row("intake", "key_off_curve")
def an_ephemeral_key_off_the_curve(stand: Stand) -> None:
    """On a curve of small order it would give the reader's key away."""

    def off(recipient: list[Any]) -> list[Any]:
        protected, unprotected, wrapped = recipient
        key = {**unprotected[-1], -3: b"\1" * 32}
        return [protected, {-1: key}, wrapped]

    filed(stand, lambda bundle: with_recipient(bundle, off))


@CASES.row("intake", "not_a_recipient")
def a_recipient_exchanged_for_another(stand: Stand) -> None:
    """32's thumbprint in the place of the center's."""
    kid = stand.network.reference.trust.sealing_key(BYSTANDER).kid
    filed(stand, lambda bundle: with_recipient(bundle, lambda each: [cbor.dumps({1: -31, 4: kid}), *each[1:]]))


@CASES.row("intake", "unseal_failed")
def a_wrapped_key_made_for_another(stand: Stand) -> None:
    """Two recipients' entries, each with the other's wrapped key."""

    def change(bundle: Bundle) -> SealedBundle:
        with stand.ciphers.looking_away():
            trust = stand.network.reference.trust
            keys = [trust.sealing_key(CENTER), trust.sealing_key(BYSTANDER)]
            _, seal = sealing.new_seal(REQUESTER, keys)
        protected, iv, ciphertext, [one, two] = cbor.loads(seal, 5)
        mixed = [[one[0], one[1], two[2]], [two[0], two[1], one[2]]]
        return remade(bundle, seal=cbor.dumps([protected, iv, ciphertext, mixed]))

    filed(stand, change)


@CASES.row("intake", "seal_missing")
def the_seal_taken_off(stand: Stand) -> None:
    """Records without one."""
    filed(stand, lambda bundle: bundle_of(bundle.header_bytes, None, bundle.records, bundle.header))


@CASES.row("intake", "seal_unexpected")
def a_seal_on_what_travels_in_clear(stand: Stand) -> None:
    """On a receipt."""
    notice = parse_bundle(post(Notice("receipt", CENTER, REQUESTER, "a"), [b"r" * 40], REQUESTER).raw)
    send(stand.network, REQUESTER, CENTER, "requests", remade(notice, seal=b"seal"))


@CASES.row("intake", "count_mismatch")
def a_record_left_out(stand: Stand) -> None:
    """The header counts one more."""
    filed(stand, lambda bundle: remade(bundle, bundle.records[3:]))


@CASES.row("intake", "size_mismatch")
def records_of_unequal_size(stand: Stand) -> None:
    """Sizes would tell who has much."""
    filed(stand, lambda bundle: remade(bundle, [*bundle.records[:-1], bundle.records[-1] + b"\0"]))


@CASES.row("intake", "suite_unknown")
def a_suite_of_the_bundles_own(stand: Stand) -> None:
    """Signed under suite 1, sealed under what says it is another."""
    filed(stand, lambda bundle: with_header(bundle, suite=2))


# -- trees ---------------------------------------------------------------------------------------------------------------


def relayed(stand: Stand, change: Callable[[Bundle, list[Any]], list[Any]]) -> None:
    """A relay record that the center changed."""
    answer, outer = stand.relayed()
    record = cbor.dumps(change(answer, cbor.loads(outer.records[0], 2)))
    header = replace(outer.header, bundle_id=os.urandom(16))
    stand.deliver(bundles.clear_bundle(header, [record]))


@CASES.row("deliver", "root_mismatch")
def an_answer_altered_after_it_was_signed(stand: Stand) -> None:
    """One bit of the last record, by the center."""
    answer, outer = stand.relayed()
    flip = lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,))  # noqa: E731
    stand.deliver(relay_of(stand.network, PROVIDER, with_header(answer), outer.header, flip))


@CASES.row("deliver", "path_invalid")
def a_place_beyond_the_tree(stand: Stand) -> None:
    """Index 1 of 1."""
    relayed(stand, lambda _, parts: [parts[0], parts[1], parts[3], parts[3], parts[4]])


@CASES.row("deliver", "path_invalid")
def a_path_longer_than_the_tree(stand: Stand) -> None:
    """A sibling more."""
    relayed(stand, lambda _, parts: [*parts[:4], [*parts[4], bytes(32)]])


@CASES.row("deliver", "root_mismatch")
def a_node_of_the_bundles_own_tree_as_a_leaf_of_the_envelopes(stand: Stand) -> None:
    """What is a root among records is shown as what stands among bundles: prefixes keep the levels apart."""

    def change(answer: Bundle, parts: list[Any]) -> list[Any]:
        leaves = merkle.record_leaves(answer.records)
        inner = cbor.dumps([answer.header_bytes, answer.seal, [b"\x03" + leaves[0] + leaves[-1]]])
        return [parts[0], inner, *parts[2:]]

    relayed(stand, change)


@CASES.row("deliver", "root_mismatch")
def a_record_of_one_bundle_in_another(stand: Stand) -> None:
    """Replayed into another answer of the same provider."""
    other, _ = stand.relayed()

    def change(answer: Bundle, parts: list[Any]) -> list[Any]:
        moved = [other.records[0], *answer.records[1:]]
        return [parts[0], cbor.dumps([answer.header_bytes, answer.seal, moved]), *parts[2:]]

    relayed(stand, change)


@CASES.row("deliver", "relay_invalid")
def a_relay_without_its_proof(stand: Stand) -> None:
    """Four parts of five."""
    relayed(stand, lambda _, parts: parts[:4])


# -- a dishonest center's requests --------------------------------------------------------------------------------------------


def asked(stand: Stand, change: Callable[[Opened], object]) -> None:
    request = stand.request()
    change(request)
    stand.ask(request)


@CASES.row("answer", "mandate_invalid")
def a_reply_key_exchanged_for_the_centers_own(stand: Stand) -> None:
    """To read the answers on their way."""
    asked(stand, lambda request: request.rewrite_mandate(reply_key=SealingKey.generate().public_bytes))


@CASES.row("answer", "mandate_invalid")
def a_reply_key_exchanged_and_signed_by_the_center(stand: Stand) -> None:
    """With a signature of its own."""
    network = stand.network
    asked(
        stand,
        lambda request: request.sign_mandate(
            network.identities[CENTER], network.clock(), reply_key=SealingKey.generate().public_bytes
        ),
    )


@CASES.row("answer", "mandate_invalid")
def another_purpose(stand: Stand) -> None:
    """A loan."""
    asked(stand, lambda request: request.rewrite_mandate(purpose="贷款审批"))


@CASES.row("answer", "mandate_invalid")
def the_center_added_to_the_recipients(stand: Stand) -> None:
    """seal_to_center, which the requester did not say."""
    asked(stand, lambda request: request.rewrite_mandate(seal_to_center=True))


@CASES.row("answer", "header_contradicts_mandate")
def a_person_added(stand: Stand) -> None:
    """One more than the requester signed for."""
    asked(stand, lambda request: request.set_persons([*request.persons, request.persons[0]]))


@CASES.row("answer", "section_root_mismatch")
def a_person_exchanged_for_another(stand: Stand) -> None:
    """As many as were signed for."""
    asked(stand, lambda request: request.set_persons([request.persons[1], *request.persons[1:]]))


@CASES.row("answer", "acceptance_mismatch")
def a_wider_period(stand: Stand) -> None:
    """In the acceptance, which is the center's own."""

    def change(request: Opened) -> None:
        wide = {"kind": "range", "start": "1990-01-01", "end": "2026-10-31"}
        queries = [{**query, "period": wide} for query in request.acceptance["sub_queries"]]
        request.sign_acceptance(stand.network.identities[CENTER], stand.network.clock(), sub_queries=queries)

    asked(stand, change)


# -- at rest and in reference topics -------------------------------------------------------------------------------------------


@CASES.row("pack", "decrypt_failed")
def persons_moved_to_another_application_in_the_store(stand: Stand) -> object:
    """By who owns the database: under the other's mandate they would be exported to another unit."""
    one, two = stand.finished(), stand.finished()
    db = stand.network.parties[REQUESTER].store.connection
    mine, other = (filing.application["application_id"] for filing in (one, two))
    for index, record in db.execute("SELECT idx, record FROM person WHERE application_id = ?", (mine,)).fetchall():
        db.execute("UPDATE person SET record = ? WHERE application_id = ? AND idx = ?", (record, other, index))
    unit = two.application["approving_authority"]
    return hand_over(stand.network.case(two.application), stand.folder / "moved.json", "json", unit=unit)


@CASES.row("export", "incomplete")
def a_bundle_taken_out_of_the_store(stand: Stand) -> object:
    """The certificate names it: without it nothing is whole."""
    done = stand.finished()
    db = stand.network.parties[REQUESTER].store.connection
    db.execute(
        "DELETE FROM bundle WHERE application_id = ? AND provider = ?", (done.application["application_id"], PROVIDER)
    )
    unit = done.application["approving_authority"]
    return hand_over(stand.network.case(done.application), stand.folder / "short.json", "json", unit=unit)


@CASES.row("export", "mandate_mismatch")
def a_mandate_exchanged_in_the_store(stand: Stand) -> object:
    """For one that names another unit."""
    done, other = stand.finished(), stand.finished(approving_authority="某银行")
    db = stand.network.parties[REQUESTER].store.connection
    values = other.mandate_raw, done.application["application_id"]
    db.execute("UPDATE application SET mandate = ? WHERE application_id = ?", values)
    return hand_over(stand.network.case(done.application), stand.folder / "bank.json", "json", unit="某银行")


@CASES.row("reader", "manifest_mismatch")
def a_catalog_release_with_an_entry_left_out(stand: Stand) -> None:
    """The manifest counts, and names all by digest."""
    network = stand.network
    assert network.reference.current is not None
    entries = [network.reference.current.entry(party, "social_insurance") for party in (PROVIDER, BYSTANDER)]
    outputs = publish_catalog(7, entries, network.identities[CENTER].signer, network.clock())
    stand.read(*outputs[1:])


@CASES.row("reader", "feedback_limit_invalid")
def a_catalog_entry_with_two_limits(stand: Stand) -> None:
    """A deadline that can be read in two ways afterwards: in seconds, and in working days."""
    network = stand.network
    assert network.reference.current is not None
    entry = {**network.reference.current.entry(PROVIDER, "social_insurance"), "feedback_working_days": 5}
    stand.read(*publish_catalog(7, [entry], network.identities[CENTER].signer, network.clock())[:1])  # type: ignore[list-item]


@CASES.row("reader", "signature_invalid")
def a_trust_entry_altered(stand: Stand) -> None:
    """By who can write the topic's files: 32 is not suspended."""
    output = next(each for each in stand.publication() if each.key == BYSTANDER.encode())
    protected, unprotected, payload, signature = cbor.loads(output.value or b"", 2)
    entry = {**framing.decode_as("TrustEntry", payload), "suspended": True, "number": 9}
    value = cbor.dumps([protected, unprotected, framing.encode("TrustEntry", entry), signature])
    stand.read(Output(topics.TRUST, output.key, value))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tampering(stand: Stand, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Refused by its code, written down where it was tried, and the exchange goes on as if nothing had been."""
    stand.strike(case, caplog)


def test_no_file_holds_anything_personal_or_a_key(stand: Stand) -> None:
    """After all attacks, in every store with its write-ahead log."""
    assert stand.leaks_in_files() == []


def test_every_byte_of_an_envelope_counts(stand: Stand) -> None:
    """Any byte altered, of sign1, headers, seal and records: refused with some code, and nothing is ever opened."""
    filing = stand.file()
    stand.network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    network = stand.network
    signer, now = network.identities[REQUESTER].signer, network.clock()
    value = envelopes.build(filing.bundles, signer, audience=CENTER, now=now).value
    codes: dict[str, int] = {}
    for place in range(len(value)):
        altered = bytearray(value)
        altered[place] ^= (0x01, 0x80, 0xFF)[place % 3]
        with pytest.raises(InvalidMessage) as caught:
            envelopes.open_envelope(bytes(altered), network.reference.trust, audience=CENTER, now=now)
        codes[caught.value.code] = codes.get(caught.value.code, 0) + 1
    assert {"cbor_invalid", "root_mismatch", "signature_invalid", "certificate_unknown"} <= codes.keys()
    assert envelopes.open_envelope(value, network.reference.trust, audience=CENTER, now=now).bundles


def test_every_byte_of_a_sealed_bundle_counts(stand: Stand) -> None:
    """Also where its own sender alters it and signs that: in the seal and in each record nothing opens any more."""
    secret_key = SealingKey.generate()
    with stand.ciphers.looking_away():
        secret, seal = sealing.new_seal(PROVIDER, [public_sealing_key(secret_key.public_bytes)])
        made = bundles.seal_bundle(_answer_header(), [b"one", b"two"], secret, seal)
    bundle = parse_bundle(made.raw)
    for place in range(len(seal)):
        altered = seal[:place] + bytes((seal[place] ^ 1,)) + seal[place + 1 :]
        with pytest.raises(
            InvalidMessage, match=r"cbor_invalid|seal_invalid|not_a_recipient|key_off_curve|unseal_failed"
        ):
            sealing.unseal(altered, PROVIDER, secret_key)
    for number, record in enumerate(bundle.records):
        for place in range(len(record)):
            broken = record[:place] + bytes((record[place] ^ 1,)) + record[place + 1 :]
            records = [broken if i == number else each for i, each in enumerate(bundle.records)]
            with pytest.raises(InvalidMessage, match=r"record_invalid|key_commitment_mismatch|decrypt_failed"):
                bundles.open_records(replace(bundle, records=records), secret)
    assert bundles.open_records(bundle, secret) == [b"one", b"two"]


def _answer_header() -> Header:
    return Header(
        kind="answer",
        bundle_id=bytes(16),
        sender=PROVIDER,
        to=REQUESTER,
        requester=REQUESTER,
        application_id="a",
        section=1,
        sections=1,
        outcome="done",
        version=1,
        suite=1,
    )


def test_the_genuine_relay_is_what_the_forgeries_were_made_of(stand: Stand) -> None:
    """Unaltered it opens, so that what the rows above refuse is the alteration and nothing else."""
    answer, outer = stand.relayed()
    found = relay.open_relay(outer.records[0], stand.network.reference.trust, now=stand.network.clock())
    assert found.bundle.leaf == answer.leaf
    assert found.issuer == PROVIDER
