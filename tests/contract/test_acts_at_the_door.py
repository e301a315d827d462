"""What the center's front door does with acts, before and instead of a receipt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.stages.acts import post_act, sign_act
from tests import catalog_desk as desk
from tests import forgery
from tests.network import Network
from tests.scenario import bundles_in, codes, network_for, small_sample

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
