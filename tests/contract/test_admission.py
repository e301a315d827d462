"""Admission: an application of many sections is accepted whole or rejected whole, with every reason, signed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.bundles import SealedBundle, parse_bundle
from pipeline.crypto.keys import SealingKey
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Fault, Person, Receipt
from pipeline.domain.wording import explain
from pipeline.province.filing import Filing
from pipeline.stages import topics
from pipeline.stages.effects import Message
from pipeline.stages.notices import Notice, post, sign_record
from tests.forgery import Opened, send, take_apart, withhold
from tests.network import Network
from tests.scenario import (
    REQUESTER,
    assert_equals_oracle,
    bundles_in,
    codes,
    kept,
    network_for,
    standing,
    with_form,
)

DAY = 24 * 3600
SIZE = 4
"""Persons a section, so that the sample has three or more."""


def rejection(network: Network, sample: Sample) -> list[Fault]:
    """The reasons of the signed rejection the requester holds."""
    found = network.case(sample.application).rejection()
    assert found is not None, "not rejected"
    assert network.case(sample.application).state == "rejected"
    return found["faults"]


def rejected(network: Network, sample: Sample) -> list[str]:
    """Their codes. Nothing was sent to anybody, and nothing is kept but the decision."""
    faults = rejection(network, sample)
    for party in sample.parties:
        assert bundles_in(network, party, "requests", "request") == []
    assert network.broker.messages(topics.RESULTS) == []
    assert kept(network, "join", b"j") == 0
    assert kept(network, "applications", b"s") == 0
    return [fault["code"] for fault in faults]


def changed(persons: Sequence[Person], index: int, **fields: Any) -> list[Person]:
    """The roster with one person altered."""
    return [{**p, **fields} if n == index else p for n, p in enumerate(persons)]  # type: ignore[typeddict-item]


def file(network: Network, sample: Sample) -> Filing:
    """File without the requester's own review: the center must not rely on it."""
    return network.file(sample.application, sample.persons, section_size=SIZE)


def resend(network: Network, filing: Filing, alter: Callable[[int, Opened], bool | None]) -> None:
    """As a dishonest or faulty adapter: send each section's bundle after `alter(section, opened)`; False leaves it out."""
    requester, center = network.identities[REQUESTER], network.identities[CENTER]
    network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    sent: list[SealedBundle] = []
    for sealed in filing.bundles:
        opened = take_apart(parse_bundle(sealed.raw), center)
        if alter(sealed.header.section, opened) is not False:
            sent.append(opened.seal(requester, network))
    send(network, REQUESTER, CENTER, "requests", *sent)


def test_an_application_of_several_sections_is_admitted_and_joined_as_one(tmp_path: Path, sample: Sample) -> None:
    """Every section has its certificate, and the application one result over all of them."""
    network = network_for(sample, tmp_path)
    filing = file(network, sample)
    assert len(filing.sections) >= 3
    network.run()
    certificate = network.case(sample.application).certificate()
    assert certificate is not None
    assert sorted(certificate.sections) == list(range(1, len(filing.sections) + 1))
    assert certificate.result["person_count"] == len(sample.persons)
    assert_equals_oracle(network, sample)
    assert codes(network) == []


def test_sections_in_any_order_and_in_many_envelopes_make_one_application(tmp_path: Path, sample: Sample) -> None:
    """Sections may arrive backwards, each in an envelope of its own, one of them twice."""
    network = network_for(sample, tmp_path)
    filing = file(network, sample)
    network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    for sealed in [*reversed(filing.bundles), filing.bundles[0]]:
        send(network, REQUESTER, CENTER, "requests", sealed)
        network.run()
    assert_equals_oracle(network, sample)


def test_one_bad_section_rejects_the_whole_with_every_reason_once(tmp_path: Path, sample: Sample) -> None:
    """Faults of the form are in every section's copy of it and yet listed once; each person's own are all there."""
    persons = changed(sample.persons, 5, document_number="11010519491231002X", consent_scope="narrower")
    persons = changed(persons, 11, consent_date="2026-02-30")
    spoilt = replace(with_form(sample, contact_phone="12", purpose=""), persons=persons)
    network = network_for(spoilt, tmp_path)
    file(network, spoilt)
    network.run()
    found = rejected(network, spoilt)
    assert found.count("phone_format") == 1
    assert found.count("missing") == 1
    assert {"consent_narrower", "date_format"} <= set(found)
    faults = rejection(network, spoilt)
    assert {6, 12} <= {fault["number"] for fault in faults}
    assert codes(network) == []


