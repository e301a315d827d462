"""A party's own dead letters: worked on again by its adapter once the cause is mended, or discarded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage, Retryable
from pipeline.domain.parties import inbox
from pipeline.province import dead_letters
from pipeline.province.dead_letters import KeptLetter, act_on_kept, kept_letter, kept_letters, work_again
from pipeline.province.desks import AnswerDesk
from pipeline.stages.effects import Message
from pipeline.stages.local import LocalEffects
from tests.network import PARTITIONS, Network, Party
from tests.scenario import assert_equals_oracle, network_for, small_sample

PROVIDER = "37"
REASON = "the software is mended"
TOPIC = inbox(PROVIDER, "requests")


def filed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Network, Sample, Party, KeptLetter]:
    """An application of which one provider's software has put the request aside; the others have answered."""
    sample = small_sample(folder)
    network = network_for(sample, folder)
    member = network.parties[PROVIDER]
    network.file(sample.application, sample.persons, section_size=50)
    with monkeypatch.context() as broken:
        original = AnswerDesk._look_up

        def look_up(desk: AnswerDesk, need: object, subjects: object) -> object:
            if desk is member.answers:
                raise KeyError("a defect")
            return original(desk, need, subjects)  # type: ignore[arg-type]

        broken.setattr(AnswerDesk, "_look_up", look_up)
        network.run()
    [letter] = kept_letters(member.store.connection)
    assert not network.case(sample.application).is_complete()
    return network, sample, member, letter


def turn(network: Network, member: Party) -> bool:
    """What the adapter does in each of its turns."""
    return work_again(member.store.connection, TOPIC, member.answers.work, network.clock())


def test_a_request_put_aside_by_a_defect_is_answered_once_that_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for, the adapter works on it as if it had just come; the application completes and equals plain SQL."""
    network, sample, member, letter = filed(tmp_path, monkeypatch)
    assert (letter.code, letter.state, letter.issuer, letter.topic) == ("stage_failed", "open", "center", TOPIC)
    assert turn(network, member) is False
    db, positions = member.store.connection, member.store.positions(TOPIC)
    asked = act_on_kept(db, letter.place, "replayed", by="user:li", reason=REASON, now=network.clock())
    assert (asked.state, asked.by, asked.reason) == ("asked", "user:li", REASON)
    assert turn(network, member) is True
    assert turn(network, member) is False
    assert kept_letter(db, letter.place).state == "replayed"
    assert member.store.positions(TOPIC) == positions
    network.run()
    assert_equals_oracle(network, sample)
    log = db.execute("SELECT actor, act, detail FROM access WHERE act LIKE 'dead_letter%'").fetchall()
    assert [(actor, act, json.loads(detail)["letter"]) for actor, act, detail in log] == [
        ("user:li", "dead_letter_replay", letter.place)
    ]


def test_a_crash_before_it_is_noted_repeats_it_without_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is stored, the note is not: in the next turn the receiver knows the envelope, and nothing goes out twice."""
    network, sample, member, letter = filed(tmp_path, monkeypatch)
    db = member.store.connection
    act_on_kept(db, letter.place, "replayed", by="user:li", reason=REASON, now=network.clock())
    member.answers.work(list(dead_letters.asked_for(db, TOPIC).values()), {})
    waiting = db.execute("SELECT count(*) FROM outbox_bundle").fetchone()
    assert waiting != (0,)
    assert turn(network, member) is True
    assert db.execute("SELECT count(*) FROM outbox_bundle").fetchone() == waiting
    network.run()
    assert_equals_oracle(network, sample)
    assert [each.state for each in kept_letters(db)] == ["replayed"]


def test_what_fails_again_is_a_letter_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause was not mended: the first letter is replayed, the second one open, and both are seen."""
    network, _, member, letter = filed(tmp_path, monkeypatch)
    db = member.store.connection
    act_on_kept(db, letter.place, "replayed", by="user:li", reason=REASON, now=network.clock())
    network.clock.advance(1)
    monkeypatch.setattr(member.answers, "_look_up", lambda *_: int("a defect"))
    assert turn(network, member) is True
    assert [each.state for each in kept_letters(db)] == ["open", "replayed"]
    assert kept_letter(db, letter.place).state == "open"


def test_several_that_fail_again_move_no_position_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads on from the store's positions, weeks later, meets nothing that was answered then."""
    network, sample, member, letter = filed(tmp_path, monkeypatch)
    db, numbers = member.store.connection, range(PARTITIONS)
    for (
        number
    ) in numbers:  # the envelope once more in each partition, and behind it: the first is answered, the others known
        for _ in range(3):
            network.broker.produce(TOPIC, letter.key, letter.value, partition=number)
        copy = Message(TOPIC, number, 0, network.clock(), letter.key, letter.value)
        if (number, 0) != (letter.partition, letter.offset):
            member.store.apply(LocalEffects(dead=[(copy, InvalidMessage("stage_failed"))]), {}, network.clock())
    network.run()
    assert_equals_oracle(network, sample)
    before = member.store.positions(TOPIC)
    assert before == {number: network.broker.end(TOPIC, number) for number in numbers}
    letters = kept_letters(db)
    for kept in letters:
        act_on_kept(db, kept.place, "replayed", by="user:li", reason=REASON, now=network.clock())
    network.clock.advance(1)
    with monkeypatch.context() as broken:
        broken.setattr(member.answers, "_work", lambda *_: int("a defect"))
        assert turn(network, member) is True
    states = [kept.state for kept in kept_letters(db)]
    assert states == ["open"] * len(letters) + ["replayed"] * len(letters)
    assert member.store.positions(TOPIC) == before
    network.clock.advance(15 * 24 * 3600)
    member.store.forget_expired(network.clock())
    member.positions = {(TOPIC, number): following for number, following in member.store.positions(TOPIC).items()}
    network._feed(member, TOPIC, member.answers.work)
    assert [kept.state for kept in kept_letters(db)] == states


