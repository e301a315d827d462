"""The outbox: durable before the first send, the same bytes on every send, until receipted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.crypto import envelopes, signed
from pipeline.crypto.authority import issue
from pipeline.crypto.bundles import SealedBundle, clear_bundle
from pipeline.crypto.envelopes import SOFT_LIMIT
from pipeline.crypto.signed import MAX_LIFETIME
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import Retryable
from pipeline.domain.parties import CENTER, InboxKind
from pipeline.domain.records import Receipt
from pipeline.province import outbox
from pipeline.province.adapter import IDLE, PAUSE, OutboxRunner
from pipeline.province.database import connect, transaction
from pipeline.stages.effects import Output
from pipeline.stages.local import Posted
from pipeline.stages.notices import Notice, post, sign_record
from tests.unit.crypto.exchange import NOW, START, authority, entry, header, identity, trust

PARTY = "37"
SECOND = 1000
RECEIPT = Receipt(
    kind="delivered",
    application_id="968cff4a-2f0e-4d0c-9d0b-0d8f5a2b6c11",
    provider="32",
    envelope_id=None,
    envelope_digest=None,
    bundles=[bytes(32)],
    at=NOW,
)


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    """A party's empty database."""
    return connect(tmp_path / "store.db")


def bundle(n: int, size: int = 100) -> SealedBundle:
    """A clear bundle that differs from others by `n`."""
    return clear_bundle(header("act", bundle_id=n.to_bytes(16, "big")), [b"r" * size])


def put(db: sqlite3.Connection, *bundles: SealedBundle, kind: InboxKind = "requests") -> None:
    """Take bundles in."""
    with transaction(db):
        outbox.put(db, [Posted(kind, one) for one in bundles])


def seal(db: sqlite3.Connection, now: int = NOW) -> int:
    """Seal what waits."""
    with transaction(db):
        return outbox.seal(db, identity(PARTY).signer, now)


def sent(db: sqlite3.Connection, now: int = NOW) -> list[Output]:
    """What is due, noted as sent."""
    due = outbox.due(db, now)
    with transaction(db):
        outbox.sent(db, due, now)
    return due


class Wire:
    """Where a runner sends to: a list, or nowhere while `down`."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.down = False

    def send(self, outputs: Sequence[Output]) -> None:
        if self.down:
            raise Retryable("the brokers do not answer")
        self.outputs += outputs


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_bundles_that_wait_together_travel_together(db: sqlite3.Connection) -> None:
    """One signature for many bundles, addressed to the center, with the bundles in order."""
    bundles = [bundle(n) for n in range(5)]
    put(db, *bundles)
    assert (outbox.waiting(db), outbox.unsettled(db)) == (5, 0)
    assert seal(db) == 5
    assert (outbox.waiting(db), outbox.unsettled(db)) == (0, 1)
    [output] = outbox.due(db, NOW)
    assert output.topic == "hedx.center.requests"
    opened = envelopes.open_envelope(output.value or b"", trust(), audience=CENTER, now=NOW)
    assert [b.raw for b in opened.bundles] == [b.raw for b in bundles]
    assert output.key == opened.id
    assert dict(output.headers)["ce_type"] == b"hedx/1/envelope"


def test_each_inbox_has_envelopes_of_its_own(db: sqlite3.Connection) -> None:
    """Applications and answers never share one."""
    put(db, bundle(1))
    put(db, bundle(2), kind="responses")
    seal(db)
    assert {output.topic for output in outbox.due(db, NOW)} == {"hedx.center.requests", "hedx.center.responses"}


def test_what_does_not_fit_one_envelope_goes_in_several(db: sqlite3.Connection) -> None:
    """The soft limit is kept; a bundle over it travels alone."""
    put(db, *(bundle(n, 200 * 1024) for n in range(3)), bundle(4, 600 * 1024))
    seal(db)
    sizes = [len(output.value or b"") for output in outbox.due(db, NOW)]
    assert len(sizes) == 3
    assert sum(size > SOFT_LIMIT for size in sizes) == 1


def test_an_envelope_is_sent_again_as_it_was_until_it_is_receipted(db: sqlite3.Connection) -> None:
    """Same id, same bytes, same headers; the pauses double up to an hour."""
    put(db, bundle(1))
    seal(db)
    first = sent(db)
    now, pauses = NOW, []
    for _ in range(9):
        wait = 0
        while not outbox.due(db, now + wait):
            wait += SECOND
        pauses.append(wait // SECOND)
        now += wait
        assert sent(db, now) == first
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    with transaction(db):
        outbox.receipted(db, [first[0].key or b""])
    assert outbox.unsettled(db) == 0
    assert outbox.due(db, now + 10 * 3600 * SECOND) == []


def test_answers_stay_until_their_requesters_hold_every_bundle(db: sqlite3.Connection) -> None:
    """The center's word is not enough for answers: the delivery receipts must have named them all."""
    bundles = [bundle(n) for n in range(3)]
    put(db, *bundles, kind="responses")
    seal(db)
    [output] = sent(db)
    with transaction(db):
        outbox.receipted(db, [output.key or b""])
    assert outbox.unsettled(db) == 1
    for one in bundles:
        assert outbox.unsettled(db) == 1
        with transaction(db):
            outbox.settled(db, [one.leaf, one.leaf, bytes(32)])
    assert outbox.unsettled(db) == 0


