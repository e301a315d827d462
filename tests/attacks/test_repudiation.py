"""Repudiation: who said what, when, how often, and whether it still is what it was."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, cose, envelopes
from pipeline.crypto import signed as signed_objects
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.keys import LocalSigner, SealingKey
from pipeline.crypto.seal_keys import sign_seal_key
from pipeline.domain.parties import CENTER
from pipeline.domain.records import LogHead, RevocationList, SealKey, TrustEntry
from pipeline.province.handover import hand_over
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.membership import trust_entry
from pipeline.stages.notices import Notice, post, sign_record
from pipeline.stages.reference import cosign, publish_seal_key, publish_trust
from pipeline.stages.trust_tables import CRL, HEAD
from tests.attacks.stand import BYSTANDER, NOT_YET, PROVIDER, REVOKED, Case, Stand, Table
from tests.forgery import envelope_of, malleated, relay_of, root_of, send, sign_as, take_apart, with_header
from tests.scenario import REQUESTER

CASES = Table()
SECOND = 1000
DAY = 24 * 3600 * SECOND


def notice(sender: str = REQUESTER, records: list[bytes] | None = None) -> SealedBundle:
    """A bundle with a receipt, or several."""
    return post(Notice("receipt", CENTER, sender, "a"), records or [b"r" * 40], sender)


def dated(stand: Stand, offset: int, *, party: str = REQUESTER, lifetime: int = 14 * DAY) -> None:
    """An envelope issued `offset` ms from now."""
    bundle, signer = notice(party), stand.network.identities[party].signer
    at = stand.network.clock() + offset
    sign1 = sign_as(signer, "envelope", root_of(bundle), audience=CENTER, issued_at=at, lifetime=lifetime)
    stand.produce(envelope_of(sign1, bundle))


# -- time -----------------------------------------------------------------------------------------------------------------


@CASES.row("intake", "issued_in_future")
def dated_tomorrow(stand: Stand) -> None:
    """To be able to say later that it was sent in time."""
    dated(stand, DAY)


@CASES.row("intake", "certificate_expired")
def dated_before_the_certificate(stand: Stand) -> None:
    """Backdated by 20 days, with an end that lies ahead: the key had no certificate then."""
    dated(stand, -20 * DAY)


@CASES.row("intake", "lifetime_too_long")
def good_for_a_year(stand: Stand) -> None:
    """To be played back at leisure."""
    dated(stand, 0, lifetime=365 * DAY)


@CASES.row("intake", "expired")
def over_before_it_came(stand: Stand) -> None:
    """Recorded, and played back a second after its end."""
    dated(stand, 0, lifetime=10 * SECOND)
    stand.network.clock.advance(12)


@CASES.row("intake", "certificate_revoked")
def backdated_to_before_the_theft(stand: Stand) -> None:
    """Whoever stole the key chooses the time it states; when it came by the reader's own clock counts."""
    stand.network.clock.advance(60)
    dated(stand, -60 * SECOND, party=REVOKED)


@CASES.row("intake", "certificate_expired")
def signed_before_it_may(stand: Stand) -> None:
    """With a certificate that begins tomorrow."""
    dated(stand, 0, party=NOT_YET)


@CASES.row("intake", "mandate_expired")
def a_mandate_that_is_over(stand: Stand) -> None:
    """In a fresh envelope."""
    section = stand.section()
    section.sign_mandate(stand.network.identities[REQUESTER], stand.network.clock(), not_after=1)
    section.follow_mandate()
    stand.submit(section)


# -- replay ----------------------------------------------------------------------------------------------------------------


@CASES.row("intake", "envelope_conflict")
def two_statements_under_one_id(stand: Stand) -> None:
    """The sender could show either."""
    cti = signed_objects.uuid7(stand.network.clock())
    for _ in range(2):
        now, signer = stand.network.clock(), stand.network.identities[REQUESTER].signer
        receipt = delivery(stand, stand.finished_once())
        sealed = notice(records=[receipt])
        envelope = envelopes.build([sealed], signer, audience=CENTER, now=now, cti=cti)
        stand.network.broker.produce("hedx.center.requests", envelope.id, envelope.value, (), partition=0)


