"""One small exchange, step by step, from which all vectors are cut.

37 asks about four persons in two sections; the center accepts and asks 53; 53 answers, refuses and postpones; the
center relays. The persons do not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, cbor, envelopes, merkle, roster, sealing, signed
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.envelopes import Envelope
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import SealingKey
from pipeline.crypto.relay import relay_record
from pipeline.crypto.signed import SignedObject
from pipeline.domain import members
from pipeline.domain.records import (
    Acceptance,
    Answer,
    Application,
    Coverage,
    Mandate,
    Person,
    Receipt,
    ResourceAnswer,
    ScheduleRow,
    SectionHead,
    SectionRoot,
    SubQuery,
    Warrant,
)
from tests.vectors.identities import NOW, DeterministicSigner, Draws, member

APPLICATION_ID = "0199c1de-7000-7000-8000-000000000037"
RELEASE = 3
DAY = 24 * 3600 * 1000
SECTIONS = ((0, 1, 2), (3,))
"""Which persons stand in which section."""

SCHEDULE: list[ScheduleRow] = [
    {
        "row": 1,
        "provider": "all",
        "category": "household_registration",
        "period": {"kind": "latest", "start": None, "end": None},
    },
    {
        "row": 2,
        "provider": "53",
        "category": "vehicles_vessels",
        "period": {"kind": "range", "start": "2026-01-01", "end": "2026-12-31"},
    },
]


def draw(name: str, n: int) -> bytes:
    """`n` bytes that belong to `name`."""
    return Draws(name)(n)


@cache
def reply_key() -> SealingKey:
    """The mandate's reply key."""
    return SealingKey.generate(Draws("reply key"))


@dataclass(frozen=True)
class Seal:
    """A seal with all that was drawn for it: S, content key, IV, then 40 bytes for each recipient's ephemeral key."""

    sender: str
    readers: Sequence[SealingKey]
    secret: bytes
    raw: bytes
    drawn: list[bytes]


def seal(name: str, sender: str, readers: Sequence[SealingKey]) -> Seal:
    """The same seal each time for a name."""
    draws = Draws(f"seal/{name}")
    secret, raw = sealing.new_seal(sender, [reader.public for reader in readers], draws)
    return Seal(sender, readers, secret, raw, draws.drawn)


@cache
def seals() -> dict[str, Seal]:
    """Of each sealed kind, and one with the center as second reader."""
    center, provider = member("center").sealing, member("53").sealing
    return {
        "application": seal("application", "37", [center]),
        "request": seal("request", "center", [provider]),
        "answer": seal("answer", "53", [reply_key()]),
        "answer_to_center_too": seal("answer_to_center_too", "53", [reply_key(), center]),
    }


def persons() -> list[Person]:
    """The roster."""
    rows = (("1", "测试甲", "户主"), ("1", "测试乙", "配偶"), ("2", "测试丙", "户主"), ("3", "测试丁", "户主"))
    return [
        Person(
            number=number,
            household=household,
            name=name,
            document_type="resident_id",
            document_number=f"37010019000101000{number}",
            relation=relation,
            birth_date=None,
            guardian_name=None,
            guardian_document_number=None,
            consent_reference=f"C-{number}",
            consent_by="self",
            consent_scope="nationwide",
            consent_date="2027-01-04",
        )
        for number, (household, name, relation) in enumerate(rows, 1)
    ]


@cache
def encoded_section(number: int) -> list[bytes]:
    """Person bytes of section `number`, from 1."""
    return [framing.write("Person", persons()[index]) for index in SECTIONS[number - 1]]


def salt(number: int) -> bytes:
    """Section salt."""
    return draw(f"salt/{number}", 32)


def application() -> Application:
    """The form."""
    return Application(
        application_id=APPLICATION_ID,
        requester="37",
        addressee="民政部低收入家庭认定指导中心",
        legal_basis="《社会救助暂行办法》",
        approving_authority="测试县民政局",
        business_category="最低生活保障",
        purpose="认定最低生活保障对象",
        lead_person="测试甲",
        person_count=4,
        consent_held=True,
        consent_scope="nationwide",
        roster_date="2027-01-14",
        roster_dataset="测试名单",
        contact_name="测试",
        contact_phone="0531-00000000",
        form_date="2027-01-15",
        schedule=SCHEDULE,
        seal_to_center=False,
        unit_consent=None,
        recheck=None,
    )


