"""Denial of service: what is oversized, malformed, endless or too often is refused by name, at a bounded price.

Each attack ends the same way: the code is in the log and in the dead letters (or in the signed rejection), no state is left
behind, nobody's data is anywhere it should not be, and the next honest message is worked on.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, cose, envelopes, merkle, sealing, signed, suite
from pipeline.crypto.bundles import Bundle, SealedBundle
from pipeline.crypto.headers import Header
from pipeline.crypto.suite import H
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.allowance import MOST, WITHHELD
from pipeline.kafka.memory import MemoryWorker
from pipeline.kafka.rejections import EACH, TOGETHER
from pipeline.stages import topics
from pipeline.stages.effects import Effects, Message, Output, Overlay
from pipeline.stages.events import EventLog
from pipeline.stages.intake import Intake
from pipeline.stages.mailbag import Mailbag
from pipeline.stages.notices import Notice, post
from pipeline.stages.reference import publish_catalog
from tests.attacks.stand import Stand
from tests.forgery import Opened, send, take_apart
from tests.network import PARTITIONS, Network
from tests.scenario import assert_equals_oracle, network_for

ATTACKER = "37"
REQUESTER = "53"
FLOOD = 10_000


class Lines(logging.Handler):
    """What the workers write about rejections."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._began = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())

    def room(self, a_second: int) -> int:
        """How many lines there may be by now at so many a second, those of its summary not counted."""
        return (a_second + 1) * (int(time.monotonic() - self._began) + 2)

    def codes(self) -> list[str]:
        """Codes of the rejections that got a line of their own."""
        return [line.split()[1] for line in self.lines if line.startswith("rejected ")]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The lines of this test."""
    handler = Lines()
    rejection_log = logging.getLogger("pipeline.kafka.rejections")
    rejection_log.addHandler(handler)
    yield handler
    rejection_log.removeHandler(handler)


@pytest.fixture(scope="module")
def sample(stand: Stand) -> Sample:
    """The persons of the stand's applications, asked about at its parties."""
    return stand.sample


@pytest.fixture(scope="module")
def besieged(stand: Stand) -> Network:
    """A network that all single attacks go against, one after the other: it has to survive every one of them."""
    return stand.network


# -- looking ------------------------------------------------------------------------------------------------------------


def intake(network: Network) -> MemoryWorker:
    """The center's front door."""
    [worker] = [worker for worker in network.workers if worker.stage.name == "intake"]
    return worker


def collect(network: Network) -> MemoryWorker:
    """Where answers come in."""
    [worker] = [worker for worker in network.workers if worker.stage.name == "collect"]
    return worker


def state(worker: MemoryWorker) -> dict[tuple[int, bytes], bytes]:
    """All that a worker's stage remembers."""
    return {(p, key): value for p in range(PARTITIONS) for key, value in worker.store.scan(p, b"")}


def ends(network: Network, *names: str) -> list[int]:
    """How many records each topic has."""
    return [len(network.broker.messages(name)) for name in names]


def letters(network: Network) -> list[tuple[str, bytes | None]]:
    """Code and value of each dead letter of the center."""
    found = []
    for letter in network.broker.messages(topics.DEAD_LETTERS):
        headers = dict(letter.headers)
        found.append((headers["__connect.errors.exception.message"].decode(), letter.value))
    return found


def withheld(network: Network) -> Counter[tuple[str | None, str | None]]:
    """(claimed issuer, code) -> messages counted instead of kept, as the events tell."""
    counts = Counter[tuple[str | None, str | None]]()
    for message in network.broker.messages(topics.EVENTS):
        event = framing.decode_as("LifecycleEvent", message.value or b"")
        if event["kind"] == WITHHELD:
            counts[event["party"], event["code"]] += event["count"]
    return counts


def assert_nothing_personal(network: Network, sample: Sample, lines: Lines) -> None:
    """No name and no number of anybody in a log line, a header, a key, an event or a dead letter's story."""
    public = "\n".join(lines.lines).encode()
    for topic in (topics.DEAD_LETTERS, topics.EVENTS):
        for message in network.broker.messages(topic):
            public += (message.key or b"") + b"".join(value for _, value in message.headers)
            public += (message.value or b"") if topic == topics.EVENTS else b""
    for person in sample.persons:
        for secret in (person["name"], person["document_number"]):
            assert not secret or secret.encode() not in public


