"""An officer of the center on the in-memory network: looks at the desk, decides, and reads what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pipeline.center import desk
from pipeline.center.desk import HeldCase, Outcome, Waiting
from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Application, LifecycleEvent, OfficerDecided
from pipeline.kafka.memory import MemoryWorker
from pipeline.province.casefile import CaseFile
from pipeline.province.database import transaction
from pipeline.stages import topics
from pipeline.stages.acts import Act, open_act, post_act, sign_act
from pipeline.stages.applications import Applications
from pipeline.stages.keys import application_key
from tests.forgery import send
from tests.network import Network

Decision = Literal["approve", "reject", "hold", "delay"]
DOUBTFUL = "申请商业贷款前的核对"
"""A purpose that the nation's rules hold for an officer: it has the word 贷款."""


def on_desk(network: Network) -> list[Waiting]:
    """What waits, as `hedx review list` has it."""
    table: dict[bytes, bytes] = {}
    for message in network.broker.messages(topics.DESK):
        if message.value is None:
            table.pop(message.key or b"", None)
        else:
            table[message.key or b""] = message.value
    return desk.waiting(table)


def decision(
    network: Network,
    application: Application,
    what: Decision,
    officer: str = "wang",
    reason: str = "材料已核实",
    until: int | None = None,
    account: str | None = None,
    mandate_digest: bytes | None = None,
) -> OfficerDecided:
    """Put a decision on its way, without anything running; returns it."""
    record = desk.decision_about(
        application["requester"],
        application["application_id"],
        what,
        officer=officer,
        account=account or f"user:{officer}",
        mandate_digest=mandate_digest,
        reason=reason,
        now=network.clock(),
        until=until,
    )
    output = desk.as_output(record)
    network.broker.produce(output.topic, output.key, output.value)
    return record


def outcome(network: Network, record: OfficerDecided) -> Outcome | None:
    """What became of a decision."""
    return desk.outcome_in(record["decision_id"], network.broker.messages(topics.EVENTS))


def decide(network: Network, application: Application, what: Decision, **details: Any) -> Outcome | None:
    """Decide, let everything run, and read the answer."""
    record = decision(network, application, what, **details)
    network.run()
    return outcome(network, record)


def center_case(network: Network, application: Application) -> HeldCase:
    """What the center keeps of an application, from its stage's changelog."""
    key = application_key(application["requester"], application["application_id"])
    case = desk.case_in(key, network.broker.messages(topics.changelog("applications")))
    assert case is not None, "the center keeps nothing of it"
    return case


def events_of(network: Network, application: Application, *kinds: str) -> list[LifecycleEvent]:
    """The facts about an application, of these kinds or all, in order."""
    found = [
        cast("LifecycleEvent", framing.decode_as("LifecycleEvent", message.value or b""))
        for message in network.broker.messages(topics.EVENTS)
    ]
    mine = [event for event in found if event["application_id"] == application["application_id"]]
    return [event for event in mine if not kinds or event["kind"] in kinds]


def notices(network: Network, application: Application, kind: str) -> list[Mapping[str, Any]]:
    """The review notices of one kind that the requester holds, verified."""
    member = network.parties[application["requester"]]
    acts = member.store.acts(application["application_id"], "review")
    records = [open_act(raw, network.reference.trust, at=at, issuer=CENTER).record for raw, at in acts]
    return [record for record in records if record["kind"] == kind]


def local_history(case: CaseFile) -> list[tuple[str, str, str | None]]:
    """(event, state, code) of each change that the requester's store has kept."""
    rows = case.connection.execute(
        "SELECT event, state, code FROM history WHERE application_id = ? ORDER BY number", (case.application_id,)
    )
    return list(rows)


def send_act(network: Network, application: Application, typ: str, record: Mapping[str, Any]) -> bytes:
    """As the requester's adapter: sign an act for the center and send it; returns its signed bytes."""
    requester = application["requester"]
    raw = sign_act(typ, record, network.identities[requester].signer, CENTER, network.clock())
    bundle = post_act(raw, requester, CENTER, requester, application["application_id"])
    store = network.parties[requester].store
    with transaction(store.connection):
        store.keep_act(Act(typ, requester, signed.peek(raw).digest, raw, network.clock(), record), network.clock())
    send(network, requester, CENTER, "requests", bundle)
    return raw


def withdraw(network: Network, application: Application) -> None:
    """Put a withdrawal (撤销) on its way."""
    record = {
        "application_id": application["application_id"],
        "requester": application["requester"],
        "mandate_digest": network.case(application).mandate_digest,
        "reason": "申请对象已放弃申请",
        "at": network.clock(),
    }
    send_act(network, application, "withdrawal", record)


def restart_applications(network: Network) -> None:
    """A new process of the stage, with the network's calendar and rules: its state comes from the changelog alone."""
    center = network.identities[CENTER]
    stage = Applications(center, network.reference, network.calendar, network.rules)
    [position] = [n for n, worker in enumerate(network.workers) if worker.stage.name == stage.name]
    network.workers[position].close()
    network.workers[position] = MemoryWorker(stage, network.broker, network.clock)