@CASES.row("join", "answer_conflict")
def two_answers_of_one_provider(stand: Stand) -> None:
    """Other words after the first were given: the first stand."""
    answer, _ = stand.relayed()
    send(stand.network, PROVIDER, CENTER, "responses", with_header(answer))


@CASES.row("join", "answer_out_of_scope")
def an_answer_to_what_was_not_asked(stand: Stand) -> None:
    """A row more than the acceptance has."""
    answer, _ = stand.relayed()
    send(stand.network, PROVIDER, CENTER, "responses", with_header(answer, rows=(7,)))


@CASES.row("join", "mandate_mismatch")
def an_answer_replayed_under_another_mandate(stand: Stand) -> None:
    """The same application, another mandate's digest."""
    answer, _ = stand.relayed()
    send(stand.network, PROVIDER, CENTER, "responses", with_header(answer, mandate_digest=b"\3" * 32))


@CASES.row("join", "section_unknown")
def an_answer_replayed_in_another_application(stand: Stand) -> None:
    """One that nobody has filed."""
    answer, _ = stand.relayed()
    other = "00000000-0000-4000-8000-000000000000"
    send(stand.network, PROVIDER, CENTER, "responses", with_header(answer, application_id=other))


@CASES.row("join", "mandate_mismatch")
def an_answer_moved_from_one_application_to_another(stand: Stand) -> None:
    """Both of the same requester about the same persons."""
    other = stand.relayed()[0].header.application_id
    answer, _ = stand.relayed()
    send(stand.network, PROVIDER, CENTER, "responses", with_header(answer, application_id=other))


@CASES.row("deliver", "mandate_mismatch")
def a_relay_moved_from_one_application_to_another(stand: Stand) -> None:
    """Genuine, with its provider's signature, under the other's number."""
    _, outer = stand.relayed()
    other = stand.finished().application["application_id"]
    stand.deliver(bundles.clear_bundle(with_header(outer, application_id=other).header, outer.records))


@CASES.row("answer", "reply_key_reused", also=("section_unknown", "join"))
def a_reply_key_used_under_a_second_mandate(stand: Stand) -> None:
    """The requester itself: answers to one question could pass for those to the other."""
    done = stand.finished()
    [found] = stand.bundles(PROVIDER, "requests", "request", done)
    request = take_apart(found[0], stand.network.identities[PROVIDER])
    request.sign_mandate(stand.network.identities[REQUESTER], stand.network.clock(), purpose="复核")
    request.follow_mandate()
    digest = cose.decode(request.warrant["mandate"]).digest
    request.sign_acceptance(stand.network.identities[CENTER], stand.network.clock(), mandate_digest=digest)
    stand.ask(request)


# -- receipts, acceptances, certificates ---------------------------------------------------------------------------------------


def delivery(stand: Stand, application_id: str, *, by: str = REQUESTER, at: int | None = None, **changes: Any) -> bytes:
    """A delivery receipt."""
    record = {
        "kind": "delivered",
        "application_id": application_id,
        "provider": PROVIDER,
        "envelope_id": None,
        "envelope_digest": None,
        "bundles": [os.urandom(32)],
        "at": stand.network.clock(),
    }
    signer = stand.network.identities[by].signer
    return sign_record("receipt", "Receipt", {**record, **changes}, signer, CENTER, at or stand.network.clock())


def receipted(stand: Stand, *receipts: bytes) -> None:
    """53 hands in receipts."""
    send(stand.network, REQUESTER, CENTER, "requests", notice(records=list(receipts)))


@CASES.row("intake", "issuer_mismatch")
def a_receipt_that_another_party_signed(stand: Stand) -> None:
    """32's, in 53's envelope."""
    receipted(stand, delivery(stand, "a", by=BYSTANDER))


@CASES.row("applications", "application_unknown")
def a_receipt_for_an_application_that_never_was(stand: Stand) -> None:
    """Signed by 53."""
    receipted(stand, delivery(stand, "never"))


@CASES.row("applications", "application_unknown")
def a_receipt_of_another_partys_delivery(stand: Stand) -> None:
    """32's, about 53's application: so that the center would let its sections go."""
    raw = delivery(stand, stand.finished_once(), by=BYSTANDER)
    send(stand.network, BYSTANDER, CENTER, "requests", notice(BYSTANDER, [raw]))