def mandate_record() -> Mandate:
    """What 37 signs."""
    sections = range(1, len(SECTIONS) + 1)
    return Mandate(
        application_id=APPLICATION_ID,
        requester="37",
        entrusting_unit="测试县民政局",
        approving_authority="测试县民政局",
        business_category="最低生活保障",
        purpose="认定最低生活保障对象",
        schedule=SCHEDULE,
        reply_key=reply_key().public_bytes,
        suite=1,
        sections=[
            SectionRoot(root=roster.section_root(salt(n), encoded_section(n)), count=len(encoded_section(n)))
            for n in sections
        ],
        evidence=[draw("evidence", 32)],
        catalog_release=RELEASE,
        not_after=NOW + 14 * DAY,
        seal_to_center=False,
        checkpoint=None,
        unit_consent=None,
        recheck=None,
    )


def acceptance_record() -> Acceptance:
    """What the center signs."""
    return Acceptance(
        application_id=APPLICATION_ID,
        requester="37",
        mandate_digest=mandate().digest,
        catalog_release=RELEASE,
        sub_queries=[
            SubQuery(
                provider="53",
                row=row["row"],
                category=row["category"],
                period=row["period"],
                deadline=NOW + DAY,
                coverage=Coverage(
                    region="云南省",
                    region_codes=["53"],
                    levels=["province", "city", "county"],
                    period_covered="2000 年以来",
                    as_of="2027-01-01",
                ),
            )
            for row in SCHEDULE
        ],
        suspended=[],
        accepted_at=NOW,
        calendar="",
    )


def receipt_record() -> Receipt:
    """37's delivery receipt for 53's first bundle."""
    return Receipt(
        kind="delivered",
        application_id=APPLICATION_ID,
        provider="53",
        envelope_id=None,
        envelope_digest=None,
        bundles=[answer_bundles()[0].leaf],
        at=NOW,
    )


def sign(
    typ: str, payload: bytes, party: str, audience: str, signer: DeterministicSigner | None = None
) -> SignedObject:
    """`payload` signed now, with an id of its own."""
    cti = signed.uuid7(NOW, Draws(f"cti/{typ}/{party}/{audience}"))
    return signed.sign(typ, payload, signer or member(party).signer, audience=audience, now=NOW, cti=cti)


@cache
def mandate() -> SignedObject:
    """hedx/1/mandate."""
    return sign("mandate", framing.encode("Mandate", mandate_record()), "37", "center")


@cache
def acceptance() -> SignedObject:
    """hedx/1/acceptance."""
    return sign("acceptance", framing.encode("Acceptance", acceptance_record()), "center", "37")


@cache
def receipt() -> SignedObject:
    """hedx/1/receipt."""
    return sign("receipt", framing.encode("Receipt", receipt_record()), "37", "center")


def header(kind: str, sender: str, to: str, name: str, **fields: object) -> Header:
    """A header of this application."""
    values: dict[str, object] = {
        "kind": kind,
        "bundle_id": draw(f"bundle/{name}", 16),
        "sender": sender,
        "to": to,
        "requester": "37",
        "application_id": APPLICATION_ID,
        "mandate_digest": mandate().digest,
        "version": 1,
    }
    return Header(**(values | fields))  # type: ignore[arg-type]


def heads(number: int, *, to_center: bool) -> list[bytes]:
    """Records 0 and 1 of a section bundle."""
    warrant = Warrant(mandate=mandate().raw, acceptance=None if to_center else acceptance().raw)
    head = SectionHead(
        origin=None,
        salt=salt(number),
        roster_date="2027-01-14",
        roster_dataset="测试名单",
        application=application() if to_center else None,
    )
    return [framing.encode("Warrant", warrant), framing.encode("SectionHead", head)]


@cache
def section_bundle(kind: str, number: int) -> SealedBundle:
    """Section `number` from 37 to the center (`application`) or from the center to 53 (`request`)."""
    to_center = kind == "application"
    sender, to = ("37", "center") if to_center else ("center", "53")
    records = encoded_section(number)
    asked = {} if to_center else {"provider": "53", "rows": (1, 2)}
    head = header(
        kind,
        sender,
        to,
        f"{kind}/{number}",
        section=number,
        sections=len(SECTIONS),
        members=members.to_bytes(members.full(len(records))),
        release=RELEASE,
        schema=schemas.schema_id("Person"),
        **asked,
    )
    made = seals()[kind]
    return bundles.seal_bundle(head, records, made.secret, made.raw, heads=heads(number, to_center=to_center))


