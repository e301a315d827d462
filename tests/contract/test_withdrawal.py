"""Withdrawal (撤销, Art. 10): what is answered stays answered, nothing is delivered after it, and all of it is provable."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.crypto import envelopes, relay
from pipeline.crypto.bundles import Bundle
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.records import Application
from pipeline.kafka.clients import murmur2_partition
from pipeline.kafka.memory import MemoryWorker
from pipeline.province.handover import ExportRefused, hand_over
from pipeline.stages import sending, topics
from pipeline.stages.acts import post_act, sign_act
from pipeline.stages.effects import Message
from pipeline.stages.join import Join
from tests.delaying import acknowledgements, outbox_rows, said, withdraw
from tests.forgery import send
from tests.network import PARTITIONS, Network
from tests.officer import center_case, events_of, notices, on_desk, send_act
from tests.officer import withdraw as send_withdrawal
from tests.scenario import (
    FEEDBACK,
    REQUESTER,
    bundles_in,
    codes,
    is_certified,
    kept,
    local_codes,
    network_for,
    standing,
    with_form,
)

DAY = 24 * 3600
SILENT = ("37",)


@pytest.fixture
def network(tmp_path: Path, sample: Sample) -> Network:
    """A network with the sample filed, and 山东 standing still."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    return network


def relayed(network: Network, application: Application, provider: str) -> list[bytes]:
    """Digests of a provider's answers in the requester's inbox, by its bytes, whatever any store says."""
    found: list[Bundle] = bundles_in(network, application["requester"], "responses", "relay")
    opened = [relay.open_relay(b.records[0], network.reference.trust, now=network.clock()) for b in found]
    return [inner.bundle.leaf for inner in opened if inner.issuer == provider]


def test_in_flight_what_is_answered_stays_and_the_rest_is_withdrawn(network: Network, sample: Sample) -> None:
    """The certificate comes at once, long before any deadline: done and refused stand, the silent provider's is withdrawn."""
    network.run(without=SILENT)
    assert not is_certified(network, sample.application)
    withdraw(network, sample.application)
    network.run(without=SILENT)
    result = standing(network, sample.application)
    assert result.version == 1
    assert result.of("37", "social_insurance") == {("withdrawn", None): 12}
    assert result.of("37", "vehicles") == {("withdrawn", None): 12}
    assert result.of("32", "social_insurance") == {("done", None): 12}
    assert result.of("32", "business") == {("refused", "sharing_suspended"): 12}
    assert network.case(sample.application).state == "withdrawn"
    assert center_case(network, sample.application).state["state"] == "withdrawn"
    dossiers = network.case(sample.application).dossiers()
    statuses = {r["status"] for d in dossiers for p in d["persons"] for r in p["results"] if r["provider"] == "37"}
    assert statuses == {"withdrawn"}
    assert codes(network) == []


def test_an_answer_after_the_withdrawal_never_reaches_the_requester(network: Network, sample: Sample) -> None:
    """山东 had answered before it heard; its bundles come to the center afterwards. No byte of them goes on."""
    network.run(without=("37",))
    network.parties["37"].answers.work(*_requests(network, "37"))
    network.send("37")  # answered and sent, and collect has not looked
    withdraw(network, sample.application)
    network.run(without=("37", "collect"))
    network.run()
    late = [b for b in bundles_in(network, "center", "responses", "answer") if b.header.provider == "37"]
    assert late, "there were answers"
    assert relayed(network, sample.application, "37") == []
    inbox = b"".join(m.value or b"" for m in network.broker.messages(f"hedx.{REQUESTER}.responses"))
    for bundle in late:
        assert bundle.raw not in inbox
        assert bundle.records[0] not in inbox
    certificate = network.case(sample.application).certificate()
    assert certificate is not None
    named = {digest for section in certificate.result["sections"] for digest in section["bundles"]}
    assert named, "the proof: every bundle that counts is named"
    assert named.isdisjoint(bundle.leaf for bundle in late)
    assert [e["provider"] for e in events_of(network, sample.application, "answer_withdrawn")].count("37") >= 1
    assert codes(network) == [], "nobody is flooded with dead letters"
    assert standing(network, sample.application).of("37", "vehicles") == {("withdrawn", None): 12}


def _requests(network: Network, party: str) -> tuple[list[Message], dict[tuple[str, int], int]]:
    """The party's unread requests, and the positions after them; the network takes note of those."""
    member, topic = network.parties[party], f"hedx.{party}.requests"
    messages: list[Message] = []
    positions: dict[tuple[str, int], int] = {}
    for partition in range(PARTITIONS):
        found = network.broker.read(topic, partition, member.positions.get((topic, partition), 0))
        messages += found
        if found:
            positions[topic, partition] = member.positions[topic, partition] = found[-1].offset + 1
    return messages, positions