@CASES.row("intake", "role_not_allowed")
def a_receipt_by_who_never_asks(stand: Stand) -> None:
    """00 provides, and gets no results."""
    send(stand.network, "00", CENTER, "requests", notice("00", [delivery(stand, "a", by="00")]))


@CASES.row("applications", "receipt_invalid")
def a_receipt_for_a_provider_that_was_not_asked(stand: Stand) -> None:
    """63 has delivered nothing."""
    receipted(stand, delivery(stand, stand.finished_once(), provider="63"))


@CASES.row("intake", "receipt_invalid")
def a_receipt_of_the_centers_kind(stand: Stand) -> None:
    """received, which a requester does not sign."""
    receipted(stand, delivery(stand, stand.finished_once(), kind="received"))


@CASES.row("intake", "receipt_count")
def two_receipts_in_one_bundle(stand: Stand) -> None:
    """Each is to stand alone."""
    receipted(stand, *(delivery(stand, stand.finished_once()) for _ in range(2)))


@CASES.row("answer", "issuer_mismatch")
def a_delivery_receipt_that_the_center_made_up(stand: Stand) -> None:
    """So that the provider would stop sending: it is not the requester's."""
    record = framing.decode_as("Receipt", cose.decode(delivery(stand, "a")).payload)
    raw = sign_record(
        "receipt", "Receipt", record, stand.network.identities[CENTER].signer, CENTER, stand.network.clock()
    )
    send(stand.network, CENTER, PROVIDER, "requests", post(Notice("receipt", PROVIDER, REQUESTER, "a"), [raw], CENTER))


def told(stand: Stand, kind: Any, typ: str, name: str, record: Any, *, by: str = CENTER) -> None:
    """The center tells 53 something signed."""
    raw = sign_record(typ, name, record, stand.network.identities[by].signer, REQUESTER, stand.network.clock())
    stand.deliver(post(Notice(kind, REQUESTER, REQUESTER, record["application_id"]), [raw], CENTER))


@CASES.row("deliver", "application_unknown")
def an_acceptance_of_another_application(stand: Stand) -> None:
    """Of one that 53 has not filed."""
    acceptance = stand.request().acceptance
    told(stand, "acceptance", "acceptance", "Acceptance", {**acceptance, "application_id": "never"})


@CASES.row("deliver", "mandate_mismatch")
def an_acceptance_of_another_mandate(stand: Stand) -> None:
    """Under 53's application, of what it did not sign."""
    acceptance = stand.request().acceptance
    told(stand, "acceptance", "acceptance", "Acceptance", {**acceptance, "mandate_digest": b"\5" * 32})


def result_of(stand: Stand) -> dict[str, Any]:
    """What the center certified of a finished application."""
    certificate = stand.network.case(stand.finished().application).certificate()
    assert certificate is not None
    return dict(certificate.result)


@CASES.row("deliver", "mandate_mismatch")
def a_certificate_of_another_mandate(stand: Stand) -> None:
    """The center would take back what it certified."""
    record = {**result_of(stand), "mandate_digest": b"\5" * 32, "version": 9}
    told(stand, "certificate", "certificate", "ApplicationResult", record)


@CASES.row("export", "incomplete")
def a_certificate_that_names_what_was_never_delivered(stand: Stand) -> object:
    """Signed by the center: the requester misses the bundle, and exports nothing."""
    result = result_of(stand)
    result["version"] = 2
    result["sections"] = [{**each, "bundles": [*each["bundles"], b"\6" * 32]} for each in result["sections"]]
    told(stand, "certificate", "certificate", "ApplicationResult", result)
    stand.network.run()
    [filing] = [each for each in stand.filed if each.application["application_id"] == result["application_id"]]
    case = stand.network.case(filing.application)
    assert case.missing() == {b"\6" * 32}
    unit = filing.application["approving_authority"]
    return hand_over(case, stand.folder / "more.json", "json", unit=unit)