def test_a_rejection_speaks_chinese_and_english_and_names_nobody(tmp_path: Path, sample: Sample) -> None:
    """Officials read it in either language; it points into their own roster and repeats no name or number."""
    spoilt = replace(with_form(sample, contact_phone="12"), persons=changed(sample.persons, 5, relation=""))
    network = network_for(spoilt, tmp_path)
    file(network, spoilt)
    network.run()
    faults = rejection(network, spoilt)
    chinese, english = [explain(f, "zh") for f in faults], [explain(f, "en") for f in faults]
    assert "申请表：联系电话格式不正确" in chinese
    assert any(text.startswith("名单第 6 号：") for text in chinese)
    assert any(text.startswith("roster number 6: ") for text in english)
    raw = repr(faults)
    for person in spoilt.persons:
        assert person["name"] not in raw
        assert not person["document_number"] or person["document_number"] not in raw


def test_a_person_in_two_sections_is_found_without_anybody_comparing_names(tmp_path: Path, sample: Sample) -> None:
    """Doubles across sections meet through keyed marks of the application; the reason gives both places."""
    twice = {**sample.persons[0], "number": len(sample.persons) + 1, "household": "H99999"}
    persons = [*sample.persons, twice]
    spoilt = replace(with_form(sample, person_count=len(persons)), persons=persons)  # type: ignore[arg-type]
    network = network_for(spoilt, tmp_path)
    filing = file(network, spoilt)
    network.run()
    assert rejected(network, spoilt) == ["person_in_two_sections"]
    [fault] = rejection(network, spoilt)
    last = len(filing.sections)
    assert fault["args"] == {"first": "1", "second": str(last), "position": str(len(filing.sections[-1]))}


def test_a_person_twice_in_one_section_is_a_duplicate(tmp_path: Path, sample: Sample) -> None:
    """Inside one section the roster numbers of both lines are known."""
    first, second = sample.persons[:2]
    persons = [first, {**first, "number": second["number"], "relation": second["relation"]}, *sample.persons[2:]]
    spoilt = replace(sample, persons=persons)  # type: ignore[arg-type]
    network = network_for(spoilt, tmp_path)
    file(network, spoilt)
    network.run()
    assert "person_duplicate" in rejected(network, spoilt)


def test_a_section_that_never_comes_rejects_the_application_after_a_day(tmp_path: Path, sample: Sample) -> None:
    """Until then the others wait, sealed; then the requester is told which one is missing."""
    network = network_for(sample, tmp_path)
    filing = file(network, sample)
    resend(network, filing, lambda section, _: section != 2)
    network.run()
    assert kept(network, "applications", b"s") == len(filing.sections) - 1
    network.pass_time(DAY - 60)
    assert network.case(sample.application).rejection() is None
    network.pass_time(120)
    assert rejected(network, sample) == ["sections_missing"]
    assert rejection(network, sample)[0]["args"] == {"sections": "2"}
    send(network, REQUESTER, CENTER, "requests", filing.bundles[1])
    network.run()
    assert rejected(network, sample) == ["sections_missing"], "a section that comes after the decision changes nothing"
    network.pass_time(DAY + 60)
    assert kept(network, "applications", b"s") == 0
    assert kept(network, "applications", b"a") == 1, "the decision is remembered while the mandate can be sent again"
    network.pass_time(401 * DAY)
    assert kept(network, "applications", b"") == 0


def test_what_is_known_of_an_incomplete_application_is_told_with_the_missing_sections(
    tmp_path: Path, sample: Sample
) -> None:
    """A rejection lists all reasons: those of the sections that did come, too."""
    spoilt = with_form(sample, contact_phone="12")
    network = network_for(spoilt, tmp_path)
    filing = file(network, spoilt)
    resend(network, filing, lambda section, _: section != 2)
    network.run()
    network.pass_time(DAY + 60)
    assert rejected(network, spoilt) == ["sections_missing", "phone_format"]


def lying_about_the_count(section: int, opened: Opened) -> None:
    """Section 2 leaves a person out that the mandate counts."""
    if section == 2:
        opened.set_persons(opened.persons[:-1])


