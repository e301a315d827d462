"""A scrape as Prometheus' own parser reads it, held against the table of names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from pipeline.ops.metric_names import BY_NAME, METRICS

FOREIGN = ("process_", "python_")
"""What the names begin with that the library itself exports."""


def families(text: bytes) -> dict[str, Family]:
    """Name, as the table has it, → what was scraped under it; without what has no sample."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        if family.samples:
            found[f"{family.name}_total" if family.type == "counter" else family.name] = family
    return found


def values(text: bytes, name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric by its labels, in the table's order; of a histogram its counts."""
    row = BY_NAME[name]
    wanted = f"{name}_count" if row.kind == "histogram" else name
    samples = families(text)[name].samples
    return {tuple(s.labels[label] for label in row.labels): s.value for s in samples if s.name == wanted}


def promised(*sources: str) -> set[str]:
    """The names that processes of these kinds export."""
    return {metric.name for metric in METRICS if metric.source in sources}


def own(text: bytes) -> set[str]:
    """The names in a scrape that are not the library's."""
    return {name for name in families(text) if not name.startswith(FOREIGN)}


def contradictions(text: bytes) -> Iterator[str]:
    """Where a scrape is not as the table says: names, kinds, labels, buckets, help."""
    for name, family in families(text).items():
        if name.startswith(FOREIGN):
            continue
        row = BY_NAME.get(name)
        if row is None:
            yield f"{name} is not in the table"
            continue
        if family.type != row.kind:
            yield f"{name} is a {family.type}, the table says {row.kind}"
        if family.documentation != row.help:
            yield f"{name}: {family.documentation}"
        for sample in family.samples:
            if _labels(sample.labels) != set(row.labels):
                yield f"{name} has the labels {sorted(sample.labels)}, the table says {row.labels}"
        bounds = {sample.labels["le"] for sample in family.samples if "le" in sample.labels}
        if {float(bound) for bound in bounds - {"+Inf"}} != set(row.buckets):
            yield f"{name} has the buckets {sorted(bounds)}"


def _labels(labels: Mapping[str, str]) -> set[str]:
    return set(labels) - {"le"}