@CASES.row("deliver", "signature_invalid")
def a_relay_whose_provider_denies_it(stand: Stand) -> None:
    """The provider's signature does not hold: it could rightly say that it was not its answer."""
    answer, outer = stand.relayed()
    forged = relay_of(stand.network, PROVIDER, with_header(answer), outer.header)
    parts = cbor.loads(bundles.parse_bundle(forged.raw).records[0], 2)
    parts[0] = parts[0][:-1] + bytes((parts[0][-1] ^ 1,))
    stand.deliver(bundles.clear_bundle(replace(outer.header, bundle_id=os.urandom(16)), [cbor.dumps(parts)]))


# -- history -----------------------------------------------------------------------------------------------------------------


def output_at(outputs: list[Output], key: bytes) -> Output:
    return next(output for output in outputs if output.key == key)


@CASES.row("reader", "entry_rollback")
def a_trust_entry_rolled_back(stand: Stand) -> None:
    """The one before 37 was given another certificate, or suspended."""
    network = stand.network
    old = output_at(stand.publication(), PROVIDER.encode())
    entry: TrustEntry = {**network.entries[PROVIDER], "number": 9}
    signer = network.identities[CENTER].signer
    newer = publish_trust([entry], (), network.crl, signer, network.clock())[-1]
    stand.read(old, first=[newer])


@CASES.row("reader", "crl_rollback")
def a_revocation_list_rolled_back(stand: Stand) -> None:
    """To one in which the certificate is not revoked yet."""
    network = stand.network
    number = network.crl["number"] + 1
    signer = network.identities[CENTER].signer
    newer = publish_trust((), (), network.new_crl(number), signer, network.clock())[1]
    stand.read(output_at(stand.publication(), CRL), first=[newer])


@CASES.row("reader", "crl_invalid")
def a_second_list_of_one_number(stand: Stand) -> None:
    """One list for these readers, another for those."""
    network = stand.network
    held, network.revoked = network.revoked, []
    other = network.new_crl(network.crl["number"])
    network.revoked = held
    signer = network.identities[CENTER].signer
    stand.read(publish_trust((), (), RevocationList(**other), signer, network.clock())[1])


@CASES.row("reader", "log_rollback")
def the_trust_log_rolled_back(stand: Stand) -> None:
    """A head that was once the center's newest."""
    network = stand.network
    signer, leaves = network.identities[CENTER].signer, network.leaves[:-1]
    stand.read(output_at(publish_trust((), leaves, network.crl, signer, network.clock()), HEAD))


@CASES.row("reader", "log_forked")
def the_trust_log_forked(stand: Stand) -> None:
    """Another history of the same length."""
    network = stand.network
    leaves = [*network.leaves[:-1], {**network.leaves[-1], "digest": bytes(32)}]
    signer = network.identities[CENTER].signer
    stand.read(output_at(publish_trust((), leaves, network.crl, signer, network.clock()), HEAD))  # type: ignore[arg-type]


@CASES.row("reader", "log_forked")
def a_witness_of_another_history(stand: Stand) -> None:
    """The center has shown 32 another log than us, and 32 has signed it."""
    head = LogHead(log="trust", size=len(stand.network.leaves) - 1, root=bytes(32), at=stand.network.clock())
    newcomer = trust_entry(stand.newcomer("11"), 1)
    network = stand.network
    grown = publish_trust(
        [newcomer], stand.leaves_with(newcomer), network.crl, network.identities[CENTER].signer, network.clock()
    )[:-2]
    stand.read(cosign(head, network.identities[BYSTANDER].signer, network.clock()), first=grown)


@CASES.row("reader", "log_invalid")
def a_head_of_another_log(stand: Stand) -> None:
    """Signed by the center, for something else."""
    network = stand.network
    head = LogHead(log="evidence", size=1, root=bytes(32), at=network.clock())
    signer, now = network.identities[CENTER].signer, network.clock()
    raw = signed_objects.sign("checkpoint", framing.encode("LogHead", head), signer, audience="all", now=now).raw
    stand.read(Output(topics.TRUST, HEAD, raw))


def statement(stand: Stand, number: int) -> Output:
    held, now = stand.network.identities[PROVIDER], stand.network.clock()
    signer = LocalSigner(PROVIDER, held.sealing.private_key, held.sealing_certificate)
    point = SealingKey.generate().public_bytes
    record = SealKey(party=PROVIDER, number=number, point=point, not_before=now, not_after=now + 30 * DAY)
    return publish_seal_key(sign_seal_key(record, signer, now), PROVIDER)


