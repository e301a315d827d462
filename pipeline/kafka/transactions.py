"""One producer's transactions: every call, and what each class of error means for the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from pipeline.domain.errors import HedxError
from pipeline.kafka.attempts import Place
from pipeline.kafka.clients import Extra, producer_config
from pipeline.stages.effects import Output

Checkpoint = Callable[[str], None]
"""Called at `stepped`, `begun`, `produced`, `offsets_sent`, `committed`: where faults may be put in."""


def no_checkpoint(_: str) -> None:
    """Nothing happens at any point."""


class Aborted(HedxError):
    """The transaction was aborted and nothing of it is visible: drop the overlay, rewind, go on."""


class Stuck(HedxError):
    """The producer takes no more for as long as a transaction may last: the process should exit and start again."""


class Transactions:
    """A transactional producer. `transaction_ms` bounds each transaction and the patience with each call."""

    def __init__(
        self,
        bootstrap: str,
        transactional_id: str,
        *,
        transaction_ms: int,
        checkpoint: Checkpoint = no_checkpoint,
        extra: Extra | None = None,
    ) -> None:
        self._patience = transaction_ms / 1000
        self._checkpoint = checkpoint
        self._producer = Producer(
            producer_config(bootstrap, transactional_id, transaction_ms=transaction_ms, extra=extra)
        )

    def open(self) -> None:
        """Fence whoever used the transactional id before, and end the transaction it left."""
        self._call(self._producer.init_transactions, patience=6 * self._patience)

    def carry_out(self, records: Sequence[Output], offsets: Mapping[Place, int], group: Any) -> None:
        """Write `records` and commit `offsets`, all or nothing; `group` is the metadata of when they were consumed.

        Raises Aborted when nothing was written and the caller may go on. Raises KafkaException when the producer
        is fenced, its transaction timed out, or the outcome is unknown: then the process must end, and the next one's
        `open` settles it.
        """
        try:
            self._call(self._producer.begin_transaction)
            self._checkpoint("begun")
            self._produce(records)
            self._checkpoint("produced")
            places = [TopicPartition(*place, offset) for place, offset in offsets.items()]
            self._call(self._producer.send_offsets_to_transaction, places, group, self._patience)
            self._checkpoint("offsets_sent")
            self._call(self._producer.commit_transaction, self._patience)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.fatal() or not _abortable(error):
                raise
            self._call(self._producer.abort_transaction, self._patience)
            raise Aborted(error.name()) from failure
        self._checkpoint("committed")

    def close(self) -> None:
        """Let go of the connection; a transaction in progress is left to its time-out or to the next `open`.

        Not the producer's own `close`, which tries to abort: after a commit of unknown outcome that is not ours to do.
        """
        del self._producer

    def _produce(self, records: Sequence[Output]) -> None:
        """Hand all records over; when the queue is full, wait for room within the same transaction."""
        produce = self._producer.produce
        deadline = monotonic() + self._patience
        for record in records:
            partition = -1 if record.partition is None else record.partition
            while True:
                try:
                    produce(record.topic, record.value, record.key, partition, headers=list(record.headers))
                    break
                except BufferError:
                    if monotonic() > deadline:
                        raise Stuck(f"no room for {record.topic} within {self._patience:g} s") from None
                    self._producer.poll(0.05)

    def _call(self, call: Callable[..., None], *args: Any, patience: float | None = None) -> None:
        """Retriable errors mean the same call again, and nothing else: a commit may have taken place."""
        deadline = monotonic() + (patience or self._patience)
        while True:
            try:
                return call(*args)
            except KafkaException as failure:
                error: KafkaError = failure.args[0]
                if not error.retriable() or monotonic() > deadline:
                    raise


def _abortable(error: KafkaError) -> bool:
    """`_STATE` is how `produce` says that a record before this one has already failed the transaction."""
    return error.txn_requires_abort() or error.code() == KafkaError._STATE  # noqa: SLF001 - its public name
