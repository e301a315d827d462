"""Filing: what is sent is what was signed, and the keys stay at home."""

from __future__ import annotations

import pytest

from pipeline.codec import framing
from pipeline.crypto import roster, signed
from pipeline.crypto.bundles import parse_bundle
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Mandate, Person
from pipeline.province.filing import MANDATE_VALIDITY, Filing, file_application
from tests.forgery import take_apart
from tests.unit.crypto.exchange import NOW, identity, trust
from tests.unit.domain.samples import a_person, an_application


def persons(count: int) -> list[Person]:
    """So many persons, each in a household of their own."""
    return [a_person(number=n, household=f"H{n}", name=f"人{n}") for n in range(1, count + 1)]


def filed(count: int = 5, size: int = 2) -> Filing:
    """An application of `count` persons in sections of `size`."""
    application = an_application(person_count=count)
    return file_application(
        application, persons(count), identity=identity("37"), trust=trust(), release=3, now=NOW, section_size=size
    )


def mandate_of(filing: Filing) -> Mandate:
    """What was signed, its signature verified."""
    verified = signed.verify(filing.mandate_raw, "mandate", trust(), now=NOW, issuer="37", audience=CENTER)
    assert verified.digest == filing.mandate_digest
    return framing.decode_as("Mandate", verified.payload)  # type: ignore[return-value]


def test_the_mandate_says_what_the_form_says() -> None:
    """Authority, purpose, schedule and the choice to let the center read are signed, not only written down."""
    filing = filed()
    mandate, form = mandate_of(filing), filing.application
    for key in ("application_id", "requester", "approving_authority", "business_category", "purpose", "schedule"):
        assert mandate[key] == form[key]
    assert mandate["entrusting_unit"] == form["approving_authority"], "委托单位 is 审批机关 (Art. 11)"
    assert (mandate["catalog_release"], mandate["seal_to_center"]) == (3, False)
    assert mandate["not_after"] == NOW + MANDATE_VALIDITY


def test_the_mandate_holds_a_root_of_every_section_and_no_person() -> None:
    """Root and count of each; no name and no number in clear."""
    filing = filed()
    mandate = mandate_of(filing)
    for stated, salt, section in zip(mandate["sections"], filing.salts, filing.sections, strict=True):
        written = [framing.write("Person", person) for person in section]
        assert stated == {"root": roster.section_root(salt, written), "count": len(section)}
    for person in persons(5):
        assert person["name"].encode() not in filing.mandate_raw
        assert person["document_number"].encode() not in filing.mandate_raw


def test_each_section_is_a_bundle_numbered_from_one_under_one_mandate() -> None:
    """All of them carry form, salt and the same mandate, sealed to the center."""
    filing = filed()
    for number, sealed in enumerate(filing.bundles, start=1):
        opened = take_apart(parse_bundle(sealed.raw), identity(CENTER))
        assert (opened.header.section, opened.header.sections) == (number, 3)
        assert opened.header.mandate_digest == filing.mandate_digest
        assert opened.warrant["mandate"] == filing.mandate_raw
        assert opened.head["application"] == filing.application
        assert opened.head["salt"] == filing.salts[number - 1]
        assert [framing.read("Person", p) for p in opened.persons] == filing.sections[number - 1]


def test_nothing_of_the_roster_is_in_clear_in_what_is_sent() -> None:
    """Names and numbers are inside the seal."""
    for sealed in filed().bundles:
        for person in persons(5):
            assert person["name"].encode() not in sealed.raw
            assert person["document_number"].encode() not in sealed.raw


def test_reply_key_and_salts_are_drawn_anew_for_every_application() -> None:
    """Two applications share nothing that could be compared."""
    one, other = filed(), filed()
    assert one.keys.reply_key.point == mandate_of(one)["reply_key"]
    assert one.keys.reply_key.point != other.keys.reply_key.point
    assert len({*one.salts, *other.salts}) == 6
    assert {b.header.bundle_id for b in one.bundles}.isdisjoint(b.header.bundle_id for b in other.bundles)


@pytest.mark.parametrize(("count", "size", "sections"), [(1, 500, 1), (500, 500, 1), (501, 500, 2), (5, 1, 5)])
def test_a_roster_is_cut_into_sections_of_the_size(count: int, size: int, sections: int) -> None:
    """Nobody is left out and nobody doubled."""
    filing = filed(count, size)
    assert len(filing.bundles) == sections
    assert [p["number"] for section in filing.sections for p in section] == list(range(1, count + 1))
