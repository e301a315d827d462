"""What the center's front door does with acts, before and instead of a receipt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.demo.application import Sample
from pipeline.domain.faults import fault
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Application
from pipeline.province import outbox
from pipeline.stages import topics
from pipeline.stages.acts import post_act, sign_act
from tests import catalog_desk as desk
from tests import delaying, forgery
from tests.network import Network
from tests.officer import notices
from tests.scenario import bundles_in, codes, network_for, small_sample

DAY = 24 * 3600
AHEAD = 305_000
"""By how much (ms) a clock is wrong here: more than the five minutes allowed."""


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """A small application."""
    return small_sample(tmp_path / "sample")


@pytest.fixture
def network(sample: Sample, tmp_path: Path) -> Network:
    """Its parties, the application filed and on its way."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("37",))
    return network


def withdrawal(network: Network, sample: Sample, reason: str = "申请对象已放弃申请") -> dict[str, Any]:
    """What the requester says to withdraw it."""
    return {
        "application_id": sample.application["application_id"],
        "requester": sample.application["requester"],
        "mandate_digest": network.case(sample.application).mandate_digest,
        "reason": reason,
        "at": network.clock(),
    }


def send(network: Network, party: str, typ: str, record: dict[str, Any], ahead: int = 0) -> None:
    """Send an act that is signed by a clock that is `ahead` (ms)."""
    raw = sign_act(typ, record, network.identities[party].signer, CENTER, network.clock() + ahead)
    about = (record.get("requester", ""), record.get("application_id", ""))
    forgery.send(network, party, CENTER, "requests", post_act(raw, party, CENTER, *about))


def test_an_act_of_a_clock_too_far_ahead_is_not_receipted_and_counts_when_it_comes_again(
    network: Network, sample: Sample
) -> None:
    """Valid when it is read and not when it was appended: receipted, it would be lost behind the door."""
    record = withdrawal(network, sample)
    before = len(bundles_in(network, "53", "responses", "receipt"))
    raw = sign_act("withdrawal", record, network.identities["53"].signer, CENTER, network.clock() + AHEAD)
    bundle = post_act(raw, "53", CENTER, "53", record["application_id"])
    forgery.send(network, "53", CENTER, "requests", bundle)
    network.clock.advance(10)
    network.run(without=("37",))
    assert codes(network) == ["issued_in_future"]
    assert len(bundles_in(network, "53", "responses", "receipt")) == before
    assert network.case(sample.application).state != "withdrawn"
    forgery.send(network, "53", CENTER, "requests", bundle)  # as its outbox does until it has a receipt
    network.run(without=("37",))
    assert network.case(sample.application).state == "withdrawn"
    assert codes(network) == ["issued_in_future"]


def test_a_report_of_a_clock_too_far_ahead_does_not_stand_on_the_desk(network: Network) -> None:
    """Nor keeps the officers from the reports of others."""
    record = {"party": "37", "number": 1, "entries": [], "retire": ["medical"], "at": network.clock()}
    send(network, "37", "catalog-report", record, AHEAD)
    network.clock.advance(10)
    desk.report(network, "00", desk.entry_of(network, "00", "marriage", version=2, update_cycle="每日"))
    assert [reported.name for reported in desk.on_desk(network)] == ["00/1"]
    assert codes(network) == ["issued_in_future"]


def test_an_act_that_outlived_an_outage_is_declined_and_holds_up_nothing(network: Network, sample: Sample) -> None:
    """The front door was shut for 15 days: the withdrawal's signature is over, what shares its envelope is not lost."""
    other: Application = {**sample.application, "application_id": "7b0e3a52-5c1d-4f7e-9a44-0d9d1f2b6c10"}
    network.file(other, sample.persons)
    delaying.withdraw(network, sample.application)
    network.pass_time(15 * DAY, without=("intake",))
    network.run()
    [notice] = notices(network, sample.application, "declined")
    assert [fault["code"] for fault in notice["faults"]] == ["act_lapsed"]
    rejection = network.case(other).rejection()  # its mandate was signed as long ago, and its requester is told so
    assert rejection is not None
    assert [fault["code"] for fault in rejection["faults"]] == ["section_unreadable"]
    assert outbox.unsettled(network.parties["53"].store.connection) == 0
    before = codes(network)
    network.pass_time(15 * DAY)
    assert codes(network) == before


def test_an_act_under_a_revoked_certificate_is_declined(network: Network, sample: Sample) -> None:
    """Sent again in an envelope of the renewed certificate; the requester hears that it has to do it again."""
    delaying.withdraw(network, sample.application)
    [act] = network.parties["53"].store.acts(sample.application["application_id"], "withdrawal")
    network.renew("53")
    bundle = post_act(act[0], "53", CENTER, "53", sample.application["application_id"])
    forgery.send(network, "53", CENTER, "requests", bundle)
    network.run()
    assert {
        fault["code"] for notice in notices(network, sample.application, "declined") for fault in notice["faults"]
    } == {"act_lapsed"}


@pytest.mark.parametrize(
    "number",
    [
        "530102198001011234",
        "５３０１０２１９８００１０１１２３４",
        "5301 0219 8001 0112 34",
        "530.102.1980.0101-123X",
        "五三〇一〇二一九八〇〇一〇一一二三四",
    ],
)
def test_a_requesters_reason_with_a_persons_number_goes_no_further(
    network: Network, sample: Sample, number: str
) -> None:
    """Receipted, so that it is not sent for ever; answered by a signed notice that names the act; relayed to nobody."""
    record = withdrawal(network, sample, f"张三 {number} 已死亡")
    send(network, "53", "withdrawal", record)
    digests = [bundle.records[0] for bundle in bundles_in(network, "53", "responses", "receipt")]
    network.run(without=("37",))
    assert len(bundles_in(network, "53", "responses", "receipt")) > len(digests)
    [notice] = notices(network, sample.application, "declined")
    assert [fault["code"] for fault in notice["faults"]] == ["act_reason_number"]
    assert network.case(sample.application).state != "withdrawn"
    places = [topics.APPLICATIONS, topics.DESK, topics.EVENTS, topics.changelog("applications")]
    places += [inbox(party, "requests") for party in network.parties]
    assert not [t for t in places for m in network.broker.messages(t) if number.encode() in (m.value or b"")]
    assert codes(network) == []
    send(network, "53", "withdrawal", withdrawal(network, sample))
    network.run(without=("37",))
    assert network.case(sample.application).state == "withdrawn"


def test_a_providers_reason_with_a_persons_number_goes_no_further(network: Network, sample: Sample) -> None:
    """It hears that the message was refused, signed, with the digest of the act; the requester hears nothing."""
    record: dict[str, Any] = {
        "application_id": sample.application["application_id"],
        "requester": "53",
        "mandate_digest": network.case(sample.application).mandate_digest,
        "provider": "37",
        "rows": [3],
        "until": network.clock() + 10 * 24 * 3600 * 1000,
        "reason": "经办人电话 138-0000-0000",
        "at": network.clock(),
    }
    raw = sign_act("delay", record, network.identities["37"].signer, CENTER, network.clock())
    bundle = post_act(raw, "37", CENTER, "53", record["application_id"])
    forgery.send(network, "37", CENTER, "requests", bundle)
    network.run()
    [rejection] = bundles_in(network, "37", "responses", "rejection")
    told = framing.decode(cose.decode(rejection.records[0]).payload)[1]
    assert told["faults"] == [fault("act_reason_number", digest=cose.decode(raw).digest.hex())]
    assert network.parties["53"].store.acts(record["application_id"], "delay") == []
    assert codes(network) == []
