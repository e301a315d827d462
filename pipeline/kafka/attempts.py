"""Working through a batch with a stage that may fail: what both the Kafka and the in-memory worker do alike."""

from __future__ import annotations

import sqlite3
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from time import perf_counter
from typing import NamedTuple

from confluent_kafka import KafkaException

from pipeline.domain.errors import ConfigError, HedxError, InvalidMessage
from pipeline.kafka.deadletters import dead_letter
from pipeline.kafka.limits import Limits, Load, Pace, load_of
from pipeline.stages.effects import Batch, Effects, Message, Output, Progress, Stage, State, Wary

Place = tuple[str, int]
"""A partition: topic and number."""


class Step(NamedTuple):
    """One step that succeeded. `remaining`: of each partition the lowest offset still to do; `seconds`: what it took."""

    effects: Effects
    remaining: dict[Place, int]
    messages: Sequence[Message]
    seconds: float


NOT_THE_MESSAGES = MemoryError, OSError, sqlite3.Error, KafkaException
"""Beside every HedxError but InvalidMessage: what a disk, a database, a socket or the brokers do to this process."""


def work_through(
    stage: Stage,
    state: State,
    messages: Sequence[Message],
    *,
    clock: Callable[[], int],
    owned: Sequence[Progress],
    limits: Limits,
    pace: Pace,
    held: Sequence[Message] = (),
) -> Iterator[Step]:
    """Step through `messages` in as few steps as the limits and the stage allow.

    Yields each step; the caller commits and applies its effects before it goes on. What can wait (`Wary`) comes last; `held`: the first of each partition's messages that
    wait even longer. A batch on which the stage raises, or whose effects outgrow a transaction, is cut
    in half until one message is left to blame: that one's effects are a dead letter. What is this process's
    fault or nobody's (every HedxError but InvalidMessage, and `NOT_THE_MESSAGES`) passes through.
    """
    bite = max(1, pace.size)
    parts = apart(stage, messages, clock())
    chunks = deque(part[start : start + bite] for part in parts for start in range(0, len(part), bite))
    while chunks:
        chunk = chunks.popleft()
        started = perf_counter()
        waiting = list(chain.from_iterable(chunks))
        effects = _attempt(stage, state, Batch(chunk, clock(), owned, [*waiting, *held]), limits)
        if effects is None:
            middle = len(chunk) // 2
            chunks.extendleft((chunk[middle:], chunk[:middle]))
            pace.size = max(1, middle)
            continue
        seconds = perf_counter() - started
        pace.learn(len(chunk), seconds, load_of(effects))
        yield Step(effects, _first_offsets(waiting), chunk, seconds)


def tick(stage: Stage, state: State, now: int, owned: Sequence[Progress]) -> Effects:
    """A step without messages. Whatever the stage raises passes through: there is no message to blame."""
    return stage.step(state, Batch((), now, owned))


def records_of(effects: Effects, stage: Stage, *, task: int, deadletters: str) -> list[Output]:
    """All records of one transaction: outputs, changelog, dead letters.

    Raises ConfigError when a stage without a changelog changes state.
    """
    if effects.changes and stage.changelog is None:
        raise ConfigError(f"stage {stage.name} changes state but names no changelog")
    changes = (
        Output(stage.changelog or "", key, value, (), partition) for (partition, key), value in effects.changes.items()
    )
    letters = (dead_letter(m, error, stage=stage.name, task=task, topic=deadletters) for m, error in effects.dead)
    return [*effects.outputs, *changes, *letters]


def _attempt(stage: Stage, state: State, batch: Batch, limits: Limits) -> Effects | None:
    """The step's effects, or None when a smaller batch must be tried."""
    alone = batch.messages[0] if len(batch.messages) == 1 else None
    try:
        effects = stage.step(state, batch)
    except InvalidMessage as failure:
        return _put_aside(alone, failure) if alone else None
    except (HedxError, *NOT_THE_MESSAGES):
        raise
    except Exception as failure:  # noqa: BLE001 - a stage's fault may be of any class; it is put aside, with its place
        return _put_aside(alone, failure) if alone else None
    load = load_of(effects)
    if load.fits(limits):
        return effects
    return _outgrown(alone, load) if alone else None


def _put_aside(message: Message, failure: Exception) -> Effects:
    """Blame `message`; of the failure only its class and place are kept, since its text may quote the message."""
    if isinstance(failure, InvalidMessage):
        return Effects(dead=[(message, failure)])
    place = traceback.extract_tb(failure.__traceback__)[-1]
    detail = f"{type(failure).__name__} in {place.name}, line {place.lineno}"
    return Effects(dead=[(message, InvalidMessage("stage_failed", detail))])


def _outgrown(message: Message, load: Load) -> Effects:
    detail = f"{load.records} records, {load.bytes} bytes, largest {load.largest} bytes"
    return Effects(dead=[(message, InvalidMessage("effects_too_large", detail))])


def apart(stage: Stage, messages: Sequence[Message], now: int) -> tuple[Sequence[Message], Sequence[Message]]:
    """The messages to begin with, and those that can wait; both in the order of the log."""
    if not isinstance(stage, Wary):
        return messages, ()
    can_wait = [stage.can_wait(message, now) for message in messages]
    if not any(can_wait):
        return messages, ()
    first = [message for message, waits in zip(messages, can_wait, strict=True) if not waits]
    return first, [message for message, waits in zip(messages, can_wait, strict=True) if waits]


def _first_offsets(messages: Sequence[Message]) -> dict[Place, int]:
    """Of each partition the lowest offset: offsets beyond it may be done, but must not be committed yet."""
    first: dict[Place, int] = {}
    for message in messages:
        place = message.topic, message.partition
        first[place] = min(message.offset, first.get(place, message.offset))
    return first
