"""Opening a section: signature before content, mandate before persons, every person the one that was signed for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import bundles, sealing, signed
from pipeline.crypto.bundles import Bundle, SealedBundle, parse_bundle
from pipeline.crypto.headers import Header
from pipeline.domain import members
from pipeline.domain.errors import InvalidMessage
from pipeline.province.filing import Filing, file_application
from pipeline.stages.opening import OpenedSection, SectionOpener, answers_in
from tests.forgery import Opened, take_apart
from tests.unit.crypto.exchange import DAY, NOW, identity, refusal, trust
from tests.unit.crypto.test_revocation import a_list
from tests.unit.domain.samples import a_child, a_person, an_application

CENTER = identity("center")


def filed(**options: Any) -> Filing:
    """山东's application about two persons, each in a household and a section of its own."""
    persons = [a_person(), a_child(household="H2")]
    return file_application(
        an_application(person_count=2),
        persons,
        identity=identity("37"),
        trust=trust(),
        release=1,
        now=NOW,
        section_size=1,
        **options,
    )


def read(sealed: SealedBundle, now: int | None = NOW, by: str = "center") -> OpenedSection:
    """Open a section bundle, step by step."""
    opener = SectionOpener(identity(by).sealing)
    bundle = parse_bundle(sealed.raw)
    return opener.section(bundle, opener.warrant(bundle, trust(), now))


def spoilt(alter: Callable[[Opened], None]) -> SealedBundle:
    """Section 1 as its requester would send it after `alter`."""
    opened = take_apart(parse_bundle(filed().bundles[0].raw), CENTER)
    alter(opened)
    secret, seal = sealing.new_seal("37", [CENTER.sealing.public])
    heads = [framing.encode("Warrant", opened.warrant), framing.encode("SectionHead", opened.head)]
    return bundles.seal_bundle(replace(opened.header, padded=0), opened.persons, secret, seal, heads=heads)


def test_a_section_opens_into_form_mandate_and_persons_verbatim() -> None:
    """The bytes of each person are those the requester wrote and signed for."""
    filing = filed()
    for number, (sealed, persons) in enumerate(zip(filing.bundles, filing.sections, strict=True), start=1):
        opened = read(sealed)
        assert [framing.read("Person", person) for person in opened.persons] == persons
        assert opened.warrant.digest == filing.mandate_digest
        assert opened.warrant.mandate["sections"][number - 1]["count"] == len(persons)
        assert opened.head["application"] == filing.application
        assert opened.head["salt"] == filing.salts[number - 1]
        assert opened.warrant.acceptance_raw is None


def test_only_the_recipient_opens_it() -> None:
    """Nobody else's key does, not even the sender's own."""
    for party in ("37", "53", "00"):
        assert refusal(lambda party=party: read(filed().bundles[0], by=party)) == "not_a_recipient"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("application_id", "00000000-0000-4000-8000-000000000000"),
        ("mandate_digest", bytes(32)),
        ("section", 2),
        ("release", 9),
    ],
)
def test_a_header_that_says_other_than_the_mandate_is_refused(field: str, value: Any) -> None:
    """Whoever routes by the header routes by what was signed."""
    wrong = spoilt(lambda opened: setattr(opened, "header", replace(opened.header, **{field: value})))
    expected = "section_root_mismatch" if field == "section" else "header_contradicts_mandate"
    assert refusal(lambda: read(wrong)) == expected


def test_a_header_with_other_sections_or_members_is_refused() -> None:
    """How many sections there are and who is in this one stands in the mandate."""
    more = spoilt(lambda opened: setattr(opened, "header", replace(opened.header, sections=3)))
    assert refusal(lambda: read(more)) == "header_contradicts_mandate"
    others = spoilt(lambda opened: setattr(opened, "header", replace(opened.header, members=members.to_bytes(0b10))))
    assert refusal(lambda: read(others)) == "header_contradicts_mandate"


def test_another_partys_mandate_does_not_entitle() -> None:
    """The mandate must be signed by the requester the header names."""
    foreign = spoilt(lambda opened: opened.sign_mandate(identity("53"), NOW))
    assert refusal(lambda: read(foreign)) == "mandate_invalid"
    altered = spoilt(lambda opened: opened.rewrite_mandate(purpose="别的用途"))
    assert refusal(lambda: read(altered)) == "mandate_invalid"