def sections_received(network: Network, *since: int) -> list[dict[str, Any]]:
    """What intake passed on, from these offsets on."""
    found = [m for p, offset in enumerate(since) for m in network.broker.read(topics.APPLICATIONS, p, offset)]
    return [framing.decode_as("SectionReceived", message.value or b"") for message in found]


def assert_open_for_business(network: Network) -> None:
    """An honest envelope is receipted."""
    before = ends(network, inbox(REQUESTER, "responses"))
    receipt = delivery(network, REQUESTER)
    send(network, REQUESTER, CENTER, "requests", post(Notice("receipt", CENTER, REQUESTER, "a"), [receipt], REQUESTER))
    intake(network).run_until_idle()
    assert ends(network, inbox(REQUESTER, "responses")) == [before[0] + 1]


# -- making -------------------------------------------------------------------------------------------------------------


def delivery(network: Network, party: str) -> bytes:
    """A delivery receipt of `party`, as it should be."""
    record = {
        "kind": "delivered",
        "application_id": "a",
        "provider": "32",
        "envelope_id": None,
        "envelope_digest": None,
        "bundles": [bytes(32)],
        "at": network.clock(),
    }
    signer = network.identities[party].signer
    return signed.sign("receipt", framing.encode("Receipt", record), signer, audience=CENTER, now=network.clock()).raw


def notice(sender: str = ATTACKER, records: Sequence[bytes] = (b"r",), **header: Any) -> SealedBundle:
    """A clear bundle, its header changed."""
    return bundles.clear_bundle(replace(_header(sender), **header), records)


def _header(sender: str) -> Header:
    return Header("receipt", os.urandom(16), sender, CENTER, sender, "a", version=1)


def raw_bundle(header: bytes, seal: bytes | None = None, records: Sequence[bytes] = (b"r",)) -> bytes:
    """Three items that may or may not be a bundle."""
    return cbor.dumps([header, seal, list(records)])


def signed_over(network: Network, raws: Sequence[bytes], payload: bytes | None = None, **claims: int) -> bytes:
    """An envelope that the attacker has rightly signed, whatever it holds."""
    leaves = [_leaf(raw) for raw in raws]
    body = payload or envelopes.encode_root(merkle.root(leaves, merkle.BUNDLE_NODE), len(leaves))
    signer = network.identities[ATTACKER].signer
    now = claims.get("now", network.clock())
    sign1 = signed.sign("envelope", body, signer, audience=CENTER, now=now)
    return cbor.dumps([sign1.raw, list(raws)])


def _leaf(raw: bytes) -> bytes:
    header, seal, records = cbor.loads(raw, 2)
    return bundles.bundle_leaf(H(header), seal, records)


def honest(network: Network, *sealed: SealedBundle, now: int | None = None, audience: str = CENTER) -> bytes:
    """An envelope of the attacker's, built as everybody builds them."""
    signer = network.identities[ATTACKER].signer
    return envelopes.build(sealed or [notice()], signer, audience=audience, now=now or network.clock()).value


def with_signature(value: bytes, signature: bytes) -> bytes:
    """The envelope under other signature bytes."""
    sign1 = cbor.leading(value)
    return value.replace(sign1, sign1[: -len(signature)] + signature, 1)


def junk(value: bytes) -> bytes:
    """The envelope under a signature that is none, never the same twice."""
    return with_signature(value, b"\x01" + os.urandom(63))


# -- one message each ---------------------------------------------------------------------------------------------------

Attack = Callable[[Network], bytes]


def huge_value(_: Network) -> bytes:
    """More than an envelope may have."""
    return bytes(envelopes.HARD_LIMIT + 1)


def deep_nesting(_: Network) -> bytes:
    """A thousand arrays in each other, for a reader that recurses."""
    return b"\x81" * 1000 + b"\x80"


def endless_lengths(_: Network) -> bytes:
    """An array without a length."""
    return b"\x9f" + b"\x41a" * 100_000 + b"\xff"


def declared_exabytes(_: Network) -> bytes:
    """A byte string said to have 2^63 bytes, for a reader that allocates first."""
    return b"\x82" + cbor.head(2, 1 << 63) + b"x"


def declared_items(_: Network) -> bytes:
    """An array said to have four thousand million items."""
    return cbor.head(4, 1 << 32) + b"\x41a" * 100


def duplicate_keys(network: Network) -> bytes:
    """The same key sixty times in what should be a protected header."""
    keys = cbor.head(5, 60) + b"\x01\x01" * 60
    return cbor.dumps([cbor.dumps([keys, {}, b"p", bytes(64)]), [notice().raw]])


