"""Every process killed once in the middle of its work; a join worker frozen between its changelog and its offsets."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.domain.records import Application, Person
from pipeline.stages.names import STAGES
from tests.exchange import Exchange
from tests.failures import (
    assert_woken_without_harm,
    hand_over_twice,
    kill_in_transaction,
    kill_provider,
    kill_requester,
)
from tests.verdicts import assert_at_rest, assert_each_sub_query_once, assert_equals_oracle

pytestmark = pytest.mark.timeout(400)

NTH = {"intake": 1, "applications": 1, "collect": 1, "join": 2}
"""Which of its transactions a stage is killed in: join has many, the others one or two for all of an application."""


def check(exchange: Exchange, application: Application, persons: Sequence[Person]) -> None:
    """Every sub-query certified once, dossiers as plain SQL says, nothing left in motion."""
    assert_each_sub_query_once(exchange.wait_complete(application))
    assert_equals_oracle(exchange, application, persons)
    assert_at_rest(exchange)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_in_its_transaction_loses_and_doubles_nothing(exchange: Exchange, stage: str) -> None:
    """SIGKILL after its outputs and changelog are produced and before its offsets are sent; then it starts again."""
    check(exchange, *kill_in_transaction(exchange, stage, "produced", NTH[stage]))


def test_a_provider_killed_while_it_answers_answers_once(exchange: Exchange) -> None:
    """Its outbox is durable: what was put in before the kill is sent, what was sent is known again."""
    check(exchange, *kill_provider(exchange, "37"))


def test_a_requester_killed_while_it_receives_misses_nothing(exchange: Exchange) -> None:
    """Deliveries and offsets are one database transaction."""
    check(exchange, *kill_requester(exchange))


def test_a_join_worker_frozen_in_its_transaction_is_fenced_after_two_hand_overs(exchange: Exchange) -> None:
    """Awake again while its transaction still stands, it can neither commit it nor disturb who has taken over."""
    application, persons = hand_over_twice(exchange, transaction_ms=60_000)
    assert_woken_without_harm(exchange)
    check(exchange, application, persons)
