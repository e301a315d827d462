"""Bites: what one transaction holds, and how a worker finds its measure."""

from __future__ import annotations

from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.limits import RECORD_OVERHEAD, Limits, Load, Pace, load_of
from pipeline.stages.effects import Effects, Message, Output


def test_outputs_changes_and_dead_letters_are_weighed_in_bytes() -> None:
    """Sizes are key, value, headers and overhead; a dead letter counts, but never as too large."""
    message = Message("t", 0, 0, 0, b"k", bytes(100))
    effects = Effects(
        [Output("o", b"key", bytes(10), (("h", b"12"),))],
        {(0, b"c"): bytes(20), (0, b"d"): None},
        [(message, InvalidMessage("bad"))],
    )
    weights = [3 + 10 + 1 + 2, 1 + 20, 1 + 0, 1 + 100]
    assert load_of(effects) == Load(4, sum(weights) + 4 * RECORD_OVERHEAD, 21 + RECORD_OVERHEAD)


def test_a_slow_stage_is_given_fewer_messages_and_a_quick_one_more() -> None:
    """A step settles near the time allowed, and never asks for less than one message or more than the limit."""
    pace = Pace(Limits(messages=1000, seconds=1.0))
    pace.learn(64, 6.4, Load(64, 64, 1))
    assert pace.size == 10
    pace.learn(10, 0.001, Load(10, 10, 1))
    assert pace.size == 40
    for _ in range(10):
        pace.learn(pace.size, 0.001, Load(1, 1, 1))
    assert pace.size == 1000
    pace.learn(1, 60.0, Load(1, 1, 1))
    assert pace.size == 1


def test_a_stage_that_multiplies_is_kept_within_a_transaction() -> None:
    """Half the records and bytes of a transaction is the aim, so that few batches must be cut."""
    pace = Pace(Limits(records=1000, bytes=1_000_000))
    pace.learn(10, 0.001, Load(500, 1000, 1))
    assert pace.size == 10
    pace.learn(10, 0.001, Load(10, 2_000_000, 1))
    assert pace.size == 2