def answer(n: int, mandate: bytes, rows: tuple[int, ...] = (1,), requester: str = "53") -> SealedBundle:
    """A refusal under a mandate."""
    said = header(
        "answer", bundle_id=n.to_bytes(16, "big"), sender=PARTY, to=requester, requester=requester, mandate_digest=mandate,
        section=1, sections=1, rows=rows, provider=PARTY, members=b"\1", outcome="refused", code="sharing_suspended",
    )  # fmt: skip
    return clear_bundle(said, [])


def test_what_is_called_off_is_let_go_of_sealed_or_not(db: sqlite3.Connection) -> None:
    """Answers under one mandate go, sent or waiting; those of another in the same envelope stay, and are sent again."""
    mine, other = b"\1" * 32, b"\2" * 32
    put(db, answer(1, mine), answer(2, other), answer(3, mine, requester="11"), kind="responses")
    seal(db)
    [output] = sent(db)
    put(db, answer(4, mine), answer(5, other), kind="responses")
    with transaction(db):
        outbox.call_off(db, "53", mine)
    assert outbox.waiting(db) == 1, "the other's waits"
    assert outbox.unsettled(db) == 1
    with transaction(db):
        outbox.settled(db, [answer(1, mine).leaf])  # its receipt comes after all
        outbox.settled(db, [answer(2, other).leaf])
    assert outbox.unsettled(db) == 1, "a mandate of another requester with the same digest is another mandate"
    with transaction(db):
        outbox.call_off(db, "11", mine)
    assert outbox.unsettled(db) == 0
    assert output.value is not None


def test_of_closed_rows_only_what_answers_nothing_else_goes(db: sqlite3.Connection) -> None:
    """A bundle that answers an open row, too, is still wanted."""
    mine = b"\1" * 32
    put(db, answer(1, mine, (1,)), answer(2, mine, (1, 2)), answer(3, mine, (3,)), kind="responses")
    with transaction(db):
        outbox.call_off(db, "53", mine, (1, 3))
    assert outbox.waiting(db) == 1
    seal(db)
    with transaction(db):
        outbox.call_off(db, "53", mine, (1, 2))
    assert outbox.unsettled(db) == 0


