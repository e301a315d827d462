"""Under another mandate nothing opens (Art. 11): digest, category, purpose and unit are changed at every place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import bundles, cose, sealing
from pipeline.crypto.bundles import Bundle, parse_bundle
from pipeline.crypto.suite import hmac
from pipeline.demo.application import Sample
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.province.handover import ExportRefused, hand_over
from pipeline.stages.notices import sign_record
from pipeline.stages.opening import answers_in
from tests.forgery import Opened, relay_of, replace_request, send, take_apart, with_header, withhold
from tests.network import Network
from tests.scenario import REQUESTER, assert_equals_oracle, bundles_in, local_codes, network_for, standing

PROVIDER = "37"
OTHER_ID = "e0000000-0000-4000-8000-000000000000"
OTHER_WORDS = {"business_category": "信贷", "purpose": "贷款审批", "entrusting_unit": "某银行"}


def another(sample: Sample) -> Any:
    """The same persons and schedule, for another unit and another purpose."""
    return {
        **sample.application,
        "application_id": OTHER_ID,
        "approving_authority": "昆明市五华区住房保障局",
        "purpose": "低收入家庭认定资格审核",
        "business_category": "低收入家庭认定",
    }


def two_applications(sample: Sample, folder: Path) -> Network:
    """Both on their way, their requests lying unread in 山东's inbox."""
    network = network_for(sample, folder)
    network.file(sample.application, sample.persons)
    network.file(another(sample), sample.persons)
    network.run(without=(PROVIDER,))
    return network


def requests(network: Network, sample: Sample) -> tuple[Opened, Opened]:
    """The request of the first application and of the other, opened with the provider's key."""
    found = {
        bundle.header.application_id: take_apart(bundle, network.identities[PROVIDER])
        for bundle in bundles_in(network, PROVIDER, "requests", "request")
    }
    return found[sample.application["application_id"]], found[OTHER_ID]