@pytest.mark.parametrize(
    ("accepted", "seen", "holds"),
    [(None, 1, True), (None, 2, False), (None, 3, False), (1, 5, True), (2, 5, False), (3, 5, False), (3, 1, True)],
)
def test_a_mandate_is_judged_as_of_when_it_was_there_at_the_latest(
    accepted: int | None, seen: int, holds: bool
) -> None:
    """Its signer's certificate is revoked on day 2: what was accepted or received on day 1 counts on day 5 as well."""

    def accept(opened: Opened) -> None:
        if accepted is not None:
            made = signed.sign("acceptance", b"", CENTER.signer, audience="37", now=NOW + accepted * DAY)
            opened.warrant["acceptance"] = made.raw

    trusted = trust()
    trusted.revoke(a_list(1, (identity("37").signer.certificate, NOW + 2 * DAY), now=NOW + 2 * DAY))
    bundle = parse_bundle(spoilt(accept).raw)
    opener = SectionOpener(CENTER.sealing)
    if holds:
        assert opener.warrant(bundle, trusted, seen_at=NOW + seen * DAY).mandate["requester"] == "37"
    else:
        assert refusal(lambda: opener.warrant(bundle, trusted, seen_at=NOW + seen * DAY)) == "mandate_invalid"


@pytest.mark.parametrize("at", [0, -1])
def test_a_bit_in_a_person_breaks_the_section_root(at: int) -> None:
    """Any byte of any person counts."""

    def alter(opened: Opened) -> None:
        person = bytearray(opened.persons[0])
        person[at] ^= 1
        opened.persons = [bytes(person)]

    assert refusal(lambda: read(spoilt(alter))) == "section_root_mismatch"


def test_another_salt_breaks_the_section_root() -> None:
    """The salt belongs to the section: it cannot be exchanged to hide what a leaf stands for."""
    wrong = spoilt(lambda opened: opened.head.update(salt=bytes(32)))
    assert refusal(lambda: read(wrong)) == "section_root_mismatch"


@pytest.mark.parametrize("heads", [0, 1])
def test_a_bundle_without_its_heads_is_refused(heads: int) -> None:
    """Warrant and section head come first; a bundle without them entitles to nothing, and breaks nothing."""
    opened = take_apart(parse_bundle(filed().bundles[0].raw), CENTER)
    secret, seal = sealing.new_seal("37", [CENTER.sealing.public])
    records = [framing.encode("Warrant", opened.warrant)][:heads]
    header = replace(opened.header, padded=0, members=b"")
    bare = bundles.seal_bundle(header, [] if records else opened.persons, secret, seal, heads=records)
    assert refusal(lambda: read(bare)) == "count_mismatch"


def test_at_first_receipt_the_mandate_must_be_valid_and_later_it_was() -> None:
    """Intake judges by its clock; whoever reads later judges as of the signature."""
    [bundle, _] = filed().bundles
    assert refusal(lambda: read(bundle, NOW + 15 * DAY)) == "mandate_invalid"
    assert read(bundle, None).persons


def an_answer(
    *indexes: int, rows: tuple[int, ...] = (1,), stated: tuple[int, ...] | None = None
) -> tuple[Bundle, bytes]:
    """A provider's bundle of answers about `indexes`, whose header states `stated` (the same when None)."""
    secret, seal = sealing.new_seal("53", [CENTER.sealing.public])
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
        for row in rows
    ]
    records = [framing.write("Answer", {"index": index, "results": results}) for index in indexes]
    header = Header(
        kind="answer",
        bundle_id=bytes(16),
        sender="53",
        to="37",
        requester="37",
        section=1,
        sections=1,
        members=members.to_bytes(members.of(indexes if stated is None else stated)),
        provider="53",
        rows=(1,),
        outcome="done",
    )
    return parse_bundle(bundles.seal_bundle(header, records, secret, seal).raw), secret


def test_answers_come_with_their_bytes_in_the_order_of_members() -> None:
    """One answer a member, about the rows of the header."""
    bundle, secret = an_answer(0, 2, 5)
    found = answers_in(bundle, secret)
    assert [answer["index"] for answer, _ in found] == [0, 2, 5]
    assert [framing.read("Answer", record) for _, record in found] == [answer for answer, _ in found]


@pytest.mark.parametrize(
    "made",
    [
        lambda: an_answer(0, 1, stated=(0, 2)),
        lambda: an_answer(1, 0, stated=(0, 1)),
        lambda: an_answer(0, 0, stated=(0, 1)),
        lambda: an_answer(0, 1, rows=(2,)),
        lambda: an_answer(0, 1, rows=(1, 2)),
        lambda: an_answer(0, 1, rows=()),
    ],
    ids=["other person", "other order", "one twice", "other row", "row too many", "no row"],
)
def test_answers_to_anything_else_are_out_of_scope(made: Callable[[], tuple[Bundle, bytes]]) -> None:
    """A provider cannot slip in what its header, which the center counted, does not say."""
    bundle, secret = made()
    with pytest.raises(InvalidMessage) as caught:
        answers_in(bundle, secret)
    assert caught.value.code == "answer_out_of_scope"