@CASES.row("reader", "seal_key_rollback")
def a_seal_key_rolled_back(stand: Stand) -> None:
    """To one whose private key was stolen since."""
    stand.read(statement(stand, 1), first=[statement(stand, 2)])


@CASES.row("reader", "seal_key_invalid")
def a_seal_key_after_which_there_is_none(stand: Stand) -> None:
    """The highest number there is, under a stolen key: the party could never again state one."""
    stand.read(statement(stand, 2**31 - 1))


@CASES.row("reader", "seal_key_invalid")
def two_seal_keys_of_one_number(stand: Stand) -> None:
    """One for these senders, another for those."""
    stand.read(statement(stand, 2), first=[statement(stand, 2)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_repudiation(stand: Stand, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Refused by its code, written down where it was tried, and the exchange goes on as if nothing had been."""
    stand.strike(case, caplog)


def test_no_file_holds_anything_personal_or_a_key(stand: Stand) -> None:
    """After all attacks, in every store with its write-ahead log."""
    assert stand.leaks_in_files() == []


def replayed(stand: Stand, change: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture) -> tuple[int, int]:
    """An application's envelope comes a second time, changed; (sections taken, certificates) afterwards."""
    filing = stand.finished()
    messages = stand.network.broker.messages("hedx.center.requests")
    genuine = next(each for each in reversed(messages) if filing.bundles[0].raw in (each.value or b""))
    sections = len(_sections(stand, filing.application["application_id"]))

    def attack(_: Stand) -> None:
        value = change(genuine.value or b"")
        stand.network.broker.produce(genuine.topic, genuine.key, value, (), partition=genuine.partition)

    traces = stand.traces_of(attack, caplog)
    assert traces.told == set()
    assert traces.lines == set()
    return sections, len(_sections(stand, filing.application["application_id"]))


def _sections(stand: Stand, application_id: str) -> list[Any]:
    found = [framing.decode(message.value or b"") for message in stand.network.broker.messages(topics.APPLICATIONS)]
    return [r for name, r in found if name == "SectionReceived" and r["application_id"] == application_id]


def test_the_same_envelope_again_is_no_second_application(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """A replay gets the stored receipt, and nothing is done twice."""
    assert replayed(stand, bytes, caplog) == (1, 1)
    stand.prove_alive()


def test_the_other_signature_of_ecdsa_is_no_second_envelope(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """(r, n - s) verifies where (r, s) does: the digest leaves the signature out, so it is the same envelope again."""

    def change(value: bytes) -> bytes:
        sign1, raws = cbor.loads(value, 2)
        other = malleated(sign1)
        assert other != sign1
        assert cose.decode(other).digest == cose.decode(sign1).digest
        return cbor.dumps([other, raws])

    assert replayed(stand, change, caplog) == (1, 1)
    stand.prove_alive()


def test_a_statement_once_made_stays_made(stand: Stand) -> None:
    """The access log of a store takes neither change nor deletion nor a gap, whoever asks the database."""
    db = stand.network.parties[REQUESTER].store.connection
    stand.network.case(stand.finished().application).dossiers()
    for statement_ in (
        "UPDATE access SET actor = 'nobody'",
        "DELETE FROM access",
        "INSERT INTO access SELECT number + 100, at, actor, act, application_id, requester, unit, purpose, detail"
        " FROM access LIMIT 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"append-only|without gaps"):
            db.execute(statement_)


def test_what_was_verified_once_can_be_shown_again(stand: Stand) -> None:
    """Certificate and mandate of a finished application verify years later, and name the same mandate."""
    case = stand.network.case(stand.finished().application)
    stand.network.clock.advance(3 * 365 * 24 * 3600)
    certificate = case.certificate()
    stand.network.clock.advance(-3 * 365 * 24 * 3600)
    assert certificate is not None
    assert certificate.result["mandate_digest"] == cose.decode(case.mandate_raw).digest


def test_a_bundle_is_what_its_digest_names(stand: Stand) -> None:
    """Two answers with the same content are two bundles: no receipt for the one is a receipt for the other."""
    first, second = stand.relayed()[0], stand.relayed()[0]
    assert first.leaf != second.leaf