def hiding_a_person_behind_the_count(section: int, opened: Opened) -> None:
    """Section 2 says it holds as many as the mandate counts, and holds another in place of the last."""
    if section == 2:
        opened.set_persons([*opened.persons[:-1], opened.persons[0]])


@pytest.mark.parametrize(
    ("alteration", "reason"),
    [
        (lying_about_the_count, "header_contradicts_mandate"),
        (hiding_a_person_behind_the_count, "section_root_mismatch"),
    ],
)
def test_a_section_that_is_not_the_mandates_is_unreadable(
    tmp_path: Path, sample: Sample, alteration: Callable[[int, Opened], None], reason: str
) -> None:
    """What was signed counts; a section with other persons rejects the whole application, and says which section."""
    network = network_for(sample, tmp_path)
    resend(network, file(network, sample), alteration)
    network.run()
    assert rejected(network, sample) == ["section_unreadable"]
    assert rejection(network, sample)[0]["args"] == {"reason": reason, "section": "2"}


def test_a_form_that_counts_other_persons_than_the_roster_is_rejected(tmp_path: Path, sample: Sample) -> None:
    """「对…等…人」 must be the number of persons filed."""
    spoilt = with_form(sample, person_count=len(sample.persons) + 1)
    network = network_for(spoilt, tmp_path)
    file(network, spoilt)
    network.run()
    faults = rejection(network, spoilt)
    assert [(fault["code"], fault["args"]) for fault in faults] == [("mandate_differs", {"key": "person_count"})]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("purpose", "信贷审批"),
        ("business_category", "住房保障"),
        ("approving_authority", "昆明市民政局"),
        ("seal_to_center", True),
        ("schedule", None),
    ],
)
def test_a_form_that_says_other_than_the_signed_mandate_is_rejected(
    tmp_path: Path, sample: Sample, key: str, value: object
) -> None:
    """The center reviews the form and providers check the mandate: both must say the same (Art. 9)."""
    network = network_for(sample, tmp_path)
    shown = sample.application["schedule"][:1] if value is None else value

    def alter(_: int, opened: Opened) -> None:
        opened.head["application"] = {**opened.head["application"], key: shown}

    resend(network, file(network, sample), alter)
    network.run()
    assert "mandate_differs" in rejected(network, sample)
    assert key in [f["args"].get("key") for f in rejection(network, sample)]


def test_sections_under_different_mandates_are_rejected(tmp_path: Path, sample: Sample) -> None:
    """Two mandates that differ in nothing but the reply key would have answers sealed to two keys."""
    network = network_for(sample, tmp_path)
    requester = network.identities[REQUESTER]

    def alter(section: int, opened: Opened) -> None:
        if section == 2:
            opened.sign_mandate(requester, network.clock(), reply_key=SealingKey.generate().public_bytes)
            opened.follow_mandate()

    resend(network, file(network, sample), alter)
    network.run()
    assert rejected(network, sample) == ["mandate_differs"]
    assert rejection(network, sample)[0]["args"] == {"key": "mandate"}


def test_an_unknown_catalog_release_is_a_reason(tmp_path: Path, sample: Sample) -> None:
    """An application is served under the release it was written against, or not at all."""
    network = network_for(sample, tmp_path)
    requester = network.identities[REQUESTER]

    def alter(_: int, opened: Opened) -> None:
        opened.sign_mandate(requester, network.clock(), catalog_release=99)
        opened.follow_mandate()
        opened.header = replace(opened.header, release=99)

    resend(network, file(network, sample), alter)
    network.run()
    [bundle] = bundles_in(network, REQUESTER, "responses", "rejection")
    decision = framing.decode_as("Rejection", signed.peek(bundle.records[0]).payload)
    assert [fault["code"] for fault in decision["faults"]] == ["release_unknown"]
    assert bundles_in(network, "37", "requests", "request") == []


