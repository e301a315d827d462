"""What was decided stays decided: nothing closed, rejected or withdrawn comes back to life, or is signed over (Art. 9, 10)."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.codec import framing
from pipeline.demo.application import Sample
from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import Event
from pipeline.domain.records import Fault, SectionReceived
from pipeline.kafka.limits import Limits, load_of
from pipeline.kafka.stores import DictStore
from pipeline.stages import admission, topics, withdrawing
from pipeline.stages.acts import post_act, sign_act
from pipeline.stages.casework import FIRST_CHANGES, LONGEST_HISTORY, Case, Casework
from pipeline.stages.effects import Batch, Message, Overlay, Progress
from pipeline.stages.events import EventLog
from pipeline.stages.mailbag import Mailbag
from tests.delaying import withdraw
from tests.forgery import send
from tests.network import Network
from tests.officer import DOUBTFUL, center_case, decide, notices
from tests.scenario import FEEDBACK, REQUESTER, bundles_in, codes, kept, network_for, with_form

DAY = 24 * 3600


def take_back(network: Network, application_id: str, mandate_digest: bytes) -> None:
    """A withdrawal as a province's program, and not this one, might send it."""
    record = {
        "application_id": application_id,
        "requester": REQUESTER,
        "mandate_digest": mandate_digest,
        "reason": "x",
        "at": network.clock(),
    }
    raw = sign_act("withdrawal", record, network.identities[REQUESTER].signer, "center", network.clock())
    send(network, REQUESTER, "center", "requests", post_act(raw, REQUESTER, "center", REQUESTER, application_id))


def test_what_is_closed_and_archived_is_not_withdrawn(tmp_path: Path, sample: Sample) -> None:
    """The center never signs that an application it certified and let go of is withdrawn; it says once that it is too late."""
    network = network_for(sample, tmp_path)
    application = sample.application
    network.file(application, sample.persons)
    network.run()
    network.pass_time(2 * FEEDBACK)
    network.pass_time(40 * DAY)
    assert kept(network, "applications", b"a") == 0
    case = network.case(application)
    closed = case.state
    for _ in range(3):
        take_back(network, application["application_id"], case.mandate_digest)
        network.run()
    assert notices(network, application, "withdrawn") == []
    assert [notice["faults"][0]["code"] for notice in notices(network, application, "declined")] == [
        "withdrawal_too_late"
    ]
    assert network.case(application).state == closed
    assert kept(network, "applications", b"a") == 0


@pytest.mark.parametrize("how", ["rejected", "withdrawn"])
@pytest.mark.parametrize("days", [2, 10])
def test_what_is_sent_again_is_told_again(tmp_path: Path, sample: Sample, how: str, days: int) -> None:
    """The same bundles in a new envelope, days later: the same decision, signed again; nothing is held or asked."""
    doubtful = with_form(sample, purpose=DOUBTFUL)
    network = network_for(doubtful, tmp_path)
    application = doubtful.application
    filing = network.file(application, doubtful.persons)
    network.run()
    if how == "rejected":
        decide(network, application, "reject")
    else:
        withdraw(network, application)
        network.run()
    assert network.case(application).state == how
    told, reasons = _told(network, application, how), network.case(application).rejection()
    network.pass_time(days * DAY)
    for again in (1, 2):
        send(network, REQUESTER, "center", "requests", *filing.bundles)
        network.run()
        assert center_case(network, application).state["state"] == how
        assert _told(network, application, how) == told + again
    assert network.case(application).state == how
    assert network.case(application).rejection() == reasons, "the officer's words, which the center keeps nowhere, stay"
    assert kept(network, "applications", b"s") == kept(network, "applications", b"d") == 0


def _told(network: Network, application: Any, how: str) -> int:
    if how == "withdrawn":
        return len(notices(network, application, "withdrawn"))
    return len(bundles_in(network, REQUESTER, "responses", "rejection"))


def test_withdrawals_of_what_never_came_are_bounded(
    tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invented ids: so many wait for their applications, for two weeks; the others are put aside."""
    monkeypatch.setattr(withdrawing, "MOST_AHEAD", 2)
    network = network_for(sample, tmp_path)
    for _ in range(30):
        take_back(network, str(uuid.uuid4()), b"\1" * 32)
    network.run()
    waiting = kept(network, "applications", b"a")
    assert 0 < waiting < 30
    assert [code for code in codes(network) if code == "application_unknown"] == ["application_unknown"] * (
        30 - waiting
    )
    network.pass_time(15 * DAY)
    assert kept(network, "applications", b"a") == kept(network, "applications", b"w") == 0


class _Nothing:
    def get(self, partition: int, key: bytes) -> None:
        return None


def test_a_long_history_keeps_its_beginning_and_its_end(network_of_one: Network) -> None:
    """An application held for a year: how it stands now is in its history, and no two of its events are one."""
    signer = network_of_one.identities["center"].signer
    state = admission.filed_state(REQUESTER, "A", 1, 0)
    state["state"] = "held"
    overlay, ids = Overlay(cast("Any", _Nothing())), set[str]()
    for number in range(2 * LONGEST_HISTORY):
        work = Casework(
            overlay, Mailbag(signer, number), EventLog("applications", number), [], number, signer, lambda n: b"\0" * n
        )
        Case(work, 0, b"53/A", state).change(Event.ESCALATE, by="clock", code="hold_purpose")
        [event] = work.events.outputs()
        ids.add(str(framing.decode(event.value or b"")[1]["event_id"]))
    assert len(ids) == 2 * LONGEST_HISTORY
    assert len(state["history"]) == LONGEST_HISTORY
    assert [change["at"] for change in state["history"][:FIRST_CHANGES]] == list(range(FIRST_CHANGES))
    assert state["history"][-1]["at"] == 2 * LONGEST_HISTORY - 1


@pytest.fixture
def network_of_one(tmp_path: Path, sample: Sample) -> Network:
    """A network in which nothing has happened."""
    return network_for(sample, tmp_path)


def test_what_is_due_at_once_goes_in_several_transactions(network_of_one: Network, sample: Sample) -> None:
    """Hundreds of rejections with all their reasons fall due together: no step of them is more than a transaction takes."""
    network = network_of_one
    network.file(sample.application, sample.persons)
    network.send(REQUESTER)
    network.workers[0].run_until_idle()
    [message] = list(network.broker.messages(topics.APPLICATIONS))
    record = cast("SectionReceived", framing.decode_as("SectionReceived", message.value or b""))
    reasons = [
        Fault(**{**fault("withdrawal_too_late"), "number": number, "args": {"given": "x" * 40}})
        for number in range(1000)
    ]
    stage, store, many = network.workers[1].stage, DictStore(), 300
    for number in range(many):
        one = {**record, "bundle": None, "sections": 2, "faults": reasons, "application_id": f"app-{number}"}
        arrival = Message(topics.APPLICATIONS, 0, number, network.clock(), b"k", framing.encode("SectionReceived", one))
        store.apply(stage.step(store, Batch([arrival], network.clock())).changes)
    later = network.clock() + 25 * 3600 * 1000
    posted, steps = 0, 0
    while posted < many and steps < many:
        effects = stage.step(store, Batch((), later, [Progress(topics.APPLICATIONS, 0, later)]))
        assert load_of(effects).fits(Limits())
        store.apply(effects.changes)
        states = [framing.decode_as("ApplicationState", data) for _, data in store.scan(0, b"a")]
        posted = sum(state["state"] == "rejected" for state in states)
        steps += 1
    assert posted == many
    assert steps > 1
