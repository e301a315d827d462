"""Three kills of everything: at every point of a transaction, and at any time, with many applications under way."""

from __future__ import annotations

import time
from random import Random

import pytest

from pipeline.stages.names import STAGES
from tests.exchange import Exchange
from tests.failures import assert_woken_without_harm, file_sections, hand_over_twice, kill_adapters, kill_in_transaction
from tests.verdicts import assert_at_rest, assert_each_sub_query_once, assert_equals_oracle, check

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.mark.parametrize("point", ["produced", "offsets_sent", "committed"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_at_any_point_loses_and_doubles_nothing(exchange: Exchange, stage: str, point: str) -> None:
    """SIGKILL before its offsets are sent, before its commit, and before its store follows the commit."""
    check(exchange, *kill_in_transaction(exchange, stage, point, 2 if stage == "join" else 1))


@pytest.mark.parametrize("provider", ["00", "11", "37"])
def test_adapters_killed_while_they_answer_and_receive_miss_and_repeat_nothing(
    exchange: Exchange, provider: str
) -> None:
    """A provider's outbox is durable; a requester's deliveries and offsets are one database transaction."""
    check(exchange, *kill_adapters(exchange, provider))


@pytest.mark.parametrize("repetition", range(3))
def test_a_frozen_join_worker_woken_within_its_transaction_is_fenced(exchange: Exchange, repetition: int) -> None:
    """Two others have taken over in turn, its transaction still stands, and it cannot commit it."""
    application, persons = hand_over_twice(exchange, transaction_ms=60_000)
    assert_woken_without_harm(exchange)
    check(exchange, application, persons)


@pytest.mark.parametrize("repetition", range(3))
def test_a_frozen_join_worker_woken_when_all_is_done_changes_nothing(exchange: Exchange, repetition: int) -> None:
    """Its transaction has timed out, the third worker has done the work; the one after that is done as well."""
    application, persons = hand_over_twice(exchange, transaction_ms=30_000)
    check(exchange, application, persons)
    assert_woken_without_harm(exchange)
    check(exchange, *file_sections(exchange))
    assert_each_sub_query_once(exchange.case(application))
    assert_equals_oracle(exchange, application, persons)


def test_two_workers_of_each_stage_and_all_adapters_killed_three_times_under_load(exchange: Exchange) -> None:
    """Applications of two provinces keep coming while, in any order, each process is killed and started again."""
    random = Random("storm")
    processes = exchange.processes
    for stage in STAGES:
        exchange.start_stage(stage, name=f"{stage}.b")
    names = [*STAGES, *(f"{stage}.b" for stage in STAGES), *exchange.sample.parties]
    filed = []
    for name in random.sample(names * 3, 3 * len(names)):
        filed.append(file_sections(exchange, random.choice(["53", "37"])))
        time.sleep(random.uniform(0.0, 1.5))
        processes.kill(name)
        time.sleep(random.uniform(0.0, 1.0))
        processes.restart(name)
    for application, persons in filed:
        assert_each_sub_query_once(exchange.wait_complete(application))
        assert_equals_oracle(exchange, application, persons)
    assert_at_rest(exchange)