def test_it_is_worked_on_with_the_time_at_which_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of being put aside: what a deadline goes by is the time at which the brokers appended it."""
    network, _, member, _ = filed(tmp_path, monkeypatch)
    [letter] = kept_letters(member.store.connection)
    [came] = [m for m in network.broker.messages(TOPIC) if (m.partition, m.offset) == (letter.partition, letter.offset)]
    db = member.store.connection
    network.clock.advance(3 * 24 * 3600)
    late = replace(came, offset=came.offset + 100)
    member.store.apply(LocalEffects(dead=[(late, InvalidMessage("stage_failed"))]), {}, network.clock())
    place = f"{TOPIC}/{late.partition}/{late.offset}"
    act_on_kept(db, place, "replayed", by="user:li", reason=REASON, now=network.clock())
    assert [m.timestamp for m in dead_letters.asked_for(db, TOPIC).values()] == [came.timestamp]
    assert kept_letter(db, place).at == network.clock() != came.timestamp
    monkeypatch.setattr(member.answers, "_look_up", lambda *_: int("a defect"))
    network.clock.advance(1)
    assert turn(network, member) is True
    act_on_kept(db, place, "replayed", by="user:li", reason=REASON, now=network.clock())
    assert [m.timestamp for m in dead_letters.asked_for(db, TOPIC).values()] == [came.timestamp]


def test_what_is_nobodys_fault_stays_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A register that does not answer now: nothing is noted, and the next turn tries again."""
    network, _, member, letter = filed(tmp_path, monkeypatch)
    act_on_kept(member.store.connection, letter.place, "replayed", by="user:li", reason=REASON, now=network.clock())

    def away(*_: object) -> object:
        raise Retryable("the register is away")

    with monkeypatch.context() as broken:
        broken.setattr(member.answers, "_look_up", away)
        with pytest.raises(Retryable):
            turn(network, member)
    assert kept_letter(member.store.connection, letter.place).state == "asked"
    assert turn(network, member) is True


def test_discarded_is_final_and_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither asked for any more, nor discarded twice; and what was replayed is asked for again only on purpose."""
    network, sample, member, letter = filed(tmp_path, monkeypatch)
    db, now = member.store.connection, network.clock()
    with pytest.raises(ConfigError, match="reason"):
        act_on_kept(db, letter.place, "discarded", by="user:li", reason="110101199001011234", now=now)
    act_on_kept(db, letter.place, "replayed", by="user:li", reason=REASON, now=now)
    with pytest.raises(ConfigError, match="asked already"):
        act_on_kept(db, letter.place, "discarded", by="user:li", reason=REASON, now=now)
    turn(network, member)
    with pytest.raises(ConfigError, match="replayed already"):
        act_on_kept(db, letter.place, "replayed", by="user:li", reason=REASON, now=now)
    act_on_kept(db, letter.place, "replayed", by="user:li", reason=REASON, now=now, again=True)
    turn(network, member)
    network.run()
    assert_equals_oracle(network, sample)
    with pytest.raises(ConfigError, match="no dead letter"):
        kept_letter(db, "hedx.37.requests/0")


def test_lists_are_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By code, issuer, time and state."""
    network, _, member, letter = filed(tmp_path, monkeypatch)
    db, now = member.store.connection, network.clock()
    assert kept_letters(db, code="stage_failed", issuer="center", since=now, state="open") == [letter]
    for wrong in ({"code": "x"}, {"issuer": "53"}, {"since": now + 1}, {"state": "asked"}):
        assert kept_letters(db, **wrong) == []
    act_on_kept(db, letter.place, "discarded", by="user:li", reason="not needed any more", now=now)
    with pytest.raises(ConfigError, match="final"):
        act_on_kept(db, letter.place, "replayed", by="user:li", reason=REASON, now=now, again=True)
    assert [each.state for each in kept_letters(db, state="discarded")] == ["discarded"]
    assert turn(network, member) is False