# -- the mandate's own words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", sorted(OTHER_WORDS))
@pytest.mark.parametrize("signer", [None, CENTER, "32"])
def test_category_purpose_and_unit_are_the_requesters_words(
    tmp_path: Path, sample: Sample, word: str, signer: str | None
) -> None:
    """Changed in the mandate's bytes, or signed anew by the center or another province: `mandate_invalid`, no answer."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=(PROVIDER,))

    def alter(request: Opened) -> None:
        change = {word: OTHER_WORDS[word]}
        if signer is None:
            request.rewrite_mandate(**change)
        else:
            request.sign_mandate(network.identities[signer], network.clock(), **change)
        request.follow_mandate()
        digest = cose.decode(request.warrant["mandate"]).digest
        request.sign_acceptance(network.identities[CENTER], network.clock(), mandate_digest=digest)

    replace_request(network, PROVIDER, alter)
    network.run()
    answered = bundles_in(network, CENTER, "responses", "answer")
    assert {b.header.code for b in answered if b.header.sender == PROVIDER} == {"mandate_invalid"}


@pytest.mark.parametrize("word", sorted(OTHER_WORDS))
def test_the_center_takes_no_application_whose_words_were_changed_on_the_way(
    tmp_path: Path, sample: Sample, word: str
) -> None:
    """Its form may say something else than its mandate just as little."""
    network = network_for(sample, tmp_path)
    filing = network.file(sample.application, sample.persons)
    network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    for sealed in filing.bundles:
        opened = take_apart(parse_bundle(sealed.raw), network.identities[CENTER])
        opened.rewrite_mandate(**{word: OTHER_WORDS[word]})
        opened.follow_mandate()
        send(network, REQUESTER, CENTER, "requests", opened.seal(network.identities[REQUESTER], network))
    network.run()
    rejection = network.case(sample.application).rejection()
    assert rejection is not None
    assert {(fault["code"], fault["args"]["reason"]) for fault in rejection["faults"]} == {
        ("section_unreadable", "mandate_invalid")
    }


@pytest.mark.parametrize("word", sorted(OTHER_WORDS))
def test_the_center_takes_no_form_that_says_something_else_than_its_mandate(
    tmp_path: Path, sample: Sample, word: str
) -> None:
    """Signed by the requester itself: providers would see another purpose than the officer who admitted it."""
    network = network_for(sample, tmp_path)
    filing = network.file(sample.application, sample.persons)
    network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    requester = network.identities[REQUESTER]
    for sealed in filing.bundles:
        opened = take_apart(parse_bundle(sealed.raw), network.identities[CENTER])
        opened.sign_mandate(requester, network.clock(), **{word: OTHER_WORDS[word]})
        opened.follow_mandate()
        send(network, REQUESTER, CENTER, "requests", opened.seal(requester, network))
    network.run()
    [notice] = bundles_in(network, REQUESTER, "responses", "rejection")
    rejection: Any = framing.decode_as("Rejection", cose.decode(notice.records[0]).payload)
    assert {(fault["code"], fault["args"]["key"]) for fault in rejection["faults"]} == {("mandate_differs", word)}
    assert bundles_in(network, PROVIDER, "requests", "request") == []


# -- mandates exchanged --------------------------------------------------------------------------------------------------


def other_mandate_in_the_warrant(one: Opened, other: Opened, _: Network) -> None:
    one.warrant["mandate"] = other.warrant["mandate"]


def other_mandate_and_digest(one: Opened, other: Opened, _: Network) -> None:
    one.warrant["mandate"] = other.warrant["mandate"]
    one.follow_mandate()


def other_warrant_whole(one: Opened, other: Opened, _: Network) -> None:
    one.warrant = other.warrant


def other_warrant_and_digest(one: Opened, other: Opened, _: Network) -> None:
    one.warrant = other.warrant
    one.follow_mandate()


def other_acceptance(one: Opened, other: Opened, _: Network) -> None:
    one.warrant["acceptance"] = other.warrant["acceptance"]


def other_digest_in_the_header(one: Opened, other: Opened, _: Network) -> None:
    one.header = replace(one.header, mandate_digest=other.header.mandate_digest)


def own_acceptance_for_the_other_mandate(one: Opened, other: Opened, network: Network) -> None:
    digest = other.header.mandate_digest
    one.sign_acceptance(network.identities[CENTER], network.clock(), mandate_digest=digest)


def other_persons_under_our_mandate(one: Opened, other: Opened, _: Network) -> None:
    one.warrant, one.head = other.warrant, one.head
    one.header = replace(other.header, application_id=one.header.application_id)


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (other_mandate_in_the_warrant, "acceptance_mismatch"),
        (other_mandate_and_digest, "acceptance_mismatch"),
        (other_warrant_whole, "header_contradicts_mandate"),
        (other_warrant_and_digest, "header_contradicts_mandate"),
        (other_acceptance, "acceptance_mismatch"),
        (other_digest_in_the_header, "header_contradicts_mandate"),
        (own_acceptance_for_the_other_mandate, "acceptance_mismatch"),
        (other_persons_under_our_mandate, "header_contradicts_mandate"),
    ],
)
def test_a_provider_answers_nothing_under_an_exchanged_mandate(
    tmp_path: Path, sample: Sample, alter: Callable[[Opened, Opened, Network], None], code: str
) -> None:
    """By a center that has both and every key of its own: warrant, digest and acceptance hang together."""
    network = two_applications(sample, tmp_path)
    one, other = requests(network, sample)
    withhold(network, PROVIDER, "requests")
    alter(one, other, network)
    send(network, CENTER, PROVIDER, "requests", one.seal(network.identities[CENTER], network))
    network.run()
    answers = [b for b in bundles_in(network, CENTER, "responses", "answer") if b.header.sender == PROVIDER]
    assert {(answer.header.outcome, answer.header.code) for answer in answers} == {("refused", code)}


# -- answers under another mandate ----------------------------------------------------------------------------------------


def pair(network: Network, sample: Sample) -> tuple[Bundle, Bundle]:
    """山东's answer to each of two finished applications."""
    found = {
        b.header.application_id: b
        for b in bundles_in(network, CENTER, "responses", "answer")
        if b.header.sender == PROVIDER
    }
    return found[sample.application["application_id"]], found[OTHER_ID]


def finished(sample: Sample, folder: Path) -> Network:
    network = two_applications(sample, folder)
    network.run()
    return network


def reply_key(network: Network, application_id: str) -> Any:
    filed = network.parties[REQUESTER].store.filed(application_id)
    assert filed is not None
    return filed.reply_key


def test_an_answers_key_is_bound_to_the_mandate_in_its_header(tmp_path: Path, sample: Sample) -> None:
    """With the right seal and the right key: another digest in the header is another key, and other additional data."""
    network = finished(sample, tmp_path)
    mine, other = pair(network, sample)
    key = reply_key(network, sample.application["application_id"])
    assert mine.seal is not None
    secret = sealing.unseal(mine.seal, PROVIDER, key)
    assert len(answers_in(mine, secret)) == len(sample.persons)
    moved = parse_bundle(with_header(mine, mandate_digest=other.header.mandate_digest).raw)
    with pytest.raises(InvalidMessage) as caught:
        answers_in(moved, secret)
    assert caught.value.code == "key_commitment_mismatch"


def test_additional_data_alone_hold_a_record_to_its_mandate(tmp_path: Path, sample: Sample) -> None:
    """Given the very key of the record: under another header's digest it does not decrypt."""
    network = finished(sample, tmp_path)
    mine, other = pair(network, sample)
    assert mine.seal is not None
    secret = sealing.unseal(mine.seal, PROVIDER, reply_key(network, sample.application["application_id"]))
    key = hmac(bundles.bundle_key(secret, mine.header_digest), b"record" + bytes(4))
    padded = mine.header.padded
    assert bundles.open_record(mine.records[0], 0, key, mine.header_digest, padded)
    with pytest.raises(InvalidMessage) as caught:
        bundles.open_record(mine.records[0], 0, key, other.header_digest, padded)
    assert caught.value.code == "decrypt_failed"


