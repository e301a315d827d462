"""A judged poll and the replicas as Prometheus' metrics, under Kafka exporters' names and labels (`metric_names`, source `lag`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pipeline.ops.lag_history import Judged, JudgedGroup
from pipeline.ops.lag_replicas import Copies, Replicas
from pipeline.ops.lag_rules import STATUSES
from pipeline.ops.lag_samples import Place, Sample
from pipeline.ops.metric_names import METRICS

Labelled = tuple[tuple[str, ...], float]
"""Values of the labels in their order, without the cluster's, and the sample's value."""

MINE = tuple(metric for metric in METRICS if metric.source == "lag")


class LagCollector:
    """For a registry: `judged` and `replicas` give what was last found out, or None; `failures`: how many polls failed."""

    def __init__(
        self,
        cluster: str,
        judged: Callable[[], Judged | None],
        replicas: Callable[[], Replicas | None],
        failures: Callable[[], int],
    ) -> None:
        self._cluster = cluster
        self._judged = judged
        self._replicas = replicas
        self._failures = failures

    def describe(self) -> Iterable[Metric]:
        """The metrics, without samples: nothing is asked when the collector is registered."""
        return [_family(metric.name) for metric in MINE]

    def collect(self) -> Iterator[Metric]:
        """Every metric of the lag exporter; without a poll only how many have failed, and what is known of replicas."""
        judged, replicas = self._judged(), self._replicas()
        for metric in MINE:
            family = _family(metric.name)
            for labels, value in self._samples(metric.name, judged, replicas):
                family.add_metric((self._cluster, *labels), value)
            yield family

    def _samples(self, name: str, judged: Judged | None, replicas: Replicas | None) -> Iterable[Labelled]:
        if name == "hedx_lag_failures_total":
            return [((), float(self._failures()))]
        if name in OF_REPLICAS:
            return OF_REPLICAS[name](replicas) if replicas is not None else ()
        return SAMPLES[name](judged) if judged is not None else ()


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    [metric] = [each for each in MINE if each.name == name]
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def _of_partitions(value: Callable[[Sample], float | None]) -> Callable[[Judged], Iterator[Labelled]]:
    """One sample for each partition of each group, where there is a value."""

    def samples(judged: Judged) -> Iterator[Labelled]:
        for group in judged.groups:
            for (topic, partition), each in sorted(group.sample.partitions.items()):
                known = value(each)
                if known is not None:
                    yield (group.sample.name, topic, str(partition)), float(known)

    return samples


def _of_groups(value: Callable[[JudgedGroup], float | None]) -> Callable[[Judged], Iterator[Labelled]]:
    """One sample for each group, where there is a value."""

    def samples(judged: Judged) -> Iterator[Labelled]:
        for group in judged.groups:
            known = value(group)
            if known is not None:
                yield (group.sample.name,), float(known)

    return samples


def _bound(number: int) -> Callable[[Judged], Iterator[Labelled]]:
    """The begin (0) or end (1) of each partition."""

    def samples(judged: Judged) -> Iterator[Labelled]:
        for (topic, partition), bounds in sorted(judged.poll.bounds.items()):
            yield (topic, str(partition)), float(bounds[number])

    return samples


def _by_topic(judged: Judged) -> Iterator[Labelled]:
    for group in judged.groups:
        for topic in sorted({topic for topic, _ in group.sample.partitions}):
            lags = [each.lag for place, each in group.sample.partitions.items() if _is_of(place, topic)]
            yield (group.sample.name, topic), float(sum(lags))


def _is_of(place: Place, topic: str) -> bool:
    return place[0] == topic


def _statuses(judged: Judged) -> Iterator[Labelled]:
    for group in judged.groups:
        for status in STATUSES:
            yield (group.sample.name, status), float(group.verdict.status == status)


def _compacted(judged: Judged) -> Iterator[Labelled]:
    for topic in sorted({topic for topic, _ in judged.poll.bounds}):
        yield (topic,), float(topic in judged.poll.compacted)


SAMPLES: dict[str, Callable[[Judged], Iterable[Labelled]]] = {
    "kafka_partition_latest_offset": _bound(1),
    "kafka_partition_earliest_offset": _bound(0),
    "kafka_consumergroup_group_offset": _of_partitions(lambda each: each.committed),
    "kafka_consumergroup_group_lag": _of_partitions(lambda each: each.lag),
    "kafka_consumergroup_group_lag_seconds": _of_partitions(lambda each: each.seconds),
    "kafka_consumergroup_group_max_lag": _of_groups(
        lambda group: max((each.lag for each in group.sample.partitions.values()), default=0)
    ),
    "kafka_consumergroup_group_max_lag_seconds": _of_groups(lambda group: group.seconds),
    "kafka_consumergroup_group_sum_lag": _of_groups(lambda group: group.lag),
    "kafka_consumergroup_group_topic_sum_lag": _by_topic,
    "kafka_consumergroup_poll_time_ms": lambda judged: [((), round(judged.poll.took * 1000))],
    "hedx_lag_retention_ratio": _of_partitions(lambda each: each.ratio),
    "hedx_lag_status": _statuses,
    "hedx_lag_rule": _of_groups(lambda group: group.verdict.rule),
    "hedx_lag_members": _of_groups(lambda group: group.sample.members),
    "hedx_lag_absent": _of_groups(lambda group: float(group.sample.absent) if group.sample.expected else None),
    "hedx_lag_compacted": _compacted,
    "hedx_lag_polled_seconds": lambda judged: [((), judged.poll.at / 1000 + judged.poll.took)],
}
"""Metric → its samples; `hedx_lag_failures_total` is counted where polls are made."""


def _of_copies(value: Callable[[Copies], int]) -> Callable[[Replicas], Iterator[Labelled]]:
    """One sample for each partition."""

    def samples(replicas: Replicas) -> Iterator[Labelled]:
        for (topic, partition), copies in sorted(replicas.partitions.items()):
            yield (topic, str(partition)), float(value(copies))

    return samples


OF_REPLICAS: dict[str, Callable[[Replicas], Iterable[Labelled]]] = {
    "kafka_brokers": lambda replicas: [((), float(replicas.brokers))],
    "kafka_topic_partition_replicas": _of_copies(lambda copies: copies.replicas),
    "kafka_topic_partition_in_sync_replica": _of_copies(lambda copies: copies.in_sync),
    "kafka_topic_partition_leader": _of_copies(lambda copies: copies.leader),
    "hedx_topic_min_in_sync_replicas": lambda replicas: [
        ((topic,), float(least)) for topic, least in sorted(replicas.least.items())
    ],
}
"""Metric → its samples."""