def colliding_keys(network: Network) -> bytes:
    """A rightly signed header of keys whose hashes agree in their lower 44 bits, for tables that degrade."""
    keys = cbor.head(5, 400) + b"".join(cbor.head(0, (n + 1) << 44) + b"\x01" for n in range(400))
    return signed_over(network, [raw_bundle(keys)])


def out_of_proportion(_: Network) -> bytes:
    """Nine hundred thousand bundles of no byte each: reading them one by one would take longer than any signature."""
    return cbor.head(4, 2) + b"\x41a" + cbor.head(4, 900_000) + b"\x40" * 900_000


def no_bundles(network: Network) -> bytes:
    """A signature over nothing."""
    sign1 = cbor.leading(honest(network))
    return cbor.dumps([sign1, []])


def huge_payload(network: Network) -> bytes:
    """A rightly signed payload of 800 KiB where 40 bytes belong."""
    return signed_over(network, [notice().raw], cbor.dumps({1: bytes(32), 2: 1, 3: bytes(800 * 1024)}))


def absurd_count(network: Network) -> bytes:
    """One bundle, said to be 2^62."""
    leaf = notice()
    return signed_over(
        network, [leaf.raw], envelopes.encode_root(merkle.root([leaf.leaf], merkle.BUNDLE_NODE), 1 << 62)
    )


def huge_header(network: Network) -> bytes:
    """A rightly signed header of 800 KiB."""
    return signed_over(network, [raw_bundle(bytes(800 * 1024))])


def deep_header(network: Network) -> bytes:
    """A rightly signed header of nothing but arrays."""
    return signed_over(network, [raw_bundle(b"\x81" * 4000 + b"\x80")])


def many_records(network: Network) -> bytes:
    """Three hundred thousand empty records behind a header that names one."""
    header = replace(_header(ATTACKER), count=1).encode()
    return signed_over(network, [raw_bundle(header, None, [b""] * 300_000)])


def more_records_than_named(network: Network) -> bytes:
    """Four thousand records behind a header that names one."""
    header = replace(_header(ATTACKER), count=1).encode()
    return signed_over(network, [raw_bundle(header, None, [bytes(40)] * 4000)])


