"""Article 10 (如遇不可抗力因素或因其他客观原因，无法在规定的时间内处理完毕的…共同商议解决): told, talked over, signed."""

from __future__ import annotations

import pytest

from pipeline.demo.application import Sample
from pipeline.domain.records import Application
from tests.delaying import BECAUSE, HOUR, away, parked, reply, told
from tests.network import START, Network
from tests.officer import center_case
from tests.scenario import FEEDBACK, assert_equals_oracle, is_certified, standing

BACK = START + 6 * HOUR * 1000
"""Until when (ms) 山东's registers are away; its deadline is one hour after the acceptance."""


@pytest.fixture
def delayed(network: Network, sample: Sample) -> Application:
    """An application that everybody has answered but 山东, whose machines stand under water."""
    away(network, sample, "37", ("social_insurance", "vehicles"), BACK)
    network.file(sample.application, sample.persons)
    network.run()
    return sample.application


def test_the_requester_is_notified_of_what_when_and_why(network: Network, delayed: Application) -> None:
    """The provider's own signed words, passed on by the center; meanwhile the application stays open."""
    [delay] = told(network, delayed)
    assert (delay.delay["provider"], delay.delay["rows"], delay.delay["reason"]) == ("37", [1, 3], BECAUSE)
    assert delay.delay["until"] > BACK, "with time to answer in"
    assert not is_certified(network, delayed)
    [noted] = center_case(network, delayed).state["delays"]
    assert (noted["provider"], noted["settled"]) == ("37", False)


def test_agreed_the_answers_in_the_extended_time_are_in_time(
    network: Network, delayed: Application, sample: Sample
) -> None:
    """Certificate 1 is the only one, and nobody is missing in it."""
    reply(network, delayed, "agree")
    network.run()
    network.pass_time(FEEDBACK + 60)
    assert not is_certified(network, delayed), "the old deadline is none any more"
    network.pass_time(5 * HOUR)
    assert standing(network, delayed).version == 1
    assert "expired" not in standing(network, delayed).statuses()
    assert_equals_oracle(network, sample)


def test_shortened_the_shorter_time_counts(network: Network, delayed: Application) -> None:
    """The requester waits two hours instead of six; then 未反馈."""
    reply(network, delayed, "shorten", START + 2 * HOUR * 1000)
    network.run()
    network.pass_time(2 * HOUR - 60)
    assert not is_certified(network, delayed)
    network.pass_time(120)
    assert standing(network, delayed).of("37", "vehicles") == {("expired", None): 12}


def test_closed_nobody_waits_and_nobody_is_blamed(network: Network, delayed: Application) -> None:
    """The rows are 暂不可用 with the reason, not 未反馈; the provider lets go of the roster it had parked."""
    reply(network, delayed, "close")
    network.run()
    assert standing(network, delayed).of("37", "vehicles") == {("unavailable", "force_majeure"): 12}
    assert parked(network, "37") == []


def test_without_a_reply_the_limit_of_the_catalog_stands(network: Network, delayed: Application) -> None:
    """Nobody extends a deadline alone: 未反馈 in version 1, and what comes later is version 2."""
    network.pass_time(FEEDBACK + 60)
    assert standing(network, delayed).of("37", "vehicles") == {("expired", None): 12}
    network.pass_time(6 * HOUR)
    assert standing(network, delayed).version == 2
    assert "expired" not in standing(network, delayed).statuses()
