"""Sending a party's envelopes: an idempotent producer that says so only when the brokers have them."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from confluent_kafka import KafkaError, Message, Producer

from pipeline.domain.errors import Retryable
from pipeline.kafka.clients import Extra, producer_config
from pipeline.stages.effects import Output


class Poster:
    """One producer of one process. A message counts as sent when all in-sync replicas hold it."""

    def __init__(self, bootstrap: str, *, extra: Extra | None = None) -> None:
        self._producer = Producer({**producer_config(bootstrap, extra=extra), "linger.ms": 0})
        self._errors: list[KafkaError] = []

    def send(self, outputs: Sequence[Output], seconds: float = 30.0) -> None:
        """Send and wait until the brokers hold all of it. Raises Retryable when they do not within `seconds`.

        What was sent once may then be sent again: receivers know the message id.
        """
        self._errors.clear()
        deadline = monotonic() + seconds
        for output in outputs:
            self._produce(output, deadline)
        left = self._producer.flush(max(0.0, deadline - monotonic()))
        if left or self._errors:
            self._producer.purge()
            self._producer.flush(1.0)
            raise Retryable(f"{left or len(self._errors)} envelopes not taken: {self._errors[:1] or 'time is up'}")

    def close(self) -> None:
        """Let go of the connection."""
        self._producer.flush(5.0)

    def _produce(self, output: Output, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(
                    output.topic,
                    output.value,
                    output.key,
                    headers=list(output.headers),
                    on_delivery=self._delivered,
                )
            except BufferError:
                if monotonic() > deadline:
                    raise Retryable("the producer's queue stays full") from None
                self._producer.poll(0.1)
            else:
                return

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._errors.append(error)
