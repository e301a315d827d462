"""The figures of a center's stage: an observer of its worker, and what the worker has at the moment of a scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Counted
from prometheus_client.metrics_core import Metric as Family

from pipeline.kafka.clock import wall_clock
from pipeline.kafka.observing import Restored, View, Worked
from pipeline.ops.metrics_building import Asked, counter, family, histogram
from pipeline.ops.reject_codes import bounded
from pipeline.stages.effects import Message, Output


class WorkerMetrics:
    """An `Observer` that counts in `registry` what the worker of `stage` does. `clock`: ms, the one append times go by."""

    def __init__(self, registry: CollectorRegistry, stage: str, clock: Callable[[], int] = wall_clock) -> None:
        self._registry = registry
        self._stage = stage
        self._clock = clock
        self._messages = counter(registry, "hedx_messages_total").labels(stage)
        self._message_bytes = histogram(registry, "hedx_message_bytes").labels(stage)
        self._batch = histogram(registry, "hedx_batch_messages").labels(stage)
        self._outputs = counter(registry, "hedx_outputs_total")
        self._output_bytes = counter(registry, "hedx_output_bytes_total")
        self._step = histogram(registry, "hedx_step_seconds").labels(stage)
        self._transaction = histogram(registry, "hedx_transaction_seconds").labels(stage)
        transactions = counter(registry, "hedx_transactions_total")
        self._committed, self._aborted = transactions.labels(stage, "committed"), transactions.labels(stage, "aborted")
        self._latency = histogram(registry, "hedx_stage_latency_seconds").labels(stage)
        self._restores = counter(registry, "hedx_restores_total").labels(stage)
        self._restored = counter(registry, "hedx_restored_records_total").labels(stage)
        self._restore = histogram(registry, "hedx_restore_seconds").labels(stage)
        self._dead = counter(registry, "hedx_dead_letters_total")
        self._refused = counter(registry, "hedx_refusals_total")
        self._withheld = counter(registry, "hedx_dead_letters_withheld_total")

    def watch(self, view: Callable[[], View]) -> None:
        """From now on show what the worker has, too."""

        def ask() -> Iterator[Family]:
            now, labels = view(), {"stage": self._stage}
            yield family("hedx_partitions_owned", [(labels, now.partitions)])
            yield family("hedx_held_messages", [(labels, now.held)])
            yield family("hedx_state_entries", [(labels, now.entries)])
            yield family("hedx_state_bytes", [(labels, now.bytes)])
            if now.turned_at:
                yield family("hedx_worker_turn_seconds", [(labels, now.turned_at / 1000)])

        Asked(self._registry, ask)

    def worked(self, work: Worked) -> None:
        """A transaction was committed just now."""
        self._committed.inc()
        self._transaction.observe(work.committed)
        if work.messages:
            self._step.observe(work.stepped)
            self._batch.observe(len(work.messages))
            self._messages.inc(len(work.messages))
            now = self._clock()
            for message in work.messages:
                self._message_bytes.observe(_size(message))
                self._latency.observe(max(0, now - message.timestamp) / 1000)
        self._written(work)
        refused = Counter(error.code for _, error in work.effects.refused)
        refused.subtract(work.withheld)  # they are among the refused
        self._count(self._refused, refused)
        self._count(self._dead, Counter(error.code for _, error in work.effects.dead))
        self._count(self._withheld, work.withheld)

    def restored(self, restored: Restored) -> None:
        """State was read back."""
        self._restores.inc()
        self._restored.inc(restored.records)
        self._restore.observe(restored.seconds)

    def aborted(self, stage: str, reason: str) -> None:
        """A transaction was given up; why is in the log."""
        self._aborted.inc()

    def _count(self, metric: Counted, numbers: Mapping[str, int]) -> None:
        for code, number in numbers.items():
            if number:
                metric.labels(self._stage, bounded(code)).inc(number)

    def _written(self, work: Worked) -> None:
        numbers: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for output in work.effects.outputs:
            numbers[output.topic] += 1
            sizes[output.topic] += _size(output)
        for topic, number in numbers.items():
            self._outputs.labels(self._stage, topic).inc(number)
            self._output_bytes.labels(self._stage, topic).inc(sizes[topic])


def _size(record: Message | Output) -> int:
    return len(record.key or b"") + len(record.value or b"")
