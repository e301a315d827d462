"""One decision in one transaction: records that are written together, the later ones telling where the first went."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.kafka.clients import Extra, producer_config
from pipeline.kafka.transactions import Checkpoint, no_checkpoint
from pipeline.stages.effects import Output

PATIENCE = 30.0
Place = tuple[str, int, int]
"""Topic, partition, offset."""
_QUIET = logging.getLogger(f"{__name__}.library")
"""What fails is raised, in words that say more; the library would print it as fatal."""
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Decider:
    """Writes as the one holder of `transactional_id`: whoever opens another one ends what this one has begun.

    So one that reads what was decided after it has opened its Decider, and then writes, decides on what still holds when
    it is written. Raises ConfigError for what the brokers refuse, Retryable when they do not answer.
    """

    def __init__(
        self,
        bootstrap: str,
        transactional_id: str,
        extra: Extra | None = None,
        *,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        quiet = {
            "log_level": 0,
            "delivery.report.only.error": False,
        }  # failures are raised; where records went is wanted
        self._producer = Producer(producer_config(bootstrap, transactional_id, extra={**quiet, **(extra or {})}))
        self._checkpoint = checkpoint
        _call(lambda: self._producer.init_transactions(PATIENCE))

    def write(self, first: Sequence[Output], then: Callable[[Sequence[Place]], Output]) -> list[Place]:
        """Write `first`, and what `then` makes of the places they got: all of it or nothing. Returns those places."""
        _call(self._producer.begin_transaction)
        try:
            places = self._produce(first)
            self._checkpoint("produced")
            self._produce([then(places)])
            self._checkpoint("noted")
            _call(lambda: self._producer.commit_transaction(PATIENCE))
        except (ConfigError, Retryable):
            self._abort()
            raise
        return places

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._producer

    def _produce(self, outputs: Sequence[Output]) -> list[Place]:
        places: list[Place | KafkaError | None] = [None] * len(outputs)

        def delivered(number: int, error: KafkaError | None, message: Message) -> None:
            place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
            places[number] = place if error is None else error

        for number, output in enumerate(outputs):
            _call(partial(self._hand_over, output, partial(delivered, number)))
        self._producer.flush(PATIENCE)
        found = [place for place in places if isinstance(place, tuple)]
        if len(found) < len(outputs):
            refused = next((place for place in places if isinstance(place, KafkaError)), None)
            if refused is None:
                raise Retryable(f"the brokers did not take it within {PATIENCE:g} s")
            _call(
                lambda: self._producer.commit_transaction(PATIENCE)
            )  # raises the cause; a record may be told its effect
            raise ConfigError(f"the brokers refuse it: {refused.str()}")
        return found

    def _hand_over(self, output: Output, told: Callable[[KafkaError | None, Message], None]) -> None:
        partition = -1 if output.partition is None else output.partition
        headers: list[tuple[str, str | bytes | None]] = list(output.headers)
        self._producer.produce(output.topic, output.value, output.key, partition, headers=headers, on_delivery=told)

    def _abort(self) -> None:
        """What cannot be aborted now ends with its time-out, or when the next one opens; it is visible to nobody."""
        try:
            self._producer.abort_transaction(PATIENCE)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if not (error.fatal() or error.retriable()):
                raise ConfigError(f"the brokers refuse it: {error.str()}") from failure


def _call(call: Callable[[], None]) -> None:
    try:
        call()
    except KafkaException as failure:
        error: KafkaError = failure.args[0]
        if error.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):  # noqa: SLF001
            raise Retryable("somebody else decides about dead letters at this moment; look again") from failure
        if error.retriable():
            raise Retryable(f"the brokers do not answer: {error.str()}") from failure
        raise ConfigError(f"the brokers refuse it: {error.str()}") from failure
