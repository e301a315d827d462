"""Article 10 (如申请查询的省级核对机构需要撤销查询…应向部收入认定中心提出撤销…申请): a query in flight is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.demo.application import Sample
from pipeline.domain.records import Application
from tests.delaying import acknowledgements, said, withdraw
from tests.network import Network
from tests.officer import DOUBTFUL, center_case, local_history, notices, on_desk
from tests.scenario import FEEDBACK, bundles_in, codes, is_certified, network_for, standing, with_form


@pytest.fixture
def in_flight(network: Network, sample: Sample) -> Application:
    """An application that everybody but 山东 has answered, and that is taken back then."""
    network.file(sample.application, sample.persons)
    network.run(without=("37",))
    withdraw(network, sample.application)
    network.run(without=("37",))
    return sample.application


def test_the_center_confirms_it_and_everybody_moves_to_withdrawn(network: Network, in_flight: Application) -> None:
    """A signed notice comes back; requester and center say 已撤销, each with who did it and when."""
    assert len(notices(network, in_flight, "withdrawn")) == 1
    assert network.case(in_flight).state == "withdrawn"
    [change] = [c for c in center_case(network, in_flight).state["history"] if c["event"] == "withdraw"]
    assert (change["by"], change["state"]) == ("53", "withdrawn")
    assert ("withdraw", "withdrawn", None) in local_history(network.case(in_flight))
    assert center_case(network, in_flight).state["withdrawal"] is not None


def test_every_sub_query_has_its_one_status(network: Network, in_flight: Application, sample: Sample) -> None:
    """What was answered stays answered, the rest is withdrawn; all persons are counted, under every provider and row."""
    statuses = standing(network, in_flight).statuses()
    acceptance = network.case(in_flight).acceptance()
    assert acceptance is not None
    assert sum(statuses.values()) == len(acceptance["sub_queries"]) * len(sample.persons)
    assert statuses["withdrawn"] == 2 * len(sample.persons)
    assert statuses["done"] > 0


def test_each_provider_that_was_asked_acknowledges(network: Network, in_flight: Application) -> None:
    """山东 is away: it is named as the one that has not; when it is back it says what it had not answered."""
    assert sorted(acknowledgements(network, in_flight)) == ["00", "32", "53"]
    network.run()
    acks = acknowledgements(network, in_flight)
    assert sorted(acks) == sorted(said(network, in_flight).asked()) == ["00", "32", "37", "53"]
    assert acks["32"]["answered"] == [1]


def test_what_comes_after_it_is_delivered_to_nobody(network: Network, in_flight: Application) -> None:
    """Days later, with the silent provider back: the certificate is still the first, and no answer was relayed."""
    before = len(bundles_in(network, "53", "responses", "relay"))
    network.run()
    network.pass_time(2 * FEEDBACK)
    assert standing(network, in_flight).version == 1
    assert len(bundles_in(network, "53", "responses", "relay")) == before
    assert codes(network) == []


def test_before_the_providers_are_asked_it_leaves_no_trace_with_them(tmp_path: Path, sample: Sample) -> None:
    """Held for an officer and withdrawn: off the desk, nobody was asked, nobody hears of it."""
    doubtful = with_form(sample, purpose=DOUBTFUL)
    network = network_for(doubtful, tmp_path)
    network.file(doubtful.application, doubtful.persons)
    network.run()
    withdraw(network, doubtful.application)
    network.run()
    assert on_desk(network) == []
    assert network.case(doubtful.application).state == "withdrawn"
    assert not is_certified(network, doubtful.application)
    for party in ("00", "32", "37"):
        assert bundles_in(network, party, "requests", "request") == []
        assert bundles_in(network, party, "requests", "act") == []
