"""From the table of names to prometheus_client's objects: nothing is exported under a name, kind or label that is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pipeline.ops.metric_names import BY_NAME, Kind, Metric

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of names that are in no table

Samples = Iterable[tuple[Mapping[str, str], float]]
"""Labels → value."""


def _row(name: str, kind: Kind) -> Metric:
    row = BY_NAME[name]
    if row.kind != kind:
        raise ValueError(f"{name} is a {row.kind}, not a {kind}")
    return row


def counter(registry: CollectorRegistry, name: str) -> Counter:
    """The counter of that name, in `registry`. Raises KeyError, ValueError for what the table does not have."""
    row = _row(name, "counter")
    return Counter(row.name, row.help, row.labels, registry=registry)


def gauge(registry: CollectorRegistry, name: str) -> Gauge:
    """The gauge of that name, in `registry`. Raises KeyError, ValueError for what the table does not have."""
    row = _row(name, "gauge")
    return Gauge(row.name, row.help, row.labels, registry=registry)


def histogram(registry: CollectorRegistry, name: str) -> Histogram:
    """The histogram of that name, in `registry`. Raises KeyError, ValueError for what the table does not have."""
    row = _row(name, "histogram")
    return Histogram(row.name, row.help, row.labels, registry=registry, buckets=row.buckets)


def family(name: str, samples: Samples) -> Family:
    """What a scrape shows of a counter or gauge that somebody else keeps. Raises KeyError for an unknown name or label."""
    row = BY_NAME[name]
    kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
    made = kind(row.name, row.help, labels=row.labels)
    for labels, value in samples:
        if labels.keys() != set(row.labels):
            raise KeyError(f"{name} has the labels {row.labels}, not {sorted(labels)}")
        made.add_metric([labels[label] for label in row.labels], value)
    return made


class Asked(Collector):
    """A collector that asks `source` at each scrape, and never before."""

    def __init__(self, registry: CollectorRegistry, source: Callable[[], Iterable[Family]]) -> None:
        self._source = source
        registry.register(self)

    def collect(self) -> Iterator[Family]:
        """What the source says now."""
        yield from self._source()

    def describe(self) -> Iterable[Family]:
        """Nothing: the registry need not ask the source to know its names."""
        return ()