def test_the_reply_key_of_one_mandate_opens_no_answer_under_another(tmp_path: Path, sample: Sample) -> None:
    """Also where province, persons and provider are the same."""
    network = finished(sample, tmp_path)
    mine, _ = pair(network, sample)
    assert mine.seal is not None
    with pytest.raises(InvalidMessage) as caught:
        sealing.unseal(mine.seal, PROVIDER, reply_key(network, OTHER_ID))
    assert caught.value.code == "not_a_recipient"


Swap = Callable[[Bundle, Bundle], dict[str, Any]]


@pytest.mark.parametrize(
    ("changes", "outer_of_other", "code"),
    [
        (lambda mine, other: {"mandate_digest": other.header.mandate_digest}, False, "mandate_mismatch"),
        (lambda mine, other: {"application_id": other.header.application_id}, False, "mandate_mismatch"),
        (lambda mine, other: {}, True, "mandate_mismatch"),
        (
            lambda mine, other: {
                "mandate_digest": other.header.mandate_digest,
                "application_id": other.header.application_id,
            },
            True,
            "not_a_recipient",
        ),
        (lambda mine, other: {"mandate_digest": b""}, False, "mandate_mismatch"),
    ],
    ids=["digest", "application", "relayed-for-the-other", "moved-whole", "no-digest"],
)
def test_a_requester_takes_no_answer_under_another_mandate(
    tmp_path: Path, sample: Sample, changes: Swap, outer_of_other: bool, code: str
) -> None:
    """Signed by its provider and relayed by the center, both as they should be; the digest decides, then the key."""
    network = finished(sample, tmp_path)
    mine, other = pair(network, sample)
    outers = {b.header.application_id: b.header for b in bundles_in(network, REQUESTER, "responses", "relay")}
    outer = outers[OTHER_ID if outer_of_other else sample.application["application_id"]]
    send(
        network,
        CENTER,
        REQUESTER,
        "responses",
        relay_of(network, PROVIDER, with_header(mine, **changes(mine, other)), outer),
    )
    network.run()
    assert local_codes(network, REQUESTER) == [code]
    assert_equals_oracle(network, sample)


def test_a_certificate_of_the_other_mandate_completes_nothing(tmp_path: Path, sample: Sample) -> None:
    """The center's own signature over our application under another mandate's digest."""
    network = two_applications(sample, tmp_path)
    network.run()
    case = network.case(sample.application)
    certificate = case.certificate()
    assert certificate is not None
    other = network.case(another(sample)).mandate_digest
    record = {**certificate.result, "mandate_digest": other, "version": 9}
    raw = sign_record(
        "certificate",
        "ApplicationResult",
        record,
        network.identities[CENTER].signer,
        REQUESTER,
        network.clock(),
    )
    outer = next(b.header for b in bundles_in(network, REQUESTER, "responses", "certificate") if b.header.section == 0)
    header = replace(outer, bundle_id=os.urandom(16), application_id=case.application_id)
    send(network, CENTER, REQUESTER, "responses", bundles.clear_bundle(header, [raw]))
    network.run()
    assert local_codes(network, REQUESTER) == ["mandate_mismatch"]
    after = network.case(sample.application).certificate()
    assert after is not None
    assert after.digest == certificate.digest


# -- at rest and on the way out -------------------------------------------------------------------------------------------


def test_rows_of_one_application_do_not_open_under_the_other(tmp_path: Path, sample: Sample) -> None:
    """Persons and answers put into the other's place in the store: no export gets them out."""
    network = finished(sample, tmp_path)
    db = network.parties[REQUESTER].store.connection
    mine, unit = sample.application["application_id"], another(sample)["approving_authority"]
    rows = db.execute("SELECT section, idx, record FROM person WHERE application_id = ?", (mine,)).fetchall()
    for section, index, record in rows:
        db.execute(
            "UPDATE person SET record = ? WHERE application_id = ? AND section = ? AND idx = ?",
            (record, OTHER_ID, section, index),
        )
    with pytest.raises(InvalidMessage) as caught:
        hand_over(network.case(another(sample)), tmp_path / "d.json", "json", unit=unit)
    assert caught.value.code == "decrypt_failed"
    assert not (tmp_path / "d.json").exists()


def test_each_application_is_exported_for_its_own_unit_only(tmp_path: Path, sample: Sample) -> None:
    """The same persons, two mandates: what one unit may have the other may not."""
    network = finished(sample, tmp_path)
    units = [sample.application["approving_authority"], another(sample)["approving_authority"]]
    for application, own, foreign in ((sample.application, *units), (another(sample), *reversed(units))):
        hand_over(network.case(application), tmp_path / f"{own}.json", "json", unit=own)
        with pytest.raises(ExportRefused) as caught:
            hand_over(network.case(application), tmp_path / "other.json", "json", unit=foreign)
        assert caught.value.code == "unit_mismatch"
    assert standing(network, sample.application).counts == standing(network, another(sample)).counts