def test_what_outlives_its_envelope_is_sealed_into_a_new_one(db: sqlite3.Connection) -> None:
    """Two weeks unsettled: nobody would take the envelope any more, so its bundles go again, as they were."""
    bundles = [bundle(n) for n in range(3)]
    put(db, *bundles, kind="responses")
    put(db, bundle(9))
    seal(db)
    old = {output.key for output in sent(db)}
    with transaction(db):
        outbox.settled(db, [bundles[1].leaf])
    later = NOW // 1000 * 1000 + MAX_LIFETIME
    assert outbox.expired(db, later - 1) == 0
    assert outbox.expired(db, later) == 2
    with transaction(db):
        outbox.renew(db, identity(PARTY).signer, later)
    assert outbox.waiting(db) == 3
    seal(db, later)
    renewed = {output.topic: output for output in outbox.due(db, later)}
    assert not old & {output.key for output in renewed.values()}
    answers = envelopes.open_envelope(
        renewed["hedx.center.responses"].value or b"", trust(), audience=CENTER, now=later
    )
    assert {b.leaf for b in answers.bundles} == {bundles[0].leaf, bundles[2].leaf}
    with transaction(db):
        outbox.settled(db, [bundles[0].leaf, bundles[2].leaf])
        outbox.receipted(db, [renewed["hedx.center.requests"].key or b""])
    assert outbox.unsettled(db) == 0


def test_after_a_renewal_what_is_unsettled_is_signed_again(db: sqlite3.Connection, wire: Wire) -> None:
    """The old certificate may have been revoked: the same bundles go in new envelopes, once, but for those settled."""
    renewed = issue(authority(), PARTY, START)
    told = clear_bundle(header("act", bundle_id=bytes(16)), [renewed.signer.thumbprint])  # under the old one yet
    bundles = [bundle(n) for n in range(1, 4)]
    put(db, told)
    put(db, *bundles, kind="responses")
    seal(db)
    old = {output.key for output in sent(db)}
    with transaction(db):
        outbox.settled(db, [bundles[1].leaf])
    OutboxRunner(db, renewed, wire.send).turn(NOW + SECOND)
    assert len(wire.outputs) == 2
    assert not old & {output.key for output in wire.outputs}
    everyone = Trust(authority().certificates, [{**entry(PARTY), "signing_certificates": [renewed.signer.certificate]}])
    opened = [envelopes.open_envelope(o.value or b"", everyone, audience=CENTER, now=NOW) for o in wire.outputs]
    assert {b.leaf for each in opened for b in each.bundles} == {told.leaf, bundles[0].leaf, bundles[2].leaf}
    OutboxRunner(db, renewed, wire.send).turn(NOW + 2 * SECOND)
    assert len(wire.outputs) == outbox.unsettled(db) == 2


@pytest.mark.parametrize("late", [False, True], ids=["after a renewal", "two weeks later"])
def test_a_receipt_that_goes_again_is_signed_again(db: sqlite3.Connection, wire: Wire, late: bool) -> None:
    """It says the same as before, under the signature and in the time of the envelope that it goes in."""
    fresh = identity(PARTY) if late else issue(authority(), PARTY, START)
    receipt = sign_record("receipt", "Receipt", RECEIPT, identity(PARTY).signer, CENTER, NOW)
    put(db, post(Notice("receipt", CENTER, PARTY, RECEIPT["application_id"] or ""), [receipt], PARTY))
    seal(db)
    now = NOW // 1000 * 1000 + MAX_LIFETIME if late else NOW + SECOND
    OutboxRunner(db, fresh, wire.send).turn(now)
    everyone = Trust(authority().certificates, [{**entry(PARTY), "signing_certificates": [fresh.signer.certificate]}])
    [told] = envelopes.open_envelope(wire.outputs[-1].value or b"", everyone, audience=CENTER, now=now).bundles
    verified = signed.verify(told.records[0], "receipt", everyone, now=now, issuer=PARTY, audience=CENTER)
    assert framing.decode_as("Receipt", verified.payload) == RECEIPT
    assert told.header.kind == "receipt"
    assert outbox.unsettled(db) == 1


def test_what_was_put_in_survives_the_process(tmp_path: Path) -> None:
    """Sealed or not, sent or not: another connection finds it."""
    db = connect(tmp_path / "store.db")
    put(db, bundle(1))
    seal(db)
    first = sent(db)
    put(db, bundle(2))
    db.close()
    again = connect(tmp_path / "store.db")
    assert outbox.waiting(again) == 1
    assert outbox.due(again, NOW + outbox.FIRST_RETRY) == first