def test_providers_acknowledge_and_send_nothing_for_ever(network: Network, sample: Sample) -> None:
    """Each that was asked says what it had answered; outboxes are empty, and stay so for weeks."""
    network.run(without=("37", "collect"))
    withdraw(network, sample.application)
    network.run(without=("collect", "37"))
    network.parties["37"].answers.work(*_requests(network, "37"))
    network.run(without=("collect",))
    acks = acknowledgements(network, sample.application)
    assert sorted(acks) == ["00", "32", "37", "53"] == sorted(said(network, sample.application).asked())
    assert (acks["32"]["answered"], acks["32"]["dropped"]) == ([1], [])
    assert (acks["37"]["answered"], acks["37"]["dropped"]) == ([], [1]), "request and withdrawal came together"
    network.run()
    network.pass_time(60)
    for party in network.parties:
        assert outbox_rows(network, party) == 0, party
    sent = len(network.broker.messages("hedx.center.responses"))
    network.pass_time(20 * DAY)
    assert len(network.broker.messages("hedx.center.responses")) == sent
    acknowledged = events_of(network, sample.application, "withdrawal_acknowledged")
    assert {event["provider"] for event in acknowledged} == {"00", "32", "37", "53"}
    assert center_case(network, sample.application).state["acknowledged"] != []


def test_receipts_of_what_was_delivered_before_settle_nothing_twice(network: Network, sample: Sample) -> None:
    """The requester is slow: bundles relayed before the withdrawal are receipted after it, and that does no harm."""
    network.send(REQUESTER)
    network.run(without=("37", REQUESTER))
    withdraw(network, sample.application)
    network.send(REQUESTER)
    network.run(without=("37", REQUESTER))
    assert len(relayed(network, sample.application, "32")) > 0
    assert bundles_in(network, "32", "requests", "receipt") == []
    network.run()
    assert bundles_in(network, "32", "requests", "receipt") != []
    result = standing(network, sample.application)
    assert result.of("32", "social_insurance") == {("done", None): 12}
    assert network.case(sample.application).is_complete()
    assert {party: local_codes(network, party) for party in network.parties} == {p: [] for p in network.parties}
    assert codes(network) == []


def test_a_request_after_the_withdrawal_is_not_even_opened(network: Network, sample: Sample) -> None:
    """Partitions reorder: the withdrawal is read first. The request behind it is dropped, unopened and unanswered."""
    network.run(without=SILENT)
    withdraw(network, sample.application)
    network.run(without=SILENT)
    messages, positions = _requests(network, "37")
    kinds = {m: [b.header.kind for b in _bundles(network, m)] for m in messages}
    first = [m for m in messages if "act" in kinds[m]]
    rest = [m for m in messages if "act" not in kinds[m]]
    assert first
    assert rest
    desk = network.parties["37"].answers
    desk.work(first, {})
    desk.work(rest, positions)
    log = network.parties["37"].store.connection.execute("SELECT act FROM access").fetchall()
    assert ("opened",) not in log
    network.run()
    assert [b for b in bundles_in(network, "center", "responses", "answer") if b.header.provider == "37"] == []
    assert acknowledgements(network, sample.application)["37"]["dropped"] == []


def _bundles(network: Network, message: Message) -> list[Bundle]:
    envelope = envelopes.open_envelope(
        message.value or b"", network.reference.trust, audience="37", now=network.clock()
    )
    return list(envelope.bundles)


