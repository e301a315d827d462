"""Rows that were closed by agreement (Art. 10): no answer about them reaches the requester, and no other row is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.demo.application import Sample
from pipeline.domain.parties import inbox
from pipeline.domain.records import Delay
from pipeline.province.sealed_rows import ANSWER
from pipeline.stages.acts import Act, open_act, post_act, sign_act
from tests.delaying import outbox_rows, reply, told
from tests.network import Network
from tests.scenario import FEEDBACK, bundles_in, codes, network_for, small_sample, standing

LATER = 10**8


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """Two rows, both asked of one provider."""
    return small_sample(tmp_path / "s", ("山东", "vehicles", ""), ("山东", "social_insurance", ""))


@pytest.fixture
def network(sample: Sample, tmp_path: Path) -> Network:
    """A network for it."""
    return network_for(sample, tmp_path / "n")


def _say_delay(network: Network, sample: Sample, rows: list[int]) -> Act:
    """The provider's officials sign a delay of `rows`; kept and sent as its own acts are."""
    application, member = sample.application, network.parties["37"]
    record = Delay(
        application_id=application["application_id"],
        requester="53",
        mandate_digest=network.case(application).mandate_digest,
        provider="37",
        rows=rows,
        until=network.clock() + LATER,
        reason="水灾",
        at=network.clock(),
    )
    raw = sign_act("delay", record, member.identity.signer, "center", network.clock())
    act = open_act(raw, network.reference.trust, at=network.clock())
    bundle = post_act(raw, "37", "center", "53", application["application_id"])
    member.store.send(act, bundle, network.clock())
    network.send("37")
    return act


def _held_rows(network: Network, sample: Sample) -> set[int]:
    """Rows about which the requester's store holds an answer."""
    case = network.case(sample.application)
    rows = case.rows()
    found: set[int] = set()
    for (digest,) in case.connection.execute("SELECT digest FROM bundle").fetchall():
        group = rows.group(ANSWER, digest)
        query = "SELECT idx, record FROM answer WHERE digest = ?"
        for index, sealed in case.connection.execute(query, (digest,)):
            answer = framing.read("Answer", group.open(index, sealed))
            found |= {result["row"] for result in answer["results"]}
    return found


def _relayed_rows(network: Network) -> set[int]:
    return {row for relayed in bundles_in(network, "53", "responses", "relay") for row in relayed.header.rows}


def test_a_request_read_with_the_extension_is_answered_without_closed_rows(network: Network, sample: Sample) -> None:
    """Request and extension wait in different partitions: whichever the provider reads first, the end is the same."""
    network.file(sample.application, sample.persons, section_size=6)
    network.run(without=("37",))
    _say_delay(network, sample, [1])
    network.run(without=("37",))
    reply(network, sample.application, "close")
    network.run(without=("37",))
    network.run()
    network.pass_time(3 * FEEDBACK)
    assert _held_rows(network, sample) == _relayed_rows(network) == {2}
    assert {key[2] for key in standing(network, sample.application).counts} == {"done", "unavailable"}


def test_an_answer_that_crosses_the_extension_is_asked_for_again_without_closed_rows(
    network: Network, sample: Sample
) -> None:
    """A bundle about a closed and an open row is not passed on; the open row comes in another one, and nothing lingers."""
    network.file(sample.application, sample.persons, section_size=6)
    network.run(without=("37",))
    member = network.parties["37"]
    network._feed(member, inbox("37", "requests"), member.answers.work)  # answered; the line to the center is down
    _say_delay(network, sample, [1])
    reply_when_told(network, sample)
    network.run()
    assert _relayed_rows(network) == set()
    assert "answer_partly_closed" in codes(network)
    network.pass_time(1200)
    network.run()
    assert _held_rows(network, sample) == _relayed_rows(network) == {2}
    network.pass_time(3 * FEEDBACK)
    assert outbox_rows(network, "37") == 0
    assert {key[2] for key in standing(network, sample.application).counts} == {"done", "unavailable"}


def reply_when_told(network: Network, sample: Sample) -> None:
    """The requester hears of the delay and closes the rows, before the provider's answers reach the center."""
    network.run(without=("37", "collect", "join"))
    assert told(network, sample.application)
    reply(network, sample.application, "close")
    network.run(without=("37", "collect", "join"))