def many_bundles(network: Network) -> bytes:
    """As many bundles as fit, all by one name."""
    bundle = notice(bundle_id=bytes(16))
    return signed_over(network, [bundle.raw] * (800_000 // (len(bundle.raw) + 3)))


def huge_seal(network: Network) -> bytes:
    """A seal of 800 KiB on a bundle that has none."""
    return signed_over(network, [raw_bundle(replace(_header(ATTACKER), count=1).encode(), bytes(800 * 1024))])


def absurd_padding(network: Network) -> bytes:
    """Records said to be padded to four thousand million bytes."""
    header = replace(_header(ATTACKER), kind="application", count=1, padded=0xFFFFFF80).encode()
    return signed_over(network, [raw_bundle(header, b"seal")])


def not_a_bundle(network: Network) -> bytes:
    """A bundle that is a number."""
    sign1 = signed.sign(
        "envelope",
        envelopes.encode_root(bytes(32), 1),
        network.identities[ATTACKER].signer,
        audience=CENTER,
        now=network.clock(),
    )
    return cbor.dumps([sign1.raw, [cbor.dumps(7)]])


def many_receipts(network: Network) -> bytes:
    """A thousand delivery receipts in a bundle that may hold one."""
    return honest(network, notice(records=[delivery(network, ATTACKER)] * 1000))


def receipts_of_nothing(network: Network) -> bytes:
    """A hundred bundles, each with a receipt that is no signed object."""
    return honest(network, *(notice(records=[b"\x84"]) for _ in range(100)))


def wrong_kind(network: Network) -> bytes:
    """Answers belong in the other inbox."""
    return honest(network, notice(kind="certificate"))


def from_tomorrow(network: Network) -> bytes:
    """Issued a day ahead, to be remembered for longer than allowed."""
    return honest(network, now=network.clock() + 24 * 3600 * 1000)


def from_last_month(network: Network) -> bytes:
    """Genuine once, expired by now: recorded traffic played back."""
    value = honest(network)
    network.clock.advance(14 * 24 * 3600 + 2)
    return value


def for_somebody_else(network: Network) -> bytes:
    """Genuine, but another's post."""
    return honest(network, audience="32")


def bad_signature(network: Network) -> bytes:
    """All is well but the signature."""
    return junk(honest(network))


def long_signature(network: Network) -> bytes:
    """A signature of 100,000 bytes."""
    protected, _, payload, _ = cbor.loads(cbor.leading(honest(network)))
    return cbor.dumps([cbor.dumps([protected, {}, payload, bytes(100_000)]), [notice().raw]])


def long_issuer(network: Network) -> bytes:
    """An issuer of 500,000 letters, for whoever counts or logs by issuer."""
    protected, _, payload, signature = cbor.loads(cbor.leading(honest(network)))
    header = cbor.loads(protected)
    header[cose.CWT_CLAIMS][cose.ISS] = "\n\u202e" * 250_000
    return cbor.dumps([cbor.dumps([cbor.dumps(header), {}, payload, signature]), [notice().raw]])


ATTACKS: dict[Attack, str] = {
    huge_value: "size",
    deep_nesting: "cbor_invalid",
    endless_lengths: "cbor_invalid",
    declared_exabytes: "cbor_invalid",
    declared_items: "cbor_invalid",
    duplicate_keys: "cbor_invalid",
    out_of_proportion: "envelope_invalid",
    long_signature: "size",
    long_issuer: "size",
    no_bundles: "envelope_invalid",
    huge_payload: "size",
    absurd_count: "root_mismatch",
    huge_header: "header_invalid",
    deep_header: "cbor_invalid",
    colliding_keys: "cbor_invalid",
    many_records: "bundle_invalid",
    more_records_than_named: "count_mismatch",
    many_bundles: "bundle_id_repeated",
    huge_seal: "seal_unexpected",
    absurd_padding: "size_mismatch",
    not_a_bundle: "bundle_invalid",
    many_receipts: "receipt_count",
    receipts_of_nothing: "cbor_invalid",
    wrong_kind: "kind_unexpected",
    from_tomorrow: "issued_in_future",
    from_last_month: "expired",
    for_somebody_else: "audience_mismatch",
    bad_signature: "signature_invalid",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_single_message_is_refused_by_name_at_a_bounded_price(
    stand: Stand, caplog: pytest.LogCaptureFixture, besieged: Network, lines: Lines, attack: Attack
) -> None:
    """One line, one dead letter with the bytes as they came, less than a second, no state, and business goes on."""
    caplog.set_level(logging.DEBUG)
    worker, value = intake(besieged), attack(besieged)
    before, count = state(worker), len(letters(besieged))
    sent = besieged.broker.produce(inbox(CENTER, "requests"), b"key", value)
    started = time.process_time()
    worker.run_until_idle()
    assert time.process_time() - started < 1
    assert state(worker) == before
    place = f"{sent.topic}/{sent.partition}/{sent.offset}"
    assert lines.codes() == [ATTACKS[attack]]
    assert lines.lines[0].startswith(f"rejected {ATTACKS[attack]} {place} issuer=")
    assert len(lines.lines[0]) < 500
    assert lines.lines[0].isprintable()
    assert letters(besieged)[count:] == [(ATTACKS[attack], value)]
    assert_open_for_business(besieged)
    assert stand.leaks(caplog) == []


# -- inside what is sealed ----------------------------------------------------------------------------------------------

Alteration = Callable[[Opened, Network], SealedBundle]


def resealed(opened: Opened, network: Network, *heads: bytes, persons: Sequence[bytes] | None = None) -> SealedBundle:
    """The section under its requester's own seal, with other plaintext in it."""
    secret, seal = sealing.new_seal(REQUESTER, [network.reference.trust.sealing_key(CENTER)])
    header = replace(opened.header, bundle_id=os.urandom(16), padded=0)
    warrant, head = framing.encode("Warrant", opened.warrant), framing.encode("SectionHead", opened.head)
    return bundles.seal_bundle(
        header, opened.persons if persons is None else persons, secret, seal, heads=[*heads, warrant, head][:2]
    )


def unknown_schema(opened: Opened, network: Network) -> SealedBundle:
    """A warrant under a schema that nobody has."""
    return resealed(opened, network, b"\xde\xad\xbe\xef" * 2 + bytes(50))


def lying_length(opened: Opened, network: Network) -> SealedBundle:
    """A mandate said to have 2^62 bytes."""
    return resealed(opened, network, framing.encode("Warrant", opened.warrant)[:8] + b"\xfe" * 8 + b"\x7f")


def null_array(opened: Opened, network: Network) -> SealedBundle:
    """Six bytes that say: a thousand million items."""
    head = framing.encode("SectionHead", opened.head)
    return resealed(opened, network, framing.encode("Warrant", opened.warrant), head[:8] + b"\x80\xa8\xd6\xb9\x07\x00")


def negative_blocks(opened: Opened, network: Network) -> SealedBundle:
    """A block of minus 2^62 items."""
    head = framing.encode("SectionHead", opened.head)
    return resealed(opened, network, framing.encode("Warrant", opened.warrant), head[:8] + b"\xff" * 9 + b"\x01\x00")


def many_recipients(opened: Opened, network: Network) -> SealedBundle:
    """A seal for two hundred recipients: the reader would try a key agreement for each."""
    genuine = opened.seal(network.identities[REQUESTER], network)
    header, seal, records = cbor.loads(genuine.raw, 2)
    body, iv, ciphertext, recipients = cbor.loads(seal)
    raw = cbor.dumps([header, cbor.dumps([body, iv, ciphertext, recipients * 200]), records])
    return SealedBundle(raw, bundles.split(raw).leaf, genuine.count, genuine.header)


def junk_seal(opened: Opened, network: Network) -> SealedBundle:
    """A seal that is an empty map."""
    genuine = opened.seal(network.identities[REQUESTER], network)
    header, _, records = cbor.loads(genuine.raw, 2)
    raw = cbor.dumps([header, b"\xa0", records])
    return SealedBundle(raw, bundles.split(raw).leaf, genuine.count, genuine.header)


def lying_padding(opened: Opened, network: Network) -> SealedBundle:
    """A record that says of itself to have four thousand million bytes: what a compression bomb is without compression."""
    secret, seal = sealing.new_seal(REQUESTER, [network.reference.trust.sealing_key(CENTER)])
    genuine = bundles.seal_bundle(
        replace(opened.header, bundle_id=os.urandom(16), padded=0),
        opened.persons,
        secret,
        seal,
        heads=[framing.encode("Warrant", opened.warrant), framing.encode("SectionHead", opened.head)],
    )
    header, _, records = cbor.loads(genuine.raw, 2)
    digest = H(header)
    bomb = b"\xff\xff\xff\xff".ljust(128, b"\0")
    [record] = bundles._seal_records([bomb], bundles.bundle_key(secret, digest), digest)
    raw = cbor.dumps([header, seal, [record, *records[1:]]])
    return SealedBundle(raw, bundles.split(raw).leaf, genuine.count, genuine.header)


def more_persons_than_signed_for(opened: Opened, network: Network) -> SealedBundle:
    """Sixty times the persons of the mandate."""
    opened.set_persons(opened.persons * 60)
    return opened.seal(network.identities[REQUESTER], network)


def absurd_sections(opened: Opened, network: Network) -> SealedBundle:
    """One section said to be the first of a thousand: the center would wait for the others."""
    opened.header = replace(opened.header, sections=1000)
    return opened.seal(network.identities[REQUESTER], network)


def endless_mandate(opened: Opened, network: Network) -> SealedBundle:
    """A mandate that ended long ago, sent again and again."""
    opened.sign_mandate(network.identities[REQUESTER], network.clock(), not_after=1)
    opened.follow_mandate()
    return opened.seal(network.identities[REQUESTER], network)


ALTERATIONS: dict[Alteration, str] = {
    unknown_schema: "schema_unknown",
    lying_length: "avro_invalid",
    null_array: "avro_invalid",
    negative_blocks: "avro_invalid",
    many_recipients: "size",
    junk_seal: "seal_invalid",
    lying_padding: "padding_invalid",
    more_persons_than_signed_for: "header_contradicts_mandate",
    absurd_sections: "header_contradicts_mandate",
    endless_mandate: "mandate_expired",
}


@pytest.fixture(scope="module")
def section(sample: Sample, besieged: Network) -> Bundle:
    """A genuine section of the requester's, kept from the center."""
    filing = besieged.file(sample.application, sample.persons)
    besieged.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
    return bundles.parse_bundle(filing.bundles[0].raw)


@pytest.mark.parametrize("alteration", ALTERATIONS, ids=lambda alteration: alteration.__name__)
def test_a_sealed_section_is_refused_by_name_at_a_bounded_price(
    stand: Stand,
    caplog: pytest.LogCaptureFixture,
    besieged: Network,
    section: Bundle,
    lines: Lines,
    alteration: Alteration,
) -> None:
    """What only the center can see is refused with a reason for its requester, logged, and not kept."""
    caplog.set_level(logging.DEBUG)
    opened = take_apart(section, besieged.identities[CENTER])
    sealed = alteration(opened, besieged)
    send(besieged, REQUESTER, CENTER, "requests", sealed)
    before = ends(besieged, topics.DEAD_LETTERS)
    before_places = [besieged.broker.end(topics.APPLICATIONS, p) for p in range(PARTITIONS)]
    started = time.process_time()
    intake(besieged).run_until_idle()
    assert time.process_time() - started < 1
    assert lines.codes() == [ALTERATIONS[alteration]]
    assert f" issuer={REQUESTER} stage=intake" in lines.lines[0]
    assert ends(besieged, topics.DEAD_LETTERS) == before
    [received] = sections_received(besieged, *before_places)
    assert [fault["args"]["reason"] for fault in received["faults"]] == [ALTERATIONS[alteration]]
    assert received["bundle"] is None
    assert_open_for_business(besieged)
    assert stand.leaks(caplog) == []


# -- too much -----------------------------------------------------------------------------------------------------------


def junk_of(network: Network, count: int) -> list[bytes]:
    """Bad signatures, each other bytes."""
    base = honest(network)
    return [junk(base) for _ in range(count)]


def flood(network: Network, values: Sequence[bytes], kind: str = "requests") -> None:
    """Send them all to the center."""
    for number, value in enumerate(values):
        network.broker.produce(inbox(CENTER, kind), b"%d" % number, value)  # type: ignore[arg-type]


def test_ten_thousand_bad_signatures_hold_nobody_up(sample: Sample, tmp_path: Path, lines: Lines) -> None:
    """One honest application in the middle of them: it is done, the time is that of the signatures, traces are few."""
    network = network_for(sample, tmp_path)
    values = junk_of(network, FLOOD)
    flood(network, values[: FLOOD // 2])
    network.file(sample.application, sample.persons)
    network.send(REQUESTER)
    flood(network, values[FLOOD // 2 :])
    started = time.process_time()
    network.run()
    assert time.process_time() - started < 10
    assert_equals_oracle(network, sample)
    kept = letters(network)
    assert Counter(code for code, _ in kept) == {"signature_invalid": MOST}
    network.clock.advance(60)
    network.run()
    assert withheld(network) == {(ATTACKER, "signature_invalid"): FLOOD - MOST}, "every one is kept or counted"
    assert len(lines.lines) <= lines.room(EACH)
    assert sum(map(_told, lines.lines)) == FLOOD
    assert_nothing_personal(network, sample, lines)


def _told(line: str) -> int:
    """How many rejections a line of the log stands for."""
    return 1 if line.startswith("rejected") else int(line.split()[2].replace(",", ""))


def test_the_same_bad_signature_again_and_again_is_checked_once(
    besieged: Network, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever repeats junk pays for sending it, and the center next to nothing: it knows it."""
    value = bad_signature(besieged)
    checked: list[bytes] = []
    verify = suite.verify

    def counted(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
        checked.append(signature)
        verify(key, signature, data)

    monkeypatch.setattr(suite, "verify", counted)
    flood(besieged, [value] * 2000)
    intake(besieged).run_until_idle()
    assert len(checked) == 1
    assert set(lines.codes()) == {"signature_invalid"}


def test_others_are_worked_on_before_a_name_under_suspicion(besieged: Network, lines: Lines) -> None:
    """Once bad signatures have come in a name, the others' messages of a batch are receipted first, in their own transaction."""
    worker = intake(besieged)
    flood(besieged, junk_of(besieged, 1))
    worker.run_until_idle()
    flood(besieged, junk_of(besieged, 50))
    receipt = post(Notice("receipt", CENTER, REQUESTER, "a"), [delivery(besieged, REQUESTER)], REQUESTER)
    honest_message = send(besieged, REQUESTER, CENTER, "requests", receipt)
    transactions = []
    transact = besieged.broker.transact

    def record(records: Iterable[Output], group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        written = list(records)
        transactions.append([output.topic for output in written])
        transact(written, group, offsets)

    besieged.broker.transact = record  # type: ignore[method-assign]
    try:
        worker._turn()
    finally:
        besieged.broker.transact = transact  # type: ignore[method-assign]
    first, second = transactions
    assert inbox(REQUESTER, "responses") in first
    assert topics.DEAD_LETTERS not in first
    assert inbox(REQUESTER, "responses") not in second
    place = honest_message.topic, honest_message.partition
    assert besieged.broker.committed(worker.group, *place) == besieged.broker.end(*place)
    assert set(lines.codes()) == {"signature_invalid"}


def test_junk_in_anothers_name_delays_it_and_loses_nothing(sample: Sample, tmp_path: Path, lines: Lines) -> None:
    """The requester's own name is flooded: its application waits behind the junk, and is done."""
    network = network_for(sample, tmp_path)
    signer = network.identities[REQUESTER].signer
    base = envelopes.build([notice(REQUESTER)], signer, audience=CENTER, now=network.clock()).value
    flood(network, [junk(base) for _ in range(300)])
    intake(network).run_until_idle()
    flood(network, [junk(base) for _ in range(300)])
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)
    assert set(lines.codes()) == {"signature_invalid"}


def test_dead_letters_stay_few_whatever_name_junk_comes_in(besieged: Network, lines: Lines) -> None:
    """Junk of nobody, of junk's own making and in many names: each name has its allowance, and no more."""
    network, before = besieged, len(letters(besieged))
    intake(network).run_until_idle()
    network.clock.advance(3600)
    lines.lines.clear()
    bases = {}
    for party in ("00", "32", "37", "53"):
        signer = network.identities[party].signer
        bases[party] = envelopes.build([notice(party)], signer, audience=CENTER, now=network.clock()).value
    values = [os.urandom(200) for _ in range(1000)]
    values += [junk(base) for base in bases.values() for _ in range(500)]
    flood(network, values)
    intake(network).run_until_idle()
    assert len(letters(network)) - before == MOST * (1 + len(bases))
    written = [line for line in lines.lines if line.startswith("rejected")]
    assert len(written) <= lines.room(TOGETHER)
    assert sum(map(_told, lines.lines)) == len(values)


@pytest.mark.parametrize("kind", ["requests", "responses"])
def test_refused_messages_leave_the_state_as_it_was(besieged: Network, lines: Lines, kind: str) -> None:
    """Ten thousand of them, of all kinds: the stage remembers nothing of it, and its changelog has not grown."""
    worker = intake(besieged) if kind == "requests" else collect(besieged)
    changelog = topics.changelog(worker.stage.name)
    worker.run_until_idle()
    before, size = state(worker), ends(besieged, changelog)
    cheap = [bad_signature, no_bundles, deep_header, wrong_kind, for_somebody_else, not_a_bundle, declared_items]
    values = [attack(besieged) for attack in cheap for _ in range(20)]
    values += [os.urandom(64) for _ in range(FLOOD - len(values))]
    flood(besieged, values, kind)
    worker.run_until_idle()
    assert state(worker) == before
    assert ends(besieged, changelog) == size
    assert len(set(lines.codes())) >= 5


@pytest.mark.parametrize("kind", ["requests", "responses"])
def test_a_partys_store_keeps_no_trace_of_what_it_refused(
    sample: Sample, tmp_path: Path, lines: Lines, kind: str
) -> None:
    """Ten thousand junk envelopes in its inbox: up to an allowance whole, the others a number, and no other row."""
    network = network_for(sample, tmp_path)
    member = network.parties["32"]
    topic = inbox("32", kind)  # type: ignore[arg-type]
    signer = network.identities[CENTER].signer
    bundle = bundles.clear_bundle(replace(_header(CENTER), to="32", requester="32"), [b"r"])
    base = envelopes.build([bundle], signer, audience="32", now=network.clock()).value
    values = [junk(base) for _ in range(300)] + [os.urandom(64) for _ in range(FLOOD - 300)]
    tables = ["seen", "reply_key", "answered", "bundle", "answer", "outbox_bundle", "outbox_envelope", "application"]
    db = member.store.connection
    for number, value in enumerate(values):
        network.broker.produce(topic, b"%d" % number, value)
    network.run()
    for table in tables:
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # noqa: S608 - names of ours
    [kept] = db.execute("SELECT count(*) FROM dead_letter").fetchone()
    counted = dict(db.execute("SELECT issuer, sum(count) FROM dead_letter_withheld GROUP BY issuer").fetchall())
    assert kept == 2 * MOST
    assert counted == {"?": FLOOD - 300 - MOST, CENTER: 300 - MOST}
    assert {"cbor_invalid", "signature_invalid"} <= set(lines.codes())
    assert len([line for line in lines.lines if line.startswith("rejected")]) <= lines.room(TOGETHER)


def test_a_replayed_envelope_is_receipted_again_and_costs_little(sample: Sample, tmp_path: Path, lines: Lines) -> None:
    """A thousand copies: a thousand times the stored receipt, signed once; no section twice, and no state."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    [genuine, *_] = network.broker.messages(inbox(CENTER, "requests"))
    worker = intake(network)
    before, sections = state(worker), ends(network, topics.APPLICATIONS)
    flood(network, [genuine.value or b""] * 1000)
    started = time.process_time()
    worker.run_until_idle()  # the copies that come to other partitions are new there, once each
    assert time.process_time() - started < 5
    grown = {key for key in state(worker).keys() - before.keys() if key[1].startswith(b"e")}
    assert len(grown) == PARTITIONS - 1
    assert ends(network, topics.APPLICATIONS)[0] - sections[0] <= (PARTITIONS - 1) * len(sample.persons)
    answers = network.broker.messages(inbox(REQUESTER, "responses"))
    receipts = {
        record
        for message in answers
        for bundle in envelopes.open_envelope(
            message.value or b"", network.reference.trust, audience=REQUESTER, now=network.clock()
        ).bundles
        if bundle.header.kind == "receipt"
        for record in bundle.records
    }
    assert len(receipts) <= 2 * PARTITIONS + 4
    network.run()
    assert_equals_oracle(network, sample)
    assert lines.lines == []


class Flawed(Intake):
    """An intake with a defect that a certain message sets off."""

    def _receive(
        self, message: Message, overlay: Overlay, mailbag: Mailbag, events: EventLog, effects: Effects, now: int
    ) -> list[Output]:
        if message.key == b"trigger":
            raise RecursionError("370102199001011234")
        return super()._receive(message, overlay, mailbag, events, effects, now)


def test_a_message_that_makes_a_stage_fail_is_singled_out(besieged: Network, sample: Sample, lines: Lines) -> None:
    """Among a hundred: put aside whole with the place of the failure and none of its text; the others are worked on."""
    stage = Flawed(besieged.identities[CENTER], besieged.reference, b"tag secret")
    intake(besieged).run_until_idle()
    worker = MemoryWorker(stage, besieged.broker, besieged.clock, group=intake(besieged).group)
    before, answered = len(letters(besieged)), ends(besieged, inbox(REQUESTER, "responses"))
    for number in range(100):
        receipt = post(Notice("receipt", CENTER, REQUESTER, "a"), [delivery(besieged, REQUESTER)], REQUESTER)
        envelope = envelopes.build(
            [receipt], besieged.identities[REQUESTER].signer, audience=CENTER, now=besieged.clock()
        )
        key = b"trigger" if number == 50 else envelope.id
        besieged.broker.produce(inbox(CENTER, "requests"), key, envelope.value, envelope.headers, partition=0)
    worker.run_until_idle()
    assert [code for code, _ in letters(besieged)[before:]] == ["stage_failed"]
    assert lines.codes() == ["stage_failed"]
    assert "370102199001011234" not in lines.lines[0]
    assert ends(besieged, inbox(REQUESTER, "responses"))[0] > answered[0]
    intake(besieged).store = worker.store
    assert_nothing_personal(besieged, sample, lines)


def test_a_mandate_of_ten_thousand_rows_is_rejected_with_a_bounded_answer(
    sample: Sample, tmp_path: Path, lines: Lines
) -> None:
    """Every reason at once would be a flood of its own: the rejection lists a thousand and how many more there are."""
    network = network_for(sample, tmp_path)
    rows = [{**sample.application["schedule"][0], "row": number} for number in range(1, 10_001)]
    application = {**sample.application, "schedule": rows}
    started = time.process_time()
    network.file(application, sample.persons)  # type: ignore[arg-type]
    network.run()
    assert time.process_time() - started < 8
    rejection = network.case(sample.application).rejection()
    assert rejection is not None
    assert len(rejection["faults"]) == 1001
    assert {fault["code"] for fault in rejection["faults"]} >= {"schedule_duplicate", "faults_more"}
    for party in ("00", "32", "37"):
        assert network.broker.messages(inbox(party, "requests")) == []


def test_a_catalog_release_that_never_ends_changes_nothing(besieged: Network) -> None:
    """Entries without their manifest are no release: readers go on with the last whole one."""
    assert besieged.reference.current is not None
    number = besieged.reference.current.number
    entries = [besieged.reference.current.entry("37", "vehicles")] * 1
    signer = besieged.identities[CENTER].signer
    for release in range(number + 1, number + 200):
        *parts, _manifest = publish_catalog(release, entries, signer, besieged.clock())
        for output in parts:
            besieged.reference.apply(output.topic, output.key or b"", output.value)
    assert besieged.reference.current.number == number
