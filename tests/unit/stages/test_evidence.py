"""Requests for documents, whatever comes in whatever order: none is lost, none lapses, none touches an application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.domain.parties import CENTER
from pipeline.kafka.stores import DictStore
from pipeline.stages import topics
from pipeline.stages.acts import sign_act
from pipeline.stages.applications import Applications
from pipeline.stages.effects import TIMER, Batch, Effects, Message, Progress, timer_due
from pipeline.stages.evidence_casework import STATE, desk_key
from pipeline.stages.keys import application_key
from tests.network import DAY, START, Network
from tests.scenario import REQUESTER, network_for, small_sample

APPLICATION = "a0000000-0000-4000-8000-00000000000a"
REQUESTS = ("r1", "r2", "r3")
HOUR = 3600 * 1000


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Keys, trust and calendar; nothing runs on it."""
    folder: Path = tmp_path_factory.mktemp("evidence")
    return network_for(small_sample(folder / "sample"), folder)


@dataclass
class Desk:
    """The stage on a dictionary, its clock, and what it wrote."""

    network: Network
    now: int = START
    store: DictStore = field(default_factory=DictStore)
    table: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)  # request → when, while it is open
    replied: set[str] = field(default_factory=set)
    over: set[str] = field(default_factory=set)
    dead: list[str] = field(default_factory=list)
    offset: int = 0

    def __post_init__(self) -> None:
        net = self.network
        self.stage = Applications(net.identities[CENTER], net.reference, net.calendar, net.rules)

    def send(self, name: str, record: dict[str, Any]) -> None:
        """One record, worked on now."""
        value = framing.encode(name, record)
        key = application_key(REQUESTER, APPLICATION)
        self.offset += 1
        self._step([Message(topics.APPLICATIONS, 0, self.offset, self.now, key, value)])

    def tick(self) -> None:
        """Timers, as often as there are any due."""
        while self.store.due(0, self.now, 1):
            self._step([])

    def _step(self, messages: Sequence[Message]) -> None:
        owned = [Progress(topics.APPLICATIONS, 0, self.now)]
        effects: Effects = self.stage.step(self.store, Batch(messages, self.now, owned))
        foreign = [key for _, key in effects.changes if not key.startswith(STATE) and key[:1] != TIMER]
        assert foreign == [], "the state of something else"
        self.store.apply(effects.changes)
        self.dead += [error.code for _, error in effects.dead]
        for output in effects.outputs:
            if output.topic == topics.DESK:
                assert output.key is not None
                if output.value is None:
                    del self.table[output.key]
                else:
                    self.table[output.key] = framing.decode_as("DeskItem", output.value)

    # -- what may happen -------------------------------------------------------------------------------------------------

    def common(self, request: str) -> dict[str, Any]:
        """Fields that all records of a request have."""
        return {"request_id": request, "application_id": APPLICATION, "requester": REQUESTER, "at": self.now}

    def ask(self, request: str) -> None:
        """An officer asks, perhaps again, perhaps what is judged already."""
        record = {"numbers": [1], "kinds": [], "draw": None, "officer": "张", "reason": "抽查"}
        self.send("EvidenceAsked", {**self.common(request), **record})
        if request not in self.over:
            self.asked.setdefault(request, self.now)

    def reply(self, request: str) -> None:
        """The province replies, perhaps to nothing."""
        signer = self.network.identities[REQUESTER].signer
        record = {**self.common(request), "released": [], "missing": []}
        act = sign_act("evidence-reply", record, signer, CENTER, self.now)
        acted = {"application_id": APPLICATION, "requester": REQUESTER, "actor": REQUESTER, "typ": "evidence-reply"}
        self.send("Acted", {**acted, "act": act, "received_at": self.now})
        if request in self.asked:
            self.replied.add(request)

    def judge(self, request: str) -> None:
        """An officer ends it, perhaps twice."""
        record = {"verdict": "questioned", "officer": "张", "reason": "存疑"}
        self.send("EvidenceJudged", {**self.common(request), **record})
        if self.asked.pop(request, None) is not None:
            self.over.add(request)
        self.replied.discard(request)

    # -- what always holds -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every request that is open is on the desk, as pressing as it is; one timer a request that nobody replied to."""
        assert set(self.table) == {desk_key(request) for request in self.asked}
        assert len(list(self.store.scan(0, STATE))) == len(self.asked) + len(self.over)
        timers = [timer_due(key) for key, _ in self.store.scan(0, TIMER)]
        waiting = set(self.asked) - self.replied
        assert len(timers) >= len(waiting), "a request would lapse"
        for request in waiting:
            item = self.table[desk_key(request)]
            due = self.network.calendar.due(self.asked[request], 5)
            warned = self.network.calendar.warn_at(due)
            expected = "overdue" if self.now > due else "warn" if self.now >= warned else "open"
            assert (item["since"], item["due"], item["stage"]) == (self.asked[request], due, expected)
        for request in self.replied:
            assert self.table[desk_key(request)]["subject"] is not None


_steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ask", "reply", "judge"]), st.sampled_from(REQUESTS)),
        st.tuples(st.just("wait"), st.integers(1, 6 * 24)),
    ),
    max_size=25,
)


@given(_steps)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_happens_no_request_is_lost(network: Network, steps: list[tuple[str, Any]]) -> None:
    """Asked, asked again, replied to late, twice or for nothing, judged before or after, over days and holidays."""
    desk = Desk(network)
    for name, argument in steps:
        if name == "wait":
            desk.now += argument * HOUR
        else:
            getattr(desk, name)(argument)
        desk.tick()
        desk.check()
    assert set(desk.dead) <= {"evidence_unknown"}


def test_after_an_outage_of_weeks_it_is_pressed_once_and_goes_on(network: Network) -> None:
    """The stage stood still over the limit: the province is not asked for every day that was missed."""
    desk = Desk(network)
    desk.ask("r1")
    desk.now += 30 * DAY
    desk.tick()
    desk.check()
    [(_, state)] = desk.store.scan(0, STATE)
    assert framing.decode_as("EvidenceState", state)["reminders"] == 1
    desk.now += 4 * DAY
    desk.tick()
    [(_, state)] = desk.store.scan(0, STATE)
    assert framing.decode_as("EvidenceState", state)["reminders"] == 2


def test_the_end_of_the_calendars_files_lets_nothing_lapse(network: Network) -> None:
    """Pressed by days where working days are not known any more."""
    desk = Desk(network)
    desk.ask("r1")
    desk.now += 10 * 366 * DAY
    for _ in range(5):
        desk.tick()
        desk.now += DAY
    desk.tick()
    [(_, state)] = desk.store.scan(0, STATE)
    assert framing.decode_as("EvidenceState", state)["reminders"] >= 5


def test_a_request_that_is_over_is_not_made_again_and_is_forgotten_after_a_year(network: Network) -> None:
    """A draw that is resumed when its documents are judged asks nobody a second time."""
    desk = Desk(network)
    desk.ask("r1")
    desk.judge("r1")
    desk.now += 300 * DAY
    desk.tick()
    desk.ask("r1")
    desk.check()
    assert desk.table == {}
    desk.now += 101 * DAY
    desk.tick()
    assert list(desk.store.scan(0, STATE)) == []
    assert list(desk.store.scan(0, TIMER)) == []