def test_of_a_large_application_nothing_more_is_sent_out(
    tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The withdrawal comes while sections still wait to be dispatched one message at a time: those never go out."""
    monkeypatch.setattr(sending, "STRAIGHT_THROUGH", 1)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=3)
    network.run(without=("applications",))
    send_withdrawal(network, sample.application)  # behind the sections, before any of their DispatchDue
    network.run()
    certificate = network.case(sample.application).certificate()
    assert certificate is not None
    sections = len(certificate.sections)
    assert sections > 2
    assert {s["status"] for s in certificate.result["statuses"]} == {"withdrawn"}
    assert bundles_in(network, "32", "requests", "request") == []
    assert sorted(acknowledgements(network, sample.application)) == ["00", "32", "37", "53"]
    assert codes(network) == []


def test_before_acceptance_it_just_ends(tmp_path: Path, sample: Sample) -> None:
    """A held application is withdrawn: off the desk, its roster let go of, nobody asked, nothing certified."""
    doubtful = with_form(sample, purpose="申请商业贷款前的核对")
    network = network_for(doubtful, tmp_path)
    network.file(doubtful.application, doubtful.persons)
    network.run()
    assert len(on_desk(network)) == 1
    withdraw(network, doubtful.application)
    network.run()
    assert on_desk(network) == []
    assert network.case(doubtful.application).state == "withdrawn"
    assert kept(network, "applications", b"s") == 0
    assert not is_certified(network, doubtful.application)
    assert len(notices(network, doubtful.application, "withdrawn")) == 1
    assert all(bundles_in(network, p, "requests", "act") == [] for p in ("00", "32", "37"))
    network.pass_time(2 * DAY)
    assert kept(network, "applications", b"a") == 1, "that it was withdrawn is remembered while its mandate holds"
    network.pass_time(401 * DAY)
    assert kept(network, "applications", b"a") == 0


def test_one_that_overtakes_its_application_holds(tmp_path: Path, sample: Sample) -> None:
    """The withdrawal is appended before the first section: nothing of the application is taken in when it comes."""
    network = network_for(sample, tmp_path)
    filing = network.file(sample.application, sample.persons, section_size=4)
    send_withdrawal(network, sample.application)
    network.run(without=("53",))
    network.run()
    assert len(filing.sections) > 1
    assert network.case(sample.application).state == "withdrawn"
    assert bundles_in(network, "32", "requests", "request") == []
    assert {e["kind"] for e in events_of(network, sample.application)} >= {"section_repeated", "withdrawn"}


def test_a_closed_application_is_not_withdrawn(network: Network, sample: Sample) -> None:
    """With a certificate there is nothing to take back: declined, signed, with the reason; nobody is told of it."""
    network.run()
    assert is_certified(network, sample.application)
    with pytest.raises(ConfigError, match="cannot be withdrawn"):
        withdraw(network, sample.application)
    send_withdrawal(network, sample.application)  # one that crossed the certificate on its way
    network.run()
    [notice] = notices(network, sample.application, "declined")
    assert [fault["code"] for fault in notice["faults"]] == ["withdrawal_too_late"]
    assert network.case(sample.application).state != "withdrawn"
    assert center_case(network, sample.application).state["withdrawal"] is None
    assert bundles_in(network, "32", "requests", "act") == []


def test_a_second_withdrawal_changes_nothing(network: Network, sample: Sample) -> None:
    """Two clerks, two withdrawals: the first stands, one certificate, one acknowledgement each."""
    network.run(without=SILENT)
    withdraw(network, sample.application)
    network.clock.advance(2)
    send_withdrawal(network, sample.application)
    network.run()
    assert standing(network, sample.application).version == 1
    assert len(network.broker.messages(topics.RESULTS)) == 1
    assert len(events_of(network, sample.application, "withdrawn")) == 1
    acknowledged = events_of(network, sample.application, "withdrawal_acknowledged")
    assert len(acknowledged) == len({event["provider"] for event in acknowledged}) == 4
    assert codes(network) == []


def test_a_withdrawn_application_is_not_exported(network: Network, sample: Sample, tmp_path: Path) -> None:
    """The purpose is gone with the query (Art. 11): its dossiers can be looked at, and are handed to nobody."""
    network.run(without=SILENT)
    withdraw(network, sample.application)
    network.run()
    case = network.case(sample.application)
    assert case.dossiers()
    with pytest.raises(ExportRefused) as refused:
        hand_over(case, tmp_path / "d.json", "json", unit=sample.application["approving_authority"])
    assert refused.value.code == "application_withdrawn"


def test_the_residual_goes_with_the_supplement_window(network: Network, sample: Sample) -> None:
    """Join remembers a withdrawn section as long as late answers might come, and no longer; the center a week more."""
    network.run(without=SILENT)
    withdraw(network, sample.application)
    network.run(without=SILENT)
    assert kept(network, "join", b"j") == 1
    network.pass_time(31 * DAY, without=SILENT)
    network.pass_time(2, without=SILENT)
    assert kept(network, "join", b"j") == 0
    network.pass_time(7 * DAY, without=SILENT)
    assert kept(network, "applications", b"a") == 0


def test_the_join_starts_again_from_its_changelog_and_knows(network: Network, sample: Sample) -> None:
    """A new process between the withdrawal and the late answer: still nothing is delivered."""
    network.run(without=("37", "collect"))
    network.parties["37"].answers.work(*_requests(network, "37"))
    network.send("37")
    withdraw(network, sample.application)
    network.run(without=("37", "collect"))
    [position] = [n for n, worker in enumerate(network.workers) if worker.stage.name == "join"]
    network.workers[position].close()
    stage = Join(network.identities["center"], lambda _, key: murmur2_partition(key, PARTITIONS))
    network.workers[position] = MemoryWorker(stage, network.broker, network.clock)
    network.run()
    assert relayed(network, sample.application, "37") == []
    assert events_of(network, sample.application, "answer_withdrawn") != []


# ---- attacks -------------------------------------------------------------------------------------------------------


def _withdrawal(network: Network, application: Application, **changes: object) -> dict[str, object]:
    return {
        "application_id": application["application_id"],
        "requester": application["requester"],
        "mandate_digest": network.case(application).mandate_digest,
        "at": network.clock(),
        "reason": "",
        **changes,
    }


def _about(network: Network, application: Application, **more: object) -> dict[str, object]:
    """What other acts about the application begin with."""
    return {k: v for k, v in _withdrawal(network, application).items() if k != "reason"} | more


def test_another_province_cannot_withdraw(network: Network, sample: Sample) -> None:
    """江苏 signs a withdrawal in 云南's name: `act_invalid`. In its own name, for 云南's id: an application of its own."""
    network.run(without=SILENT)
    signer = network.identities["32"].signer
    raw = sign_act("withdrawal", _withdrawal(network, sample.application), signer, "center", network.clock())
    send(
        network,
        "32",
        "center",
        "requests",
        post_act(raw, "32", "center", REQUESTER, sample.application["application_id"]),
    )
    own = sign_act(
        "withdrawal", _withdrawal(network, sample.application, requester="32"), signer, "center", network.clock()
    )
    send(network, "32", "center", "requests", post_act(own, "32", "center", "32", sample.application["application_id"]))
    network.run(without=SILENT)
    assert codes(network) == ["act_invalid"]
    assert center_case(network, sample.application).state["state"] != "withdrawn"


def test_a_withdrawal_replayed_for_another_application_is_refused(network: Network, sample: Sample) -> None:
    """The mandate named is another one: `mandate_mismatch`, and the application goes on."""
    network.run(without=SILENT)
    send_act(
        network, sample.application, "withdrawal", _withdrawal(network, sample.application, mandate_digest=b"\1" * 32)
    )
    network.run(without=SILENT)
    assert codes(network) == ["mandate_mismatch"]
    network.run()
    assert network.case(sample.application).state == "completed" or is_certified(network, sample.application)


def test_a_provider_takes_no_withdrawal_but_the_requesters_own(network: Network, sample: Sample) -> None:
    """A center that relays one province's withdrawal as another's, or one of its own making, changes nothing."""
    network.run(without=SILENT)
    foreign = sign_act(
        "withdrawal",
        _withdrawal(network, sample.application, requester="32"),
        network.identities["32"].signer,
        "center",
        network.clock(),
    )
    send(
        network,
        "center",
        "37",
        "requests",
        post_act(foreign, "center", "37", REQUESTER, sample.application["application_id"]),
    )
    notice = sign_act(
        "review",
        _about(network, sample.application, kind="withdrawn", faults=[], due=None),
        network.identities["center"].signer,
        "37",
        network.clock(),
    )
    send(
        network,
        "center",
        "37",
        "requests",
        post_act(notice, "center", "37", REQUESTER, sample.application["application_id"]),
    )
    network.run()
    assert sorted(local_codes(network, "37")) == ["act_misdirected", "act_unexpected"]
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): 12}


@pytest.mark.parametrize("by", ["32", "11"])
def test_an_acknowledgement_must_fit(network: Network, sample: Sample, by: str) -> None:
    """Of another withdrawal, or while there is none: `ack_invalid`; nothing reaches the requester."""
    network.run(without=SILENT)
    ack = _about(network, sample.application, provider="32", withdrawal=b"\2" * 32, answered=[], dropped=[])
    raw = sign_act("withdrawal-ack", ack, network.identities["32"].signer, "center", network.clock())
    if by == "11":  # in the record: it speaks for another
        ack["provider"] = by
        raw = sign_act("withdrawal-ack", ack, network.identities["32"].signer, "center", network.clock())
    send(
        network,
        "32",
        "center",
        "requests",
        post_act(raw, "32", "center", REQUESTER, sample.application["application_id"]),
    )
    network.run(without=SILENT)
    assert codes(network) == [{"32": "ack_invalid", "11": "act_invalid"}[by]]
    assert acknowledgements(network, sample.application) == {}


def test_deadlines_after_it_expire_nothing(network: Network, sample: Sample) -> None:
    """The deadline passes after the withdrawal: what was withdrawn stays withdrawn, and no version follows."""
    network.run(without=SILENT)
    withdraw(network, sample.application)
    network.run(without=SILENT)
    network.pass_time(FEEDBACK + 60, without=SILENT)
    network.run()
    result = standing(network, sample.application)
    assert result.version == 1
    assert "expired" not in result.statuses()