def test_nothing_is_put_in_by_a_transaction_that_fails(db: sqlite3.Connection) -> None:
    """What a step posts is there with the step's other effects, or not at all."""

    def failing() -> None:
        with transaction(db):
            outbox.put(db, [Posted("requests", bundle(1))])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert outbox.waiting(db) == 0


def test_a_turn_sends_a_bounded_number_of_envelopes(db: sqlite3.Connection) -> None:
    """Envelopes of 900 KiB are not read by the thousand; the oldest go first."""
    for n in range(outbox.SEND_AT_ONCE + 3):
        put(db, bundle(n))
        seal(db, NOW + n)
    first = sent(db, NOW + 100)
    second = sent(db, NOW + 100)
    assert (len(first), len(second)) == (outbox.SEND_AT_ONCE, 3)


@pytest.fixture
def runner(db: sqlite3.Connection, wire: Wire) -> OutboxRunner:
    """The runner of the adapter's outbox thread, its clock in the test's hand."""
    return OutboxRunner(db, identity(PARTY), wire.send)


def test_an_idle_outbox_sends_at_once(db: sqlite3.Connection, runner: OutboxRunner, wire: Wire) -> None:
    """One household waits for nobody."""
    assert runner.turn(NOW) == IDLE
    put(db, bundle(1))
    assert runner.turn(NOW) == 0.0
    assert len(wire.outputs) == 1


def test_a_busy_outbox_gathers_for_fifty_milliseconds_at_most(
    db: sqlite3.Connection, runner: OutboxRunner, wire: Wire
) -> None:
    """What comes right after an envelope was sealed waits for company, and then goes together."""
    put(db, bundle(1))
    runner.turn(NOW)
    put(db, bundle(2))
    assert runner.turn(NOW + 10) == pytest.approx((outbox.LINGER - 10) / 1000)
    put(db, bundle(3))
    assert runner.turn(NOW + 20) == pytest.approx((outbox.LINGER - 20) / 1000)
    assert len(wire.outputs) == 1
    runner.turn(NOW + outbox.LINGER)
    assert len(wire.outputs) == 2
    opened = envelopes.open_envelope(wire.outputs[1].value or b"", trust(), audience=CENTER, now=NOW)
    assert len(opened.bundles) == 2


def test_a_full_outbox_does_not_linger(db: sqlite3.Connection, runner: OutboxRunner, wire: Wire) -> None:
    """Where there is enough for envelopes there is nothing to wait for."""
    put(db, bundle(0))
    runner.turn(NOW)
    put(db, *(bundle(n) for n in range(1, outbox.SEAL_AT_ONCE + 1)))
    runner.turn(NOW + 1)
    assert outbox.waiting(db) == 0
    assert len(wire.outputs) == 2


def test_an_outage_of_the_brokers_is_waited_out(db: sqlite3.Connection, runner: OutboxRunner, wire: Wire) -> None:
    """What was not taken stays due, and goes as soon as they answer."""
    wire.down = True
    put(db, bundle(1))
    assert runner.turn(NOW) == PAUSE
    assert runner.turn(NOW + SECOND) == PAUSE
    wire.down = False
    assert runner.turn(NOW + 2 * SECOND) == 0.0
    assert len(wire.outputs) == 1


def test_a_runner_renews_what_has_expired(db: sqlite3.Connection, runner: OutboxRunner, wire: Wire) -> None:
    """A province that was cut off for weeks sends what it had to say in a valid envelope."""
    wire.down = True
    put(db, bundle(1))
    runner.turn(NOW)
    wire.down = False
    later = NOW + MAX_LIFETIME + SECOND
    runner.turn(later)
    [output] = wire.outputs
    opened = envelopes.open_envelope(output.value or b"", trust(), audience=CENTER, now=later)
    assert [b.leaf for b in opened.bundles] == [bundle(1).leaf]


def test_a_runner_notices_what_another_connection_puts_in(
    tmp_path: Path, db: sqlite3.Connection, runner: OutboxRunner
) -> None:
    """`hedx apply submit` is another process; the outbox need not be told."""
    runner.turn(NOW)
    assert not runner.is_changed()
    put(connect(tmp_path / "store.db"), bundle(1))
    assert runner.is_changed()
