"""Every process killed once in the middle of its work; a join worker frozen between its changelog and its offsets."""

from __future__ import annotations

import pytest

from pipeline.stages.names import STAGES
from tests.exchange import Exchange
from tests.failures import (
    assert_woken_without_harm,
    hand_over_twice,
    kill_adapters,
    kill_in_transaction,
)
from tests.verdicts import check

pytestmark = pytest.mark.timeout(400)

NTH = {"intake": 1, "applications": 1, "collect": 1, "join": 2}
"""Which of its transactions a stage is killed in: join has many, the others one or two for all of an application."""


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_in_its_transaction_loses_and_doubles_nothing(exchange: Exchange, stage: str) -> None:
    """SIGKILL after its outputs and changelog are produced and before its offsets are sent; then it starts again."""
    check(exchange, *kill_in_transaction(exchange, stage, "produced", NTH[stage]))


def test_adapters_killed_while_they_answer_and_receive_miss_and_repeat_nothing(exchange: Exchange) -> None:
    """A provider's outbox is durable; a requester's deliveries and offsets are one database transaction."""
    check(exchange, *kill_adapters(exchange, "37"))


def test_a_join_worker_frozen_in_its_transaction_is_fenced_after_two_hand_overs(exchange: Exchange) -> None:
    """Awake again while its transaction still stands, it can neither commit it nor disturb who has taken over."""
    application, persons = hand_over_twice(exchange, transaction_ms=60_000)
    assert_woken_without_harm(exchange)
    check(exchange, application, persons)
