"""Who looks on at an adapter never matters: a metric, a log or a collector with a defect makes no dead letter and stops nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.kafka.hops import Hopping
from pipeline.kafka.onlooking import tell
from pipeline.province import hops
from pipeline.province.adapter import OutboxRunner
from pipeline.province.dead_letters import kept_letters
from pipeline.province.desks import AnswerDesk, DeliveryDesk
from pipeline.stages.answer import Answerer
from pipeline.stages.deliver import Deliver
from tests.network import Network
from tests.scenario import REQUESTER, assert_equals_oracle, network_for, small_sample


class Raising:
    """Raises whatever it is told, as a label that does not exist does."""

    def _defect(self, *_: object) -> None:
        raise KeyError("a label")

    looked_up = answered = refused = turned = hopped = carried = _defect


def watched(network: Network, hopping: Hopping | None) -> None:
    """Have defective onlookers at every desk."""
    for party, member in network.parties.items():
        answerer, deliver = Answerer(member.identity, network.reference), Deliver(member.identity, network.reference)
        sources = member.answers._sources
        member.answers = AnswerDesk(answerer, sources, member.store, network.clock, Raising(), hopping)
        member.deliveries = DeliveryDesk(deliver, member.store, network.clock, Raising(), hopping)
        assert party == member.identity.party


def test_an_application_completes_whatever_onlookers_raise(tmp_path: Path) -> None:
    """All is answered, stored and delivered once; nothing is put aside; what was raised is counted."""
    sample = small_sample(tmp_path)
    network = network_for(sample, tmp_path)
    watched(network, Hopping([Raising()]))
    before = tell.failed.total()
    network.file(sample.application, sample.persons, section_size=5)
    network.run()
    assert_equals_oracle(network, sample)
    assert [kept_letters(member.store.connection) for member in network.parties.values()] == [[]] * len(network.parties)
    assert tell.failed.total() > before


def test_nor_does_it_matter_when_hops_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads an answer for the log runs after the store, and is an onlooker as well."""

    def defect(*_: object) -> None:
        raise KeyError("a header")

    for name in ("of_answers", "of_delivery", "of_sending"):
        monkeypatch.setattr(hops, name, defect)
    sample = small_sample(tmp_path)
    network = network_for(sample, tmp_path)
    hopping = Hopping([Raising()])
    watched(network, hopping)
    network.file(sample.application, sample.persons, section_size=5)
    member = network.parties[REQUESTER]
    sent: list[object] = []
    runner = OutboxRunner(member.store.connection, member.identity, sent.extend, hopping)
    assert runner.turn(network.clock()) == 0.0
    assert sent
    network.run()
    network.pass_time(600)  # what went nowhere above is sent again
    assert_equals_oracle(network, sample)
    assert not any(kept_letters(member.store.connection) for member in network.parties.values())