@pytest.mark.parametrize(("from_now", "code"), [(-1, "mandate_expired"), (401 * 86_400_000, "mandate_too_long")])
def test_a_mandate_past_its_date_or_without_end_is_unreadable(
    tmp_path: Path, sample: Sample, from_now: int, code: str
) -> None:
    """A mandate says how long it may be used, and that is not for ever."""
    network = network_for(sample, tmp_path)
    requester = network.identities[REQUESTER]

    def alter(_: int, opened: Opened) -> None:
        opened.sign_mandate(requester, network.clock(), not_after=network.clock() + from_now)
        opened.follow_mandate()

    filing = file(network, sample)
    resend(network, filing, alter)
    network.run()
    assert rejected(network, sample) == ["section_unreadable"] * len(filing.sections)
    assert {f["args"]["reason"] for f in rejection(network, sample)} == {code}


def test_a_section_number_that_cannot_be_does_not_stop_the_application(tmp_path: Path, sample: Sample) -> None:
    """A bundle numbered outside the application is put aside; the true sections are judged without it."""
    network = network_for(sample, tmp_path)
    filing = file(network, sample)
    opened = take_apart(parse_bundle(filing.bundles[0].raw), network.identities[CENTER])
    opened.header = replace(opened.header, section=0)
    send(network, REQUESTER, CENTER, "requests", opened.seal(network.identities[REQUESTER], network))
    network.run(without=(REQUESTER,))
    network.run()
    assert_equals_oracle(network, sample)
    assert codes(network) == ["sections_contradict"]


def test_sections_that_disagree_on_how_many_there_are(tmp_path: Path, sample: Sample) -> None:
    """The first one to arrive decides; the other is put aside, and the application is judged without it."""
    network = network_for(sample, tmp_path)
    filing = file(network, sample)

    def alter(section: int, opened: Opened) -> None:
        if section == 2:
            opened.header = replace(opened.header, sections=7)

    resend(network, filing, alter)
    network.run()
    assert codes(network) == ["sections_contradict"]
    network.pass_time(DAY + 60)
    assert rejected(network, sample) == ["sections_missing"]


def test_a_province_cannot_file_in_the_name_of_another(tmp_path: Path, sample: Sample) -> None:
    """The envelope's signer must be the requester; the envelope is put aside whole."""
    network = network_for(sample, tmp_path)
    filing = file(network, sample)
    network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    opened = take_apart(parse_bundle(filing.bundles[0].raw), network.identities[CENTER])
    opened.header = replace(opened.header, sender="32")
    message: Message = send(network, "32", CENTER, "requests", opened.seal(network.identities["32"], network))
    network.run()
    assert codes(network) == ["kind_unexpected"]
    assert network.broker.messages(topics.DEAD_LETTERS)[0].value == message.value


def test_a_delivery_receipt_for_a_provider_that_was_not_asked_goes_nowhere(tmp_path: Path, sample: Sample) -> None:
    """A requester cannot have the center write into anybody's inbox."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    requester = network.identities[REQUESTER]
    receipt = Receipt(
        kind="delivered",
        application_id=sample.application["application_id"],
        provider="65",
        envelope_id=None,
        envelope_digest=None,
        bundles=[b"\1" * 32],
        at=network.clock(),
    )
    raw = sign_record("receipt", "Receipt", receipt, requester.signer, CENTER, network.clock())
    notice = Notice("receipt", CENTER, REQUESTER, sample.application["application_id"])
    send(network, REQUESTER, CENTER, "requests", post(notice, [raw], REQUESTER))
    network.run()
    assert codes(network) == ["receipt_invalid"]
    assert_equals_oracle(network, sample)


def test_a_provider_nobody_knows_is_unavailable_and_stops_nothing(tmp_path: Path, sample: Sample) -> None:
    """A party in the catalog that has no trust entry (any more) stands in the certificate like a suspended one."""
    network = network_for(sample, tmp_path)
    release = network.reference.current
    assert release is not None
    stranger = {**release.entry("37", "social_insurance"), "provider": "65"}
    network.publish(2, [*release.entries.values(), stranger])  # type: ignore[list-item]
    network.file(sample.application, sample.persons)
    network.run()
    assert codes(network) == []
    assert standing(network, sample.application).of("65", "social_insurance") == {
        ("unavailable", "provider_suspended"): 12
    }


def test_a_withheld_inbox_is_the_partys_own_matter(tmp_path: Path, sample: Sample) -> None:
    """What a party has not read yet waits for it; nothing is decided in its place before the deadline."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("00",))
    assert len(withhold(network, "00", "requests")) == 1
    network.run()
    assert network.case(sample.application).certificate() is None