def answer(index: int) -> bytes:
    """53's answer about one person: nothing on record under row 1, one vehicle under row 2 for the first person."""
    vehicle = {"items": [{"item": "plate", "value": "云A00000"}]}
    results = [
        ResourceAnswer(
            row=1,
            status="no_record",
            as_of="2027-01-01",
            coverage="云南省",
            entries=[],
            region_codes=None,
            levels=None,
        ),
        ResourceAnswer(
            row=2,
            status="no_record" if index else "found",
            as_of="2027-01-01",
            coverage="云南省",
            entries=[] if index else [vehicle],  # type: ignore[list-item]
            region_codes=None,
            levels=None,
        ),
    ]
    return framing.write("Answer", Answer(index=index, results=results))


@cache
def answer_bundles() -> list[SealedBundle]:
    """53's bundles: persons 0 and 2 of section 1 answered, person 1 refused, section 2 put off."""

    def head(name: str, number: int, mask: int, **fields: object) -> Header:
        return header(
            "answer",
            "53",
            "37",
            f"answer/{name}",
            section=number,
            sections=len(SECTIONS),
            members=members.to_bytes(mask),
            provider="53",
            rows=(1, 2),
            release=RELEASE,
            answers=section_bundle("request", number).leaf,
            schema=schemas.schema_id("Answer"),
            **fields,
        )

    made = seals()["answer"]
    return [
        bundles.seal_bundle(head("done", 1, 0b101, outcome="done"), [answer(0), answer(2)], made.secret, made.raw),
        bundles.clear_bundle(head("refused", 1, 0b010, outcome="refused", code="consent_withdrawn"), []),
        bundles.clear_bundle(head("later", 2, 1, outcome="unavailable", until=NOW + 2 * DAY), []),
    ]


@cache
def receipt_bundle() -> SealedBundle:
    """37's delivery receipt on its way to 53."""
    head = header("receipt", "center", "53", "receipt", schema=schemas.schema_id("Receipt"))
    return bundles.clear_bundle(head, [receipt().raw])


def envelope(name: str, content: Sequence[SealedBundle], party: str, audience: str) -> Envelope:
    """`content` signed now by `party`."""
    cti = signed.uuid7(NOW, Draws(f"cti/envelope/{name}"))
    return envelopes.build(content, member(party).signer, audience=audience, now=NOW, cti=cti)


@cache
def request_envelope() -> Envelope:
    """center -> 53: both sections under one seal, and a receipt."""
    content = [section_bundle("request", 1), section_bundle("request", 2), receipt_bundle()]
    return envelope("request", content, "center", "53")


@cache
def answer_envelope() -> Envelope:
    """53 -> center."""
    return envelope("answer", answer_bundles(), "53", "center")


@cache
def relay_bundle() -> SealedBundle:
    """The center's bundle around 53's first."""
    sign1, proof = answer_proof(0)
    inner = answer_bundles()[0]
    head = header(
        "relay",
        "center",
        "37",
        "relay",
        section=1,
        sections=len(SECTIONS),
        provider="53",
        rows=(1, 2),
        release=RELEASE,
        schema=schemas.schema_id("Answer"),
    )
    return bundles.clear_bundle(head, [relay_record(sign1, inner.raw, *proof)])


def answer_proof(index: int) -> tuple[bytes, tuple[int, int, list[bytes]]]:
    """(sign1, (index, size, path)) of one bundle of 53's envelope."""
    sign1 = cbor.loads(answer_envelope().value)[0]
    leaves = [bundle.leaf for bundle in answer_bundles()]
    return sign1, (index, len(leaves), merkle.path(leaves, index, merkle.BUNDLE_NODE))


@cache
def relay_envelope() -> Envelope:
    """center -> 37: the relayed answer and the acceptance."""
    head = header("acceptance", "center", "37", "acceptance")
    notice = bundles.clear_bundle(head, [acceptance().raw])
    return envelope("relay", [relay_bundle(), notice], "center", "37")
